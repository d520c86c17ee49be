"""Turns a media file into 16 kHz mono samples, in a stream; memory does not grow with the file."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from lingoloop_common.contracts.units import SAMPLE_RATE
from lingoloop_common.media import CHANNELS, RATES, NotAudio, open_audio

Samples = NDArray[np.int16]

BLOCK = SAMPLE_RATE
"""Samples in a decoded block, at least, save for the last."""

PLACED = 8
"""Channels up to which FFmpeg knows where each is heard, and how to mix them."""


def decode(path: Path) -> Iterator[Samples]:
    """Yield a file's sound as blocks of 16-bit samples.

    Damaged packets are skipped; a file that ends early ends here.

    Raises:
        NotAudio: nothing at all could be decoded.
    """
    container, stream = open_audio(path)
    converter = _Converter()
    waiting: list[Samples] = []
    count = 0
    empty = True
    with container:
        for frame in _frames(container, stream):
            for samples in converter.convert(frame):
                waiting.append(samples)
                count += samples.size
            if count >= BLOCK:
                empty = False
                yield np.concatenate(waiting)
                waiting, count = [], 0
        waiting.extend(converter.rest())
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


class _Converter:
    """Makes frames of any kind 16 kHz mono; the kind may change, as where recordings were joined."""

    def __init__(self) -> None:
        self._kind: tuple[object, ...] = ()
        self._resampler = _mono_resampler()

    def convert(self, frame: av.AudioFrame) -> Iterator[Samples]:
        """Yield what is ready; of a frame that cannot be converted, as of a damaged packet, nothing."""
        if frame.sample_rate not in RATES or frame.layout.nb_channels not in CHANNELS:
            return
        kind = (frame.format.name, frame.layout.nb_channels, frame.layout.name, frame.sample_rate)
        if kind != self._kind:
            yield from self.rest()
            self._kind, self._resampler = kind, _mono_resampler()
        if frame.layout.nb_channels > PLACED:
            frame = _mixed(frame)
        for piece in self._resampler.resample(frame):
            yield _samples(piece)

    def rest(self) -> Iterator[Samples]:
        """Yield what the resampler still holds."""
        for piece in self._resampler.resample(None):
            yield _samples(piece)


def _mono_resampler() -> av.AudioResampler:
    return av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)


def _mixed(frame: av.AudioFrame) -> av.AudioFrame:
    """Return a frame of many channels as their mean: FFmpeg mixes only those of which it knows the place."""
    [packed] = av.AudioResampler(format="s16", layout=frame.layout, rate=frame.sample_rate).resample(frame)
    channels = _samples(packed).reshape(-1, frame.layout.nb_channels)
    mono = np.mean(channels, axis=1).astype(np.int16)
    mixed = av.AudioFrame.from_ndarray(mono[np.newaxis], format="s16", layout="mono")
    mixed.sample_rate = frame.sample_rate
    return mixed


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
