"""Where a transcript as plain text has its paragraphs, and what stands between two segments. Pure."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple

from lingoloop_common.contracts.text import plain
from lingoloop_gateway.pieces import columns, ends_sentence, unspaced

PAUSE = 2.0
"""Seconds of silence that end a paragraph: between the sentences of one thought speakers pause for less."""

LONG = 600
"""Columns after which the end of a sentence ends a paragraph; about a hundred words, seven lines of a page."""

TOO_LONG = 1_200
"""Columns after which any segment ends it, for speech may come without punctuation."""

BLANK_LINE = "\n\n"

NEITHER = "“”‘’…—"
"""Used with and without spaces between words, so they do not tell which it is."""


class Paragraph(NamedTuple):
    """Text without line breaks, and who says it where that is known; `start` in seconds."""

    start: float
    text: str
    speaker: str


async def paragraphs_of(segments: AsyncIterator[Mapping[str, Any]]) -> AsyncIterator[Paragraph]:
    """Yield the text of segments in paragraphs; those without text are left out."""
    before: Mapping[str, Any] | None = None
    start, speaker, text, width = 0.0, "", "", 0
    async for given in segments:
        segment = {**given, "text": plain(given["text"])}
        if not segment["text"]:
            continue
        between = joint(before, segment, width=width) if before else ""
        if between == BLANK_LINE:
            yield Paragraph(start, text, speaker)
            text, width, between = "", 0, ""
        if not text:
            start, speaker = segment["start"], speaker_of(segment)
        text += between + segment["text"]
        width += len(between) + columns(segment["text"])
        before = segment
    if before:
        yield Paragraph(start, text, speaker)


def joint(before: Mapping[str, Any], after: Mapping[str, Any], *, width: int) -> str:
    """Return what stands between two segments: a blank line, a space, or nothing between two CJK characters.

    Args:
        before: a segment as in `GET /api/runs/{id}/segments`, its text as `plain` makes it, and not empty.
        after: the next such segment.
        width: columns of the paragraph so far.
    """
    left = before["text"]
    long = width >= TOO_LONG or (width >= LONG and ends_sentence(left))
    if long or after["start"] - before["end"] >= PAUSE or speaker_of(before) != speaker_of(after):
        return BLANK_LINE
    return space_between(left, after["text"])


def speaker_of(segment: Mapping[str, Any]) -> str:
    """Return the name of who says a segment, else the label, else the channel; empty where nobody knows."""
    channel = f"Channel {segment['channel']}" if "channel" in segment else ""
    return segment.get("speakerName") or segment.get("speaker") or channel


def space_between(left: str, right: str) -> str:
    """Return what stands between two texts on one line: a space, or nothing between two CJK characters."""
    last, first = left.rstrip(NEITHER)[-1:], right.lstrip(NEITHER)[:1]
    return "" if last and first and unspaced(last) and unspaced(first) else " "


class RunningText:
    """A text on one line that grows, segment by segment."""

    def __init__(self) -> None:
        self._last = ""

    def added(self, text: str) -> str:
        """Return what the text of the next segment adds, the space before it included."""
        text = plain(text)
        if not text:
            return ""
        between = space_between(self._last, text) if self._last else ""
        self._last = text
        return between + text
