"""Hot words for a decoder that knows no such thing: they stand before its text, as if they had just been said. Pure.

Such a decoder repeats them where it hears little, drops what it heard, says things twice. So it listens without them too,
and what they bring is believed where a hot word takes the place of something like it: the others change nothing.
"""

from collections.abc import Callable, Sequence
from difflib import SequenceMatcher

from lingoloop_transcriber.engines.chinese import simplified

LIKE = 0.5
"""Similarity (difflib's ratio) from which two texts may be the same words, one of them misheard."""

LONGER = 1.5
"""How much longer the text may be than the one without hot words, at most; twice is said twice."""


def fitting(words: Sequence[str], encode: Callable[[str], list[int]], most: int) -> list[int]:
    """Return the tokens of as many hot words, from the first one on, as fit in `most` tokens."""
    tokens: list[int] = []
    for word in words:
        more = encode(f", {word}" if tokens else f" {word}")
        if len(tokens) + len(more) > most:
            break
        tokens += more
    return tokens


def is_better(text: str, without: str, words: Sequence[str]) -> bool:
    """Whether a text has hot words in it that the one heard `without` them lacks, and else says the same."""
    text, without = _letters(text), _letters(without)
    brought = (text.count(word) > without.count(word) for word in map(_letters, words) if word)
    return (
        any(brought)
        and len(text) <= LONGER * len(without)
        and SequenceMatcher(None, text, without, autojunk=False).ratio() >= LIKE
    )


def _letters(text: str) -> str:
    return "".join(letter for letter in simplified(text).casefold() if letter.isalnum())
