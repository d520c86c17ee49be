"""A copy of a chunk's sound in which speech is as loud as engines expect it: for them only. Pure.

How loud the recording is, or the chunk, does not tell: beside a loud speaker a quiet one would stay one whom models take for
silence. So what is quiet for a moment is raised by itself. On joined clips of fifteen voices that also cost fewer words than one
measure for a chunk: 10.4 % wrong instead of 12.7 (tiny.en).
"""

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
    """Return a sound without its offset, raised where it is quiet; the rest stays as it is."""
    if not sound.size:
        return sound
    sound = sound - sound.mean(dtype=np.float64).astype(np.float32)
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
