"""What is compared of two transcripts of a recording: words right, words near cuts, times. Pure."""

import itertools
import re
import statistics
from collections.abc import Sequence
from typing import Any

import jiwer
import numpy as np

from bench.fleets import Timed
from lingoloop_common.contracts.units import SAMPLE_RATE
from lingoloop_transcriber.engines.speech import extent, find_speech, make_windows
from lingoloop_transcriber.split import Splitter
from tests.speech import Clip, Samples

NEAR = 1.0
"""Seconds around a cut in which words are compared."""


def plain(word: str) -> str:
    """Return a word as it is compared."""
    word = re.sub(r"[^a-z0-9']", "", word.lower())
    return {"mr": "mister"}.get(word, word)


def cuts_of(samples: Samples) -> list[float]:
    """Return the seconds at which a recording is cut, into chunks and inside them into windows."""
    splitter = Splitter()
    cuts = []
    for chunk in (*splitter.push(samples), *splitter.close()):
        at = chunk.start / SAMPLE_RATE
        cuts.append(at)
        if chunk.samples is not None:
            windows = make_windows(find_speech(chunk.samples.astype(np.float32) / np.float32(32768)))
            cuts += [
                at + (extent(before).end + extent(after).start) / 2
                for before, after in itertools.pairwise(windows)
            ]
    return cuts[1:]


def right_words(reference: Sequence[str], heard: Sequence[Timed]) -> dict[int, int]:
    """Return which words of the reference were heard right: index in the reference to index in what was heard."""
    found = jiwer.process_words(" ".join(reference), " ".join(plain(word.word) or "-" for word in heard))
    return {
        part.ref_start_idx + step: part.hyp_start_idx + step
        for part in found.alignments[0]
        if part.type == "equal"
        for step in range(part.ref_end_idx - part.ref_start_idx)
    }


def at_seams(
    clip: Clip, cuts: Sequence[float], ours: Sequence[Timed], direct: Sequence[Timed]
) -> dict[str, Any]:
    """Count the words that direct decoding has right and we lost or doubled, near a cut and elsewhere.

    A word that we took for another at the same place is wrong, not lost.
    """
    reference = [plain(word) for word in clip.words.split()]
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
        middle = (direct[at].start + direct[at].end) / 2
        where = "near" if edges.size and np.abs(edges - middle).min() <= NEAR else "elsewhere"
        counts[where] += 1
        if place not in mine:
            lost = not any(word.start <= middle <= word.end for word in ours)
            if lost or where == "near":
                counts[f"{where}_lost" if lost else "near_wrong"] += 1
        elif where == "near" and mine.get(place + 1, mine[place] + 1) > mine[place] + 1:
            again = [plain(word.word) for word in ours[mine[place] + 1 : mine[place + 1]]]
            counts["near_doubled"] += reference[place] in again and place + 1 in theirs
    return counts


def times(clip: Clip, ours: Sequence[Timed], direct: Sequence[Timed]) -> dict[str, Any]:
    """Compare the times of the words that both have right, in ms, and look for times that cannot be."""
    reference = [plain(word) for word in clip.words.split()]
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
