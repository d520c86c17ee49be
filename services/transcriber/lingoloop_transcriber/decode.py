"""Turns a media file into 16 kHz mono samples, in a stream; memory does not grow with the file."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from lingoloop_common.contracts.units import SAMPLE_RATE
from lingoloop_common.media import CHANNELS, RATES, NotAudio, check_separable, open_audio

Samples = NDArray[np.int16]
"""Shape (samples,), or (channels, samples) where channels are apart."""

BLOCK = SAMPLE_RATE
"""Samples in a decoded block, at least, save for the last."""

CANCELLED = 0.05
"""Of the louder channel's power: what two have less of together cancels out. Of one that is silent and one that is not, a
quarter is left; of two that have nothing to do with each other, half."""

PLACED = 8
"""Channels up to which FFmpeg knows where each is heard, and how to mix them."""


def decode(path: Path, *, track: int = 0, separate: bool = False) -> Iterator[Samples]:
    """Yield the sound of one of a file's tracks as blocks of 16-bit samples: mixed, or its channels apart.

    Damaged packets are skipped; a file that ends early ends here. Blocks have as many channels as the sound has there.

    Raises:
        Unfit: there is no such track, or it has too many channels to have them apart.
        NotAudio: nothing at all could be decoded.
    """
    container, stream = open_audio(path, track=track, separate=separate)
    converter = _Converter(separate)
    waiting: list[Samples] = []
    count = 0
    empty = True
    with container:
        for frame in _frames(container, stream):
            for samples in converter.convert(frame):
                waiting.append(samples)
                count += samples.shape[-1]
            if count >= BLOCK:
                empty = False
                yield joined(waiting)
                waiting, count = [], 0
        waiting.extend(converter.rest())
    if waiting:
        yield joined(waiting)
    elif empty:
        raise NotAudio("the file has a sound track, but nothing in it can be decoded")


def decode_range(path: Path, start: int, end: int, *, track: int = 0, separate: bool = False) -> Samples:
    """Return samples [start, end) of what `decode` yields, by decoding from the beginning: a seek would not land on the exact sample.

    Raises:
        NotAudio: nothing could be decoded.
    """
    kept: list[Samples] = []
    at = 0
    for block in decode(path, track=track, separate=separate):
        size = block.shape[-1]
        if at + size > start:
            kept.append(block[..., max(0, start - at) : max(0, end - at)])
        at += size
        if at >= end:
            break
    return joined(kept) if kept else np.empty((0, 0) if separate else 0, np.int16)


def joined(pieces: Sequence[Samples]) -> Samples:
    """Return pieces one after the other; a channel that one of them does not have is silent there."""
    if pieces[0].ndim == 1:
        return np.concatenate(pieces)
    most = max(len(piece) for piece in pieces)
    wide = [
        piece if len(piece) == most else np.pad(piece, ((0, most - len(piece)), (0, 0))) for piece in pieces
    ]
    return np.concatenate(wide, axis=1)


class _Converter:
    """Makes frames of any kind 16 kHz, and mono if not `separate`; the kind may change, as where recordings were joined."""

    def __init__(self, separate: bool) -> None:
        self._separate = separate
        self._kind: tuple[object, ...] = ()
        self._placed = True
        self._resampler: av.AudioResampler | None = None

    def convert(self, frame: av.AudioFrame) -> Iterator[Samples]:
        """Yield what is ready; of a frame that cannot be converted, as of a damaged packet, nothing.

        Raises:
            Unfit: it has too many channels to have them apart.
        """
        if frame.sample_rate not in RATES or frame.layout.nb_channels not in CHANNELS:
            return
        kind = (frame.format.name, frame.layout.nb_channels, frame.layout.name, frame.sample_rate)
        if self._separate:
            check_separable(frame.layout.nb_channels)
        if self._resampler is None or kind != self._kind:
            yield from self.rest()
            self._placed = self._separate or _are_placed(frame)
            self._kind, self._resampler = kind, self._resampler_for(frame)
        if not self._placed:
            frame = _mixed(frame)
        yield from self._converted(self._resampler.resample(frame))

    def rest(self) -> Iterator[Samples]:
        """Yield what the resampler still holds."""
        if self._resampler is not None:
            yield from self._converted(self._resampler.resample(None))

    def _resampler_for(self, frame: av.AudioFrame) -> av.AudioResampler:
        # FFmpeg would mix a pair without looking whether anything is left.
        apart = self._separate or (self._placed and frame.layout.nb_channels == 2)
        layout = frame.layout if apart else "mono"
        return av.AudioResampler(format="s16", layout=layout, rate=SAMPLE_RATE)

    def _converted(self, pieces: Iterable[av.AudioFrame]) -> Iterator[Samples]:
        for piece in pieces:
            samples = _samples(piece)
            if self._separate:
                yield samples.T
            else:
                yield samples[:, 0] if samples.shape[1] == 1 else _mixed_pair(samples)


def _mixed_pair(samples: Samples) -> Samples:
    """Return the mean of two channels, shape (samples, 2), or the louder one where their mean is next to nothing.

    So it is when one of them was wired the wrong way round: each is heard, but together they cancel out.
    """
    mean: Samples = samples.mean(axis=1).astype(np.int16)
    if not samples.size:
        return mean
    powers = np.square(samples, dtype=np.float64).mean(axis=0)
    if np.square(mean, dtype=np.float64).mean() >= CANCELLED * powers.max():
        return mean
    louder: Samples = samples[:, powers.argmax()]
    return louder


def _are_placed(frame: av.AudioFrame) -> bool:
    """Whether FFmpeg can mix a frame's channels: it refuses some places, like a left one without a right one."""
    if frame.layout.nb_channels > PLACED:
        return False
    try:
        av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE).resample(frame)
    except av.error.FFmpegError:
        return False
    return True


def _mixed(frame: av.AudioFrame) -> av.AudioFrame:
    """Return a frame of many channels as their mean: FFmpeg mixes only those of which it knows the place."""
    [packed] = av.AudioResampler(format="s16", layout=frame.layout, rate=frame.sample_rate).resample(frame)
    mono = np.mean(_samples(packed), axis=1).astype(np.int16)
    mixed = av.AudioFrame.from_ndarray(mono[np.newaxis], format="s16", layout="mono")
    mixed.sample_rate = frame.sample_rate
    return mixed


def _samples(frame: av.AudioFrame) -> Samples:
    """Return a packed frame's samples, shape (samples, channels). PyAV does not read eight planes."""
    return frame.to_ndarray().reshape(-1, frame.layout.nb_channels).astype(np.int16, copy=False)


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
