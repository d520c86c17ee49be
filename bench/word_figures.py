"""What is compared of two transcripts of a recording: words right, words near cuts, times. Pure."""

import itertools
import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.seams import Timed, plain, plain_words, right_words
from tests.speech import Clip

NEAR = 1.0
"""Seconds around a cut in which words are compared."""

APART = 0.1
"""Seconds by which the times of one word may differ: of nine in ten they do by less."""


def at_seams(
    clip: Clip, cuts: Sequence[float], ours: Sequence[Timed], direct: Sequence[Timed]
) -> dict[str, Any]:
    """Count the words that direct decoding has right and we lost or doubled, near a cut and elsewhere.

    A word that we took for another at the same place is wrong, not lost.
    """
    reference = plain_words(clip.words)
    mine, theirs = right_words(reference, ours), right_words(reference, direct)
    edges = np.array(cuts)
    counts = {
        "near": 0,
        "near_wrong": 0,
        "near_lost": 0,
        "near_doubled": 0,
        "elsewhere": 0,
        "elsewhere_lost": 0,
    }
    for place, at in theirs.items():
        middle = direct[at].middle
        where = "near" if edges.size and np.abs(edges - middle).min() <= NEAR else "elsewhere"
        counts[where] += 1
        if place not in mine:
            lost = not any(word.start - APART <= middle <= word.end + APART for word in ours)
            if lost or where == "near":
                counts[f"{where}_lost" if lost else "near_wrong"] += 1
        elif where == "near" and mine.get(place + 1, mine[place] + 1) > mine[place] + 1:
            again = [plain(word.word) for word in ours[mine[place] + 1 : mine[place + 1]]]
            counts["near_doubled"] += reference[place] in again and place + 1 in theirs
    return counts


def times(clip: Clip, ours: Sequence[Timed], direct: Sequence[Timed]) -> dict[str, Any]:
    """Compare the times of the words that both have right, in ms, and look for times that cannot be."""
    reference = plain_words(clip.words)
    mine, theirs = right_words(reference, ours), right_words(reference, direct)
    both = [(ours[mine[place]], direct[theirs[place]]) for place in mine.keys() & theirs.keys()]
    starts = sorted(abs(one.start - other.start) * 1000 for one, other in both)
    ends = sorted(abs(one.end - other.end) * 1000 for one, other in both)
    return {
        "words": len(both),
        "start_ms": round(statistics.median(starts)),
        "end_ms": round(statistics.median(ends)),
        "start_ms_p90": round(starts[len(starts) * 9 // 10]),
        "backwards": sum(after.start < before.end for before, after in itertools.pairwise(ours)),
        "past_the_end": sum(word.end > clip.seconds for word in ours),
    }
