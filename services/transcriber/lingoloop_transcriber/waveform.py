"""What a waveform shows of a piece of sound. Pure."""

import numpy as np

from lingoloop_common.contracts.units import WAVEFORM_SAMPLES
from lingoloop_transcriber.decode import Samples


def pairs_of(samples: Samples) -> bytes:
    """Return the least and the greatest sample of each `WAVEFORM_SAMPLES` (of the rest at the end), as signed bytes.

    Channels that are apart are mixed.
    """
    if samples.ndim > 1:
        samples = samples.mean(axis=0).astype(np.int16)
    begins = np.arange(0, samples.size, WAVEFORM_SAMPLES)
    pairs = np.stack((np.minimum.reduceat(samples, begins), np.maximum.reduceat(samples, begins)), axis=1)
    return (pairs / 256).astype(np.int8).tobytes()


def silent_pairs(count: int) -> bytes:
    """Return what `pairs_of` does of so many samples that are too quiet to be seen."""
    return bytes(2 * -(-count // WAVEFORM_SAMPLES))
