"""A copy of a chunk's sound in which speech is as loud as engines expect it: for them only. Pure."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from lingoloop_common.contracts.units import SAMPLE_RATE
from lingoloop_transcriber.engines import Sound

QUIET, LOUDEST, GAIN_MOST = 0.05, 0.25, 100.0
"""What stays below the first (of full scale) is made as loud as the second, by at most the third."""

FRAME = SAMPLE_RATE // 10
"""Samples of which one level is taken."""

NEAR = 5
"""Frames before and after one that are of its moment: of what is louder there, the pauses are no quiet speech."""


def audible(sound: Sound) -> Sound:
    """Return a sound without its offset, and raised if all of it is quiet."""
    if not sound.size:
        return sound
    sound = sound - sound.mean(dtype=np.float64).astype(np.float32)
    peak = float(np.abs(sound).max())
    return sound * np.float32(min(GAIN_MOST, LOUDEST / peak)) if 0 < peak < QUIET else sound


def raised(sound: Sound) -> Sound:
    """Return a sound raised wherever it is quiet for a moment; the rest stays as it is.

    A quiet speaker is as loud as others then, and so is the noise in pauses.
    """
    if not sound.size:
        return sound
    count = -(-sound.size // FRAME)
    peaks = np.abs(np.pad(sound, (0, count * FRAME - sound.size))).reshape(count, FRAME).max(axis=1)
    if peaks.min() >= QUIET:
        return sound
    around = sliding_window_view(np.pad(peaks, NEAR), 2 * NEAR + 1).max(axis=1)
    gains = np.where(around < QUIET, LOUDEST / np.maximum(around, LOUDEST / GAIN_MOST), 1.0)
    # Between the middles of frames it rises and falls evenly in decibels.
    middles = (np.arange(count) + 0.5) * FRAME
    decibels = np.interp(np.arange(sound.size), middles, np.log(gains))
    return sound * np.exp(decibels).astype(np.float32)
