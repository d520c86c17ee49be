"""Words become segments: a sentence, or less where the speaker pauses or goes on for long. Pure."""

from collections.abc import Sequence

from lingoloop_common.contracts.transcript import Segment, Word

PAUSE = 0.9
"""Seconds between two words that end a segment."""

LONG = 6.0
"""Seconds after which a comma ends a segment."""

TOO_LONG = 12.0
"""Seconds after which any word ends it."""

SENTENCE_ENDS = (".", "?", "!", "。", "？", "！", "…")
CLAUSE_ENDS = (",", ";", ":", "，", "；", "：", "、")


def make_segments(words: Sequence[Word]) -> list[Segment]:
    """Group words, in order, into segments; every word is in exactly one. `index` is left 0."""
    groups: list[list[Word]] = []
    for word in words:
        if not groups or _ends(groups[-1], word):
            groups.append([])
        groups[-1].append(word)
    return [
        Segment(
            index=0,
            start=group[0].start,
            end=group[-1].end,
            text="".join(word.word for word in group).strip(),
            confidence=sum(word.confidence for word in group) / len(group),
            words=group,
        )
        for group in groups
    ]


def _ends(group: Sequence[Word], following: Word) -> bool:
    """Whether a segment is complete, given the word after it."""
    last = group[-1]
    text, seconds = last.word.rstrip(), last.end - group[0].start
    return (
        following.start - last.end >= PAUSE
        or text.endswith(SENTENCE_ENDS)
        or (seconds >= LONG and text.endswith(CLAUSE_ENDS))
        or seconds >= TOO_LONG
    )
