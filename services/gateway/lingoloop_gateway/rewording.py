"""The words of a text that a person has changed, with their times. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from itertools import accumulate, groupby
from typing import Any

from lingoloop_gateway.pieces import unspaced

Word = dict[str, Any]
"""As in `GET /api/runs/{id}/segments`; the space before a word is part of it."""

SPACED = re.compile(r"\s*\S+")
NOT_SAID = re.compile(r"[\W_]+")


def reworded(text: str, segment: Mapping[str, Any]) -> list[Word]:
    """Return the words of a segment's new text.

    Those that the machine has too keep its times and confidence. Others share the time of what they stand for, or the
    silence they were put into, by their length; a person is sure of them (confidence 1).

    Args:
        text: the new text.
        segment: the machine's, with `words`; without any, the new text has none either.
    """
    old = [part for word in segment["words"] for part in _spread(_split(word["word"]), **_times(word))]
    new = _split(text)
    if not old:
        return []
    matcher = SequenceMatcher(
        None, [_key(word["word"]) for word in old], list(map(_key, new)), autojunk=False
    )
    words: list[Word] = []
    for same, first, end, new_first, new_end in matcher.get_opcodes():
        if same == "equal":
            kept = zip(old[first:end], new[new_first:new_end], strict=True)
            words += [{**word, "word": spelt} for word, spelt in kept]
        else:
            begin = (
                old[first]["start"] if first < end else (old[first - 1]["end"] if first else segment["start"])
            )
            until = (
                old[end - 1]["end"]
                if first < end
                else (old[end]["start"] if end < len(old) else segment["end"])
            )
            words += _spread(new[new_first:new_end], start=begin, end=max(begin, until), confidence=1.0)
    return words


def _times(word: Mapping[str, Any]) -> dict[str, float]:
    return {name: word[name] for name in ("start", "end", "confidence")}


def _key(word: str) -> str:
    """Return what is heard of a word; a mark by itself is only like itself."""
    return NOT_SAID.sub("", word).casefold() or word.strip()


def _split(text: str) -> list[str]:
    """Return the words of a text; of scripts without spaces, its characters."""
    return [word for spaced in SPACED.findall(text) for word in _characters(spaced)]


def _characters(spaced: str) -> Iterator[str]:
    said = spaced.lstrip()
    space = spaced[: len(spaced) - len(said)]
    for alone, group in groupby(said, unspaced):
        for word in group if alone else ["".join(group)]:
            yield space + word
            space = ""


def _spread(words: Sequence[str], *, start: float, end: float, confidence: float) -> Iterator[Word]:
    """Share out the time from `start` to `end` by the words' lengths."""
    ends = list(accumulate(len(word.strip()) for word in words))
    scale = (end - start) / ends[-1] if ends else 0
    for word, before, after in zip(words, [0, *ends], ends, strict=False):
        begin, until = round(start + before * scale, 3), round(start + after * scale, 3)
        yield {"word": word, "start": begin, "end": until, "confidence": confidence}
