"""Writes a part of a recording as FLAC, in a stream: what the engine hears, in half the bytes."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import av
import numpy as np

from lingoloop_common.contracts.units import SAMPLE_RATE
from lingoloop_transcriber.decode import Samples, decode, joined
from lingoloop_transcriber.loudness import raised

PIECE = 20 * SAMPLE_RATE
"""Samples that are raised at a time."""


def write_flac(
    files: Sequence[Path], path: Path, start: int, end: int, *, track: int, channels: Sequence[int] | None
) -> None:
    """Write samples [start, end) of a recording, decoded from its beginning, to a file, or to one for each of some channels.

    Raises:
        NotAudio: nothing could be decoded.
        OSError: the disk is full.
    """
    with contextlib.ExitStack() as opened:
        containers = [opened.enter_context(av.open(str(file), "w", format="flac")) for file in files]
        streams = [container.add_stream("flac", rate=SAMPLE_RATE, layout="mono") for container in containers]
        blocks = _between(decode(path, track=track, separate=channels is not None), start, end)
        for block in _gathered(blocks):
            silence = np.zeros(block.shape[-1], np.int16)
            for place, (container, stream) in enumerate(zip(containers, streams, strict=True)):
                sound = block
                if channels is not None:  # a file may decode to fewer here and there
                    sound = block[channels[place]] if channels[place] < len(block) else silence
                mono = _levelled(sound)[np.newaxis]
                frame = av.AudioFrame.from_ndarray(mono, format="s16", layout="mono")
                frame.sample_rate = SAMPLE_RATE
                container.mux(stream.encode(frame))
        for container, stream in zip(containers, streams, strict=True):
            container.mux(stream.encode(None))


def _levelled(samples: Samples) -> Samples:
    """Return samples as loud as engines expect them."""
    sound = raised(samples.astype(np.float32) / np.float32(32768))
    return np.asarray(np.clip(np.rint(sound * np.float32(32768)), -32768, 32767), np.int16)


def _gathered(blocks: Iterable[Samples]) -> Iterator[Samples]:
    """Join blocks to pieces of about PIECE samples, so that each moment's loudness has its surroundings."""
    waiting: list[Samples] = []
    for block in blocks:
        waiting.append(block)
        if sum(held.shape[-1] for held in waiting) >= PIECE:
            yield joined(waiting)
            waiting = []
    if waiting:
        yield joined(waiting)


def _between(blocks: Iterator[Samples], start: int, end: int) -> Iterator[Samples]:
    at = 0
    for block in blocks:
        size = block.shape[-1]
        if at + size > start:
            yield block[..., max(0, start - at) : end - at]
        at += size
        if at >= end:
            return
