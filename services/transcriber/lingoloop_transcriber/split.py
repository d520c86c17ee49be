"""Cuts a stream of samples into chunks, in quiet places. Pure: samples in, cuts out."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lingoloop_common.contracts.units import SAMPLE_RATE, WAVEFORM_SAMPLES
from lingoloop_transcriber.decode import Samples, joined

FRAME = WAVEFORM_SAMPLES
"""Samples in a frame of 20 ms, the grain of the search for a quiet place, so that waveforms of chunks are a whole one."""

SHORTEST = 16 * SAMPLE_RATE
LONGEST = 28 * SAMPLE_RATE
"""A cut falls into the quietest 200 ms between these."""

QUIET_FRAMES = 10
SILENCE = 10 ** (-80 / 20) * 32768
"""Root mean square below which a frame holds nothing (−80 dB of full scale): speech at −70 dB can still be understood."""


@dataclass(frozen=True, slots=True)
class Cut:
    """One piece of the ledger: samples [start, end).

    Attributes:
        samples: None where there is only silence.
        channels: those that are not silent, where they are apart; None where they are mixed.
    """

    start: int
    end: int
    samples: Samples | None
    channels: tuple[int, ...] | None = None


class Splitter:
    """Takes samples as they are decoded, gives cuts as soon as they are sure.

    Cuts tile the stream: each begins where the one before ended. The same stream gives the same cuts however it is
    fed, so a plan that goes on after `start` finds the ledger it left. Channels that are apart are cut at the same places.
    """

    def __init__(self, start: int = 0) -> None:
        self._skip = start
        self._at = start
        self._held = np.empty(0, np.int16)

    def push(self, block: Samples) -> Iterator[Cut]:
        """Take a block; yield the cuts it completes."""
        if self._skip:
            skipped = min(self._skip, block.shape[-1])
            self._skip -= skipped
            block = block[..., skipped:]
        self._held = joined([self._held, block]) if self._held.size else block
        while self._held.shape[-1] >= LONGEST:
            yield self._cut(_quietest(self._held[..., :LONGEST]))

    def close(self) -> Iterator[Cut]:
        """The stream has ended; yield the rest."""
        if self._held.size:
            yield self._cut(self._held.shape[-1])

    def _cut(self, size: int) -> Cut:
        samples, self._held = self._held[..., :size], self._held[..., size:].copy()
        start, self._at = self._at, self._at + size
        if samples.ndim == 1:
            return Cut(start, self._at, None if _is_silent(samples) else samples)
        channels = tuple(number for number, channel in enumerate(samples) if not _is_silent(channel))
        return Cut(start, self._at, samples if channels else None, channels)


def _loudness(samples: Samples) -> NDArray[np.float64]:
    """Return the root mean square of each frame around its mean, over all channels: an offset is not heard."""
    whole = samples.shape[-1] - samples.shape[-1] % FRAME
    frames = np.atleast_2d(samples)[:, :whole].reshape(-1, whole // FRAME, FRAME).astype(np.float64)
    return np.asarray(np.sqrt(np.mean(np.var(frames, axis=2), axis=0)))


def _quietest(samples: Samples) -> int:
    """Return where to cut: the middle of the quietest 200 ms, the latest of equals."""
    loudness = _loudness(samples[..., SHORTEST:])
    smooth = np.convolve(loudness, np.ones(QUIET_FRAMES), mode="valid")
    latest = smooth.size - 1 - int(np.argmin(smooth[::-1]))
    return SHORTEST + (latest + QUIET_FRAMES // 2) * FRAME


def _is_silent(samples: Samples) -> bool:
    if samples.size < FRAME:
        return not np.any(samples)
    return bool(_loudness(samples).max() < SILENCE)
