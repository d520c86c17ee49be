"""Times of a window's words, made believable: alignment has nowhere to put what was invented, and stretches words. Pure."""

from collections.abc import Sequence
from statistics import median

from lingoloop_common.contracts.transcript import Word
from lingoloop_transcriber.engines.sentences import SENTENCE_ENDS

RUN_ON_LEAST = 2
"""So many words without any length at a window's end were not said."""

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
