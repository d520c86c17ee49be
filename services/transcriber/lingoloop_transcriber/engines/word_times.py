"""Times of a window's words, made believable: alignment has nowhere to put what was invented, and stretches words. Pure."""

from collections.abc import Sequence
from statistics import median

from lingoloop_common.contracts.transcript import Word
from lingoloop_transcriber.engines.sentences import SENTENCE_ENDS

RUN_ON_LEAST = 2
"""So many words without any length at a window's end were not said."""

ECHO_WORDS_LEAST, ECHO_WORDS_MOST = 2, 12
"""So many words may be written twice that were said once; a single one may have been said twice."""

USUAL_MOST = 0.7
"""Seconds that a window's usual word takes, at most."""


def without_run_on(words: Sequence[Word]) -> list[Word]:
    """Return a window's words without those that a decoder wrote after the last sound.

    They have no length, but for the last of them, which has what time is left.
    """
    lengths = [word.end - word.start for word in words]
    said = len(words) - 1
    while said > 0 and lengths[said - 1] <= 0:
        said -= 1
    run_on = sum(length <= 0 for length in lengths[said:])
    return list(words if run_on < RUN_ON_LEAST else words[:said])


def without_echoes(words: Sequence[Word]) -> list[Word]:
    """Return a window's words without phrases that were written twice and said once: the second time takes none.

    Of an echo, too, the last word may have what time is left; the phrase gets it.
    """
    kept = list(words)
    at = 1
    while at < len(kept):
        size = _echo(kept, at)
        if size:
            said, echo = kept[at - 1], kept[at + size - 1]
            kept[at - 1 : at + size] = [said.model_copy(update={"end": echo.end})]
        else:
            at += 1
    return kept


def _echo(words: Sequence[Word], at: int) -> int:
    """Return how many of the words from `at` on are an echo of as many before it."""
    for size in range(ECHO_WORDS_LEAST, min(ECHO_WORDS_MOST, at, len(words) - at) + 1):
        phrase, again = words[at - size : at], words[at : at + size]
        if all(word.end <= word.start for word in again[:-1]) and _plain(phrase) == _plain(again):
            return size
    return 0


def _plain(words: Sequence[Word]) -> list[str]:
    return ["".join(letter for letter in word.word.lower() if letter.isalnum()) for word in words]


def tightened(words: Sequence[Word]) -> list[Word]:
    """Return a window's words, those that begin a sentence no longer than twice the usual: the pause is not theirs."""
    lengths = [word.end - word.start for word in words if word.end > word.start]
    longest = 2 * min(USUAL_MOST, median(lengths)) if lengths else 0.0
    return [
        word.model_copy(update={"start": max(word.start, word.end - longest)})
        if place == 0 or words[place - 1].word.rstrip().endswith(SENTENCE_ENDS)
        else word
        for place, word in enumerate(words)
    ]
