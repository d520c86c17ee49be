"""Recordings for tests, made here: sound and video in the usual formats, and files that mean harm."""

import functools
import io
import struct
import wave
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import uuid4

import av
import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]

RATE = 48_000
"""A rate that every encoder here takes."""

SIZE_UNKNOWN = 0xFFFFFFFF


def tone(seconds: float, *, rate: int = RATE, hz: float = 440.0) -> Samples:
    """Return a sine, mono, at a quarter of full scale."""
    return (np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate) * 8000).astype(np.int16)


def wav(
    samples: NDArray[Any] | None = None, *, rate: int = 16_000, claimed_bytes: int | None = None
) -> bytes:
    """Return samples (default: a second of tone) as WAV: 16-bit integers or 32-bit floats.

    `claimed_bytes` is what the header says of the data's size, if that is a lie.
    """
    samples = tone(1.0, rate=rate) if samples is None else samples
    kind, width = (3, 4) if samples.dtype == np.float32 else (1, 2)
    data = samples.tobytes()
    claimed = len(data) if claimed_bytes is None else claimed_bytes
    fmt = struct.pack("<HHIIHH", kind, 1, rate, rate * width % 2**32, width, 8 * width)
    size = min(SIZE_UNKNOWN, claimed + 36)
    return (
        b"RIFF"
        + struct.pack("<I", size)
        + b"WAVEfmt "
        + struct.pack("<I", 16)
        + fmt
        + b"data"
        + struct.pack("<I", claimed)
        + data
    )


def wav_of_channels(channels: Samples, *, rate: int = 16_000) -> bytes:
    """Return channels, shape (channels, samples), as WAV."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(channels.T.tobytes())
    return out.getvalue()


def tracks(*voices: Samples, rate: int = 16_000) -> bytes:
    """Return a Matroska with a lossless sound track of each voice."""
    out = io.BytesIO()
    with av.open(out, "w", format="matroska") as file:
        streams: list[Any] = [file.add_stream("flac", rate=rate, layout="mono") for _ in voices]
        for stream, samples in zip(streams, voices, strict=True):
            for packets in _encoded(stream, samples, rate, into=rate):
                file.mux(packets)
    return out.getvalue()


def unlike_others() -> bytes:
    """Return a second of sound as WAV that no other call returns: the same bytes again are the same recording."""
    samples = tone(1.0, rate=16_000)
    samples[:16] = np.frombuffer(uuid4().bytes, np.uint8)
    return wav(samples)


def wav_of_size(size: int) -> bytes:
    """Return a WAV of exactly `size` bytes and at most 60 s."""
    rate = 192_000
    data = wav(np.zeros((size - 44) // 2, np.int16), rate=rate)
    return data + b"\0" * (size - len(data))


def wav_of_ms(milliseconds: int) -> bytes:
    """Return a WAV that is exactly so long."""
    return wav(np.zeros(milliseconds * 8, np.int16), rate=8_000)


@functools.cache
def sound(container: str, codec: str, seconds: float = 3.0) -> bytes:
    """Return a tone in a container of FFmpeg's (`mp3`, `flac`, `ogg`, `ipod` for M4A, `wav`)."""
    return _mux(container, audio=codec, video=None, seconds=seconds)


@functools.cache
def video(container: str, codec: str, audio: str | None, seconds: float = 3.0) -> bytes:
    """Return moving pictures, with a tone if an audio codec is named."""
    return _mux(container, audio=audio, video=codec, seconds=seconds)


def spoken(
    container: str,
    audio: str,
    samples: Samples,
    *,
    rate: int,
    picture: str | None = None,
    seekable: bool = True,
) -> bytes:
    """Return given mono samples in a container, with moving pictures beside them if a codec is named.

    Without `seekable` it is written like a live stream, and does not say how long it is.
    """
    seconds = samples.size / rate
    return _mux(
        container, audio=audio, video=picture, seconds=seconds, seekable=seekable, voiced=(samples, rate)
    )


def streamed(
    container: str, codec: str, channels: Samples, *, rate: int, options: Mapping[str, str] | None = None
) -> bytes:
    """Return channels, shape (channels, samples), as they come out of a pipe: nothing is filled in at the end."""
    out, layout = _Pipe(), {1: "mono", 2: "stereo"}[len(channels)]
    with av.open(out, "w", format=container, options=dict(options or {})) as file:
        voice: Any = file.add_stream(codec, rate=rate, layout=layout)
        context = voice.codec_context
        fit = av.AudioResampler(context.format, layout, rate, frame_size=context.frame_size or 1024)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(channels), format="s16p", layout=layout)
        frame.sample_rate, frame.pts = rate, 0
        for piece in [*fit.resample(frame), *fit.resample(None)]:
            file.mux(voice.encode(piece))
        file.mux(voice.encode(None))
    return out.getvalue()


def without_duration(seconds: float = 3.0) -> bytes:
    """Return a live recording, as a browser's MediaRecorder makes them: WebM that does not say how long it is."""
    return _mux("webm", audio="libopus", video=None, seconds=seconds, seekable=False)


class _Pipe(io.BytesIO):
    """A place to write to that cannot go back, so that the muxer cannot fill in lengths at the end."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: int) -> int:
        raise io.UnsupportedOperation("this is a pipe")


def _mux(
    container: str,
    *,
    audio: str | None,
    video: str | None,
    seconds: float,
    seekable: bool = True,
    voiced: tuple[Samples, int] | None = None,
) -> bytes:
    out = io.BytesIO() if seekable else _Pipe()
    options = {} if seekable else {"live": "1"}
    with av.open(out, "w", format=container, options=options) as file:
        picture: Any = file.add_stream(video, rate=10) if video else None
        if picture:
            picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        voice: Any = file.add_stream(audio, rate=RATE) if audio else None
        if voice:
            voice.layout = "mono"
        if picture:
            for number in range(round(seconds * 10)):
                frame = av.VideoFrame.from_ndarray(
                    np.full((48, 64, 3), number % 255, np.uint8), format="rgb24"
                )
                frame.pts = number
                file.mux(picture.encode(frame))
            file.mux(picture.encode(None))
        if voice:
            for packets in _encoded(voice, *(voiced or (tone(seconds), RATE))):
                file.mux(packets)
    return out.getvalue()


def _encoded(voice: Any, samples: Samples, rate: int, *, into: int = RATE) -> Iterable[list[Any]]:
    frame = av.AudioFrame.from_ndarray(samples[None, :], format="s16", layout="mono")
    frame.sample_rate, frame.pts = rate, 0
    context = voice.codec_context
    resampler = av.AudioResampler(
        format=context.format, layout="mono", rate=into, frame_size=context.frame_size or 1024
    )
    for piece in [*resampler.resample(frame), *resampler.resample(None)]:
        yield voice.encode(piece)
    yield voice.encode(None)


def silence_in_one_frame(runs: int) -> bytes:
    """Return an ALAC of some KB, whose only frame says that it is `runs` times 65,536 samples of silence."""
    head = "0" * 19 + "1" + "000" + f"{runs * 65_536:032b}" + "0" * 16 + "0000" + "0001" + "100" + "00000"
    bits = head + ("0" + "1" * 25) * runs + "111"
    packet: Any = av.Packet(int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8)))
    out = io.BytesIO()
    with av.open(out, "w", format="mov") as file:
        stream: Any = file.add_stream("alac", rate=8_000, layout="mono")
        stream.codec_context.open()
        packet.stream, packet.pts = stream, 0
        file.mux(packet)
    usual, most = (b"alac" + bytes(4) + number.to_bytes(4) for number in (4096, 2**24))
    return out.getvalue().replace(usual, most)
