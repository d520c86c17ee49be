"""Which voices of a recording are one speaker's: windows go in, turns come out. Pure; the same windows give the same turns."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lingoloop_common.contracts.units import SAMPLE_RATE
from lingoloop_transcriber.voices import WINDOWS

Voices = NDArray[np.float32]
"""Of shape (windows or groups, numbers of a voice)."""

ALIKE_ALONE, ALIKE = 0.3, 0.65
"""The least cosine between two groups of one speaker, where one is a window alone, and where both are large: noise evens out.

Measured between windows of one speaker: 0.45 to 0.85, between their means 0.85 and more; between means of two speakers up to
0.25, and up to 0.6 on the telephone.
"""

BLOCK = 300
"""Windows that are grouped at a time, about four minutes of speech; then the groups are."""

GROUPS_MOST = 2_000
"""The largest groups of all blocks that are grouped again: what that takes grows with their square."""

WINDOWS_LEAST = 3
SHARE_LEAST = 1 / 500
"""A speaker has at least so many windows, and so much of all: a cough or some music is nobody."""

SPEAKERS_MOST = 20

NEVER = -9.0
"""Of two groups that are not to be joined: they are one, or one of them is no more."""

CHANGE = 0.2
"""How much better another speaker must fit, as cosines added up, for a change to be believed."""

PAUSE = SAMPLE_RATE // 2
"""Samples without speech that do not end a turn."""

Turn = tuple[float, float, int]
"""From when to when, in seconds, and who: a number."""


def tell_apart(windows: NDArray[np.void]) -> list[Turn]:
    """Return who speaks when, in order and without overlap.

    Args:
        windows: array of WINDOWS, in order of time.
    """
    if not windows.size:
        return []
    voices = _unit(windows["voice"].astype(np.float32))
    speakers = _find_speakers(voices)
    for _ in range(2):  # what a window or two had wrong, those around it put right
        who = _follow(voices @ speakers.T)
        speakers = np.stack(
            [
                _unit(voices[who == k].sum(axis=0)) if (who == k).any() else old
                for k, old in enumerate(speakers)
            ]
        )
    return list(_turns(windows, _follow(voices @ speakers.T)))


def read_windows(stored: bytes) -> NDArray[np.void]:
    """Return windows as `Voices.listen` gave them."""
    return np.frombuffer(stored, WINDOWS)


def _find_speakers(voices: Voices) -> Voices:
    """Return the mean voice of each speaker, who has most first."""
    sums, sizes = [], []
    for begin in range(0, len(voices), BLOCK):
        block = voices[begin : begin + BLOCK]
        for group in _group(block, np.ones(len(block))):
            sums.append(block[group].sum(axis=0))
            sizes.append(len(group))
    largest = np.argsort(-np.array(sizes), kind="stable")[:GROUPS_MOST]
    parts, counts = np.stack(sums)[largest], np.array(sizes)[largest]
    groups = _group(parts, counts)
    size = np.array([counts[group].sum() for group in groups])
    order = np.argsort(-size, kind="stable")[:SPEAKERS_MOST]
    least = max(WINDOWS_LEAST, len(voices) * SHARE_LEAST)
    kept = [place for place in order if size[place] >= least] or [order[0]]
    return _unit(np.stack([parts[groups[place]].sum(axis=0) for place in kept]))


def _group(voices: Voices, sizes: NDArray[Any]) -> list[list[int]]:
    """Join the two groups that are most alike until none are alike; return each group's places.

    Args:
        voices: sums of the windows of what is to be grouped.
        sizes: of how many.
    """
    sums, means, sizes = voices.copy(), _unit(voices), sizes.astype(np.float32)
    groups = [[place] for place in range(len(voices))]
    # By how much two are more alike than they must be.
    excess = means @ means.T - _least(np.minimum(sizes[:, np.newaxis], sizes))
    np.fill_diagonal(excess, NEVER)
    nearest, best = excess.argmax(axis=1), excess.max(axis=1)
    while best.max() >= 0:
        one = int(best.argmax())
        other = int(nearest[one])
        sums[one] += sums[other]
        sizes[one] += sizes[other]
        means[one] = _unit(sums[one])
        groups[one] += groups[other]
        groups[other] = []
        excess[other] = excess[:, other] = best[other] = NEVER
        row = means @ means[one] - _least(np.minimum(sizes, sizes[one]))
        row[best == NEVER] = row[one] = NEVER
        stale = np.flatnonzero((nearest == one) | (nearest == other) | (row > best))
        excess[one] = excess[:, one] = row
        for place in {one, *stale.tolist()}:
            nearest[place], best[place] = excess[place].argmax(), excess[place].max()
    return [sorted(group) for group in groups if group]


def _least(size: NDArray[Any]) -> Voices:
    """Return how alike two groups of one speaker are at least, the smaller one having so many windows."""
    return np.asarray(ALIKE - (ALIKE - ALIKE_ALONE) / np.sqrt(size), np.float32)


def _follow(fit: Voices) -> NDArray[np.intp]:
    """Return the speaker of each window, where every change costs CHANGE (Viterbi's algorithm); `fit` is (windows, speakers)."""
    total = fit[0].copy()
    came_from = np.empty(fit.shape, np.int8)
    everyone = np.arange(fit.shape[1])
    for place in range(1, len(fit)):
        best = int(total.argmax())
        stays = total >= total[best] - CHANGE
        came_from[place] = np.where(stays, everyone, best)
        total = np.where(stays, total, total[best] - CHANGE) + fit[place]
    who = np.empty(len(fit), np.intp)
    who[-1] = total.argmax()
    for place in range(len(fit) - 1, 0, -1):
        who[place - 1] = came_from[place, who[place]]
    return who


def _turns(windows: NDArray[np.void], who: NDArray[np.intp]) -> Iterator[Turn]:
    """Yield turns; one ends in the middle of what its last window and the next one's first share."""
    starts, ends = windows["start"].astype(np.int64), windows["end"].astype(np.int64)
    middles = (starts[1:] + ends[:-1]) // 2
    shared = starts[1:] < ends[:-1]
    starts[1:][shared], ends[:-1][shared] = middles[shared], middles[shared]
    begin = 0
    for place in range(1, len(who) + 1):
        if place == len(who) or who[place] != who[begin] or starts[place] - ends[place - 1] > PAUSE:
            yield float(starts[begin] / SAMPLE_RATE), float(ends[place - 1] / SAMPLE_RATE), int(who[begin])
            begin = place


def _unit(voices: Voices) -> Voices:
    return np.asarray(voices / np.maximum(np.linalg.norm(voices, axis=-1, keepdims=True), 1e-9), np.float32)
