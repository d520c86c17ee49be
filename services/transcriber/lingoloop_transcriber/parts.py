"""Parts: cuts joined for an engine that takes minutes or hours at a time. Pure: memory does not grow with a part's length."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from lingoloop_common.contracts.transcript import SEGMENTS_PER_CHUNK
from lingoloop_transcriber.decode import Samples, joined
from lingoloop_transcriber.split import SHORTEST, Cut
from lingoloop_transcriber.waveform import pairs_of, silent_pairs

_HEARD: Samples = np.empty(0, np.int16)
"""Stands for samples that are not kept; None would be silence."""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of the ledger: samples [start, end), and their waveform; the samples themselves where they were to be kept.

    Attributes:
        channels: those that are not silent, where they are apart; None where they are mixed.
    """

    start: int
    end: int
    silent: bool
    channels: tuple[int, ...] | None
    pairs: bytes
    samples: Samples | None


def join_cuts(cuts: Iterable[Cut], longest: int, *, keep: bool) -> Iterator[Part]:
    """Join cuts, which tile a recording, to parts of at most `longest` samples: those begin in quiet places too."""
    group: list[Cut] = []
    pairs = b""
    for cut in cuts:
        if group and cut.end - group[0].start > longest:
            yield _part(group, pairs, keep=keep)
            group, pairs = [], b""
        pairs += silent_pairs(cut.end - cut.start) if cut.samples is None else pairs_of(cut.samples)
        group.append(cut if keep or cut.samples is None else Cut(cut.start, cut.end, _HEARD, cut.channels))
    if group:
        yield _part(group, pairs, keep=keep)


def _part(group: list[Cut], pairs: bytes, *, keep: bool) -> Part:
    heard = {channel for cut in group for channel in cut.channels or ()}
    channels = None if group[0].channels is None else tuple(sorted(heard))
    silent = all(cut.samples is None for cut in group)
    samples = None
    if keep and not silent:
        samples = joined([_sound(cut) for cut in group])
        if channels is not None:
            samples = samples[list(channels)]
    return Part(group[0].start, group[-1].end, silent, channels, pairs, samples)


def _sound(cut: Cut) -> Samples:
    if cut.samples is not None:
        return cut.samples
    size = cut.end - cut.start
    return np.zeros(size if cut.channels is None else (1, size), np.int16)


def part_index(start: int) -> int:
    """Return the index of the chunk that begins at a sample: as if all before it were as short as chunks can be.

    So the segments of a long one have indices of their own up to the next, and a plan that goes on needs not count.
    """
    return start // SHORTEST


def segments_most(start: int, end: int) -> int:
    """Return how many segments a part may have without taking the next one's indices."""
    return SEGMENTS_PER_CHUNK * max(1, part_index(end) - part_index(start))
