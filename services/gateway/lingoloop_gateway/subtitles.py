"""Segments become cues, and cues become SubRip (SRT) or WebVTT. Pure.

The rules are those of subtitlers: the BBC's Subtitle Guidelines (at most two lines; break at the end of a sentence or
clause, at a pause) and Netflix's Timed Text Style Guide (42 columns, at most 7 seconds, two lines of like length broken
after punctuation). A cue never spans segments.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Any

from lingoloop_gateway.paragraphs import speaker_of
from lingoloop_gateway.pieces import LINE, Piece, ends_clause, ends_sentence, pieces_of

SHORTEST = 1.0
"""Seconds below which a cue is gone before it is read; Netflix's 5/6 s, rounded up."""

LONGEST = 7.0
"""Seconds after which a viewer reads the cue again."""

PAUSE = 0.9
"""Seconds of silence that end a cue, as they end a segment."""

BREATH = 0.3
"""Seconds of silence that are as good a place to break as a comma."""

AFTER_PUNCTUATION = 12
"""Columns by which lines may differ more if that puts the line break after punctuation."""

TAG_LIKE = re.compile(r"[<\\]|--(?=>)")
JOINER = "\u2060"
"""WORD JOINER: not seen, and what looks like a tag is none with it inside."""

BRACES = str.maketrans("{}", "❴❵")
"""As wide and much alike. Players made of ffmpeg and libass hide all that is in braces, joiner or not."""


@dataclass(frozen=True, slots=True)
class Cue:
    """What is on the screen at a time: one or two lines, and whose, if known; `start` and `end` in milliseconds."""

    start: int
    end: int
    lines: tuple[str, ...]
    speaker: str = ""


def milliseconds(seconds: float) -> int:
    """Return the nearest millisecond. From here on times are integers, so none is rounded past another."""
    return round(seconds * 1000)


def cues_of(segment: Mapping[str, Any]) -> list[Cue]:
    """Return a segment's cues, with the times of their words; `settle` makes the times those of the screen.

    Args:
        segment: as in `GET /api/runs/{id}/segments`; times in seconds, `words` may be empty.
    """
    pieces = pieces_of(segment)
    runs = _runs(pieces) if pieces else []
    speaker = speaker_of(segment)
    return [Cue(milliseconds(run[0].start), milliseconds(run[-1].end), _lines(run), speaker) for run in runs]


def settle(cue: Cue, *, free: int, following: int | None) -> Cue:
    """Return a cue with its times on the screen.

    It never overlaps, is at least 1 ms long whatever its words' times are, lasts into silence if it would be gone
    before it is read, and does not stay longer than `LONGEST`.

    Args:
        cue: with the times of its words.
        free: the millisecond from which on the screen is free.
        following: the millisecond at which the next cue's words begin; None if there is no next cue.
    """
    start = max(cue.start, free)
    end = min(max(cue.end, start + milliseconds(SHORTEST)), start + milliseconds(LONGEST))
    if following is not None:
        end = min(end, following)
    return replace(cue, start=start, end=max(end, start + 1))


def _runs(pieces: Sequence[Piece]) -> list[Sequence[Piece]]:
    """Divide pieces into runs that are a cue each.

    What is divided, is divided at its best place: where neither side would be gone before it is read, at the end of a
    sentence or a pause rather than of a clause, there rather than between words, then near the middle. A run that fits
    is divided at the end of a sentence or a pause only.
    """
    if len(pieces) == 1:
        return [pieces]
    ends = list(accumulate(piece.columns for piece in pieces))

    def badness(cut: int) -> tuple[bool, int, int]:
        return (
            _flashes(pieces, cut),
            _weakness(pieces[cut - 1], pieces[cut]),
            abs(ends[-1] - 2 * ends[cut - 1]),
        )

    cut = min(range(1, len(pieces)), key=badness)
    if badness(cut)[:2] != (False, 0) and _fits(pieces):
        return [pieces]
    return _runs(pieces[:cut]) + _runs(pieces[cut:])


def _flashes(pieces: Sequence[Piece], cut: int) -> bool:
    """Whether one side of a cut has less than `SHORTEST` on the screen."""
    begin = pieces[cut].start
    return min(begin - pieces[0].start, pieces[-1].end - begin) < SHORTEST


def _weakness(left: Piece, right: Piece) -> int:
    """Return 0 for the end of a sentence or a pause, 1 for the end of a clause or a breath, 2 between other pieces."""
    silence = right.start - left.end
    if ends_sentence(left.text) or silence >= PAUSE:
        return 0
    return 1 if ends_clause(left.text) or silence >= BREATH else 2


def _fits(pieces: Sequence[Piece]) -> bool:
    """Whether pieces may be one cue."""
    return pieces[-1].end - pieces[0].start <= LONGEST and bool(_lines(pieces))


def _lines(pieces: Sequence[Piece]) -> tuple[str, ...]:
    """Return pieces as one line or as two; none if they need more."""
    if _width(pieces) <= LINE:
        return (_joined(pieces),)
    if cut := _line_break(pieces):
        return _joined(pieces[:cut]), _joined(pieces[cut:])
    return ()


def _line_break(pieces: Sequence[Piece]) -> int:
    """Return where the second line begins, so that lines are of like length, or nearly so and broken after punctuation.

    0 if two lines do not hold the pieces.
    """
    if (whole := _width(pieces)) > 2 * LINE + 1:
        return 0
    best, least = 0, whole
    upper = -pieces[0].indent
    for cut, (left, right) in enumerate(pairwise(pieces), start=1):
        upper += left.columns
        lower = whole - upper - right.indent
        punctuated = ends_sentence(left.text) or ends_clause(left.text)
        badness = abs(upper - lower) - AFTER_PUNCTUATION * punctuated
        if max(upper, lower) <= LINE and badness < least:
            best, least = cut, badness
    return best


def _width(pieces: Sequence[Piece]) -> int:
    return sum(piece.columns for piece in pieces) - pieces[0].indent


def _joined(pieces: Sequence[Piece]) -> str:
    return "".join(piece.text for piece in pieces).strip()


def timestamp(ms: int, mark: str) -> str:
    """Return `HH:MM:SS`, the mark, and three digits of milliseconds; hours have more digits from 100 on."""
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{mark}{ms:03}"


def srt_block(number: int, cue: Cue) -> str:
    r"""Return a cue in SubRip, with the blank line after it; numbers count from 1.

    SubRip has no escaping: players take `<b>` (HTML), `{\an8}` and `\N` (Advanced SubStation) for formatting, and
    `-->` for the times of a cue. So a character that nobody sees breaks them up, and braces are exchanged.
    """
    text = TAG_LIKE.sub(rf"\g<0>{JOINER}", "\n".join(cue.lines)).translate(BRACES)
    return f"{number}\n{timestamp(cue.start, ',')} --> {timestamp(cue.end, ',')}\n{text}\n\n"


def vtt_block(cue: Cue) -> str:
    """Return a cue in WebVTT, with the blank line after it; escaped as https://www.w3.org/TR/webvtt1/#cue-text says."""
    voice = f"<v {_vtt_text(cue.speaker)}>" if cue.speaker else ""
    text = voice + _vtt_text("\n".join(cue.lines))
    return f"{timestamp(cue.start, '.')} --> {timestamp(cue.end, '.')}\n{text}\n\n"


def _vtt_text(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
