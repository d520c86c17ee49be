"""Turns a media file into 16 kHz mono samples, in a stream; memory does not grow with the file."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from lingoloop_common.contracts.units import SAMPLE_RATE
from lingoloop_common.media import NotAudio, open_audio

Samples = NDArray[np.int16]

BLOCK = SAMPLE_RATE
"""Samples in a decoded block, at least, save for the last."""


def decode(path: Path) -> Iterator[Samples]:
    """Yield a file's sound as blocks of 16-bit samples.

    Damaged packets are skipped; a file that ends early ends here.

    Raises:
        NotAudio: nothing at all could be decoded.
    """
    container, stream = open_audio(path)
    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
    waiting: list[Samples] = []
    count = 0
    empty = True
    with container:
        for frame in _frames(container, stream):
            for piece in resampler.resample(frame):
                waiting.append(_samples(piece))
                count += waiting[-1].size
            if count >= BLOCK:
                empty = False
                yield np.concatenate(waiting)
                waiting, count = [], 0
        for piece in resampler.resample(None):
            waiting.append(_samples(piece))
    rest = np.concatenate(waiting) if waiting else np.empty(0, np.int16)
    if rest.size:
        yield rest
    elif empty:
        raise NotAudio("the file has a sound track, but nothing in it can be decoded")


def decode_range(path: Path, start: int, end: int) -> Samples:
    """Return samples [start, end) by decoding from the beginning: a seek would not land on the exact sample.

    Raises:
        NotAudio: nothing could be decoded.
    """
    kept: list[Samples] = []
    at = 0
    for block in decode(path):
        if at + block.size > start:
            kept.append(block[max(0, start - at) : max(0, end - at)])
        at += block.size
        if at >= end:
            break
    return np.concatenate(kept) if kept else np.empty(0, np.int16)


def _samples(frame: av.AudioFrame) -> Samples:
    return frame.to_ndarray().reshape(-1).astype(np.int16, copy=False)


def _frames(
    container: av.container.InputContainer, stream: av.audio.stream.AudioStream
) -> Iterator[av.AudioFrame]:
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.error.FFmpegError:
            return  # the container is cut off here
        try:
            for frame in packet.decode():
                frame.pts = (
                    None  # count samples: broken time stamps must not make the resampler invent or drop any
                )
                yield frame
        except av.error.FFmpegError:
            continue
