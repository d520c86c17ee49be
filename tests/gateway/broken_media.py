"""Recordings that are damaged, or lie about themselves; what the table in test_bad_files.py is made of."""

import io
import struct
from collections.abc import Callable
from typing import Any

import av
import numpy as np

from tests import media

RATE = 16_000

CONTAINERS = {
    "wav": ("wav", "pcm_s16le"),
    "mp3": ("mp3", "libmp3lame"),
    "flac": ("flac", "flac"),
    "ogg": ("ogg", "libopus"),
    "m4a": ("ipod", "aac"),
    "webm": ("webm", "libopus"),
    "mkv": ("matroska", "flac"),
}


def good(name: str) -> bytes:
    """Return three seconds of tone."""
    return media.sound(*CONTAINERS[name])


def cut(name: str, *, at: float = 0, size: int = 0) -> Callable[[], bytes]:
    """Return the maker of a recording's beginning: a part of it, or so many bytes; less than none of them from its end."""
    return lambda: good(name)[: size or round(len(good(name)) * at)]


def chunk(name: bytes, data: bytes, claimed: int | None = None) -> bytes:
    """Return a RIFF chunk; `claimed` is the size that it says it has."""
    return (
        name + struct.pack("<I", len(data) if claimed is None else claimed) + data + b"\0" * (len(data) % 2)
    )


def riff(*chunks: bytes, claimed: int | None = None) -> bytes:
    """Return chunks as a WAV."""
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) if claimed is None else claimed) + body


def fmt(
    *, kind: int = 1, channels: int = 1, rate: int = RATE, align: int = 2, bits: int = 16, more: bytes = b""
) -> bytes:
    """Return what a WAV says of its samples."""
    return chunk(b"fmt ", struct.pack("<HHIIHH", kind, channels, rate, 2 * RATE, align, bits) + more)


def tone_of(seconds: float = 1.0) -> bytes:
    """Return 16-bit samples."""
    return media.tone(seconds, rate=RATE).tobytes()


def lying_wav(**lies: Any) -> Callable[[], bytes]:
    """Return the maker of a WAV whose samples are not what its head says."""
    return lambda: riff(fmt(**lies), chunk(b"data", tone_of()))


def floats(*values: float) -> Callable[[], bytes]:
    """Return the maker of a WAV of these values, over and over."""
    return lambda: media.wav(np.resize(np.array(values, np.float32), RATE))


def patched(data: bytes, old: bytes, new: bytes) -> bytes:
    """Return data in which what follows the first `old` is overwritten."""
    place = data.index(old) + len(old)
    return data[:place] + new + data[place + len(new) :]


def flac_that_claims(*, rate: int, samples: int, channels: int = 1) -> bytes:
    """Return a FLAC whose STREAMINFO lies (RFC 9639, section 8.2)."""
    packed = rate << 44 | (channels - 1) << 41 | 15 << 36 | samples
    return good("flac")[:18] + packed.to_bytes(8, "big") + good("flac")[26:]


def mp4_that_claims(seconds: int) -> bytes:
    """Return an M4A whose headers, in units of a second, say that it is so long (ISO 14496-12, sections 8.2.2 and 8.4.2)."""
    data = good("m4a")
    for name in (b"mvhd", b"mdhd"):
        place = data.index(name) + 16
        data = data[:place] + struct.pack(">II", 1, seconds) + data[place + 8 :]
    return data


def mp4_with_a_jump(delta: int) -> bytes:
    """Return an M4A all of whose frames but the last last so many samples (ISO 14496-12, section 8.6.1.2)."""
    data = good("m4a")
    place = data.index(b"stts") + 16
    return data[:place] + struct.pack(">I", delta) + data[place + 4 :]


def mp4_elsewhere(address: str) -> bytes:
    """Return an M4A that says that its samples lie elsewhere (ISO 14496-12, section 8.7.2)."""
    old, data = b"\0\0\0\x0curl \0\0\0\1", good("m4a")
    entry = b"url \0\0\0\0" + address.encode() + b"\0"
    new = struct.pack(">I", 4 + len(entry)) + entry
    place = data.index(old)
    for name in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        at = data.rindex(name, 0, place) - 4
        [size] = struct.unpack_from(">I", data, at)
        data = data[:at] + struct.pack(">I", size + len(new) - len(old)) + data[at + 4 :]
    return data.replace(old, new, 1)


def mkv_that_claims(milliseconds: float, name: str = "mkv") -> bytes:
    """Return a Matroska file whose Duration (RFC 9559, section 5.1.2.10) is a lie."""
    return patched(good(name), b"\x44\x89\x88", struct.pack(">d", milliseconds))


def ogg_pages(data: bytes) -> list[bytes]:
    """Return an Ogg file's pages (RFC 3533, section 6)."""
    return [b"OggS" + page for page in data.split(b"OggS")[1:]]


def retimed_ogg(when: Callable[[int, int], int]) -> bytes:
    """Return an Ogg whose pages end at other times: `when` gets a page's number and granule position."""
    pages = []
    for number, page in enumerate(ogg_pages(good("ogg"))):
        [granule] = struct.unpack_from("<q", page, 6)
        head = page[:6] + struct.pack("<q", when(number, granule)) + page[14:22] + bytes(4) + page[26:]
        pages.append(head[:22] + struct.pack("<I", _ogg_crc(head)) + head[26:])
    return b"".join(pages)


def _ogg_crc(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc & 0x80000000 else 0)) & 0xFFFFFFFF
    return crc


def retimed_mkv(when: Callable[[int, int], int]) -> bytes:
    """Return a Matroska file whose blocks come at other times: `when` gets a block's number and its time, in ms."""
    data, number, place = good("mkv"), 0, 0
    while (place := data.find(b"\x81", place + 1)) != -1:
        if data[place - 3] == 0xA3 and data[place - 2] & 0xC0 == 0x40 and data[place + 3] == 0x80:
            [time] = struct.unpack_from(">h", data, place + 1)
            data = data[: place + 1] + struct.pack(">h", when(number, time)) + data[place + 3 :]
            number += 1
    assert number > 10  # blocks were found
    return data


def muxed(container: str, codec: str, packets: Callable[[Any, Any], None], **options: Any) -> bytes:
    """Return a file with one track, filled by the test."""
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        stream: Any = file.add_stream(codec, rate=media.RATE, **options)
        if stream.type == "audio":
            stream.layout = "mono"
        packets(file, stream)
    return out.getvalue()


def no_packets(file: Any, stream: Any) -> None:
    """Write heads alone."""
    file.start_encoding()


def two_tracks() -> bytes:
    """Return two tracks of sound, each with a tone of its own."""
    out = io.BytesIO()
    with av.open(out, "w", format="matroska") as file:
        streams: list[Any] = [file.add_stream("flac", rate=media.RATE, layout="mono") for _ in range(2)]
        for stream, hz in zip(streams, (440, 880), strict=True):
            for packets in media._encoded(stream, media.tone(1.0, hz=hz), media.RATE):
                file.mux(packets)
    return out.getvalue()


def many_channels(count: int) -> bytes:
    """Return a WAV of so many channels, all of them there."""
    samples = np.repeat(media.tone(0.1, rate=RATE), count)
    return riff(fmt(channels=count, align=2 * count % 2**16), chunk(b"data", samples.tobytes()))


def synchsafe(size: int) -> bytes:
    """Return a size as ID3v2 writes it: seven bits a byte."""
    return bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))


def id3(data: bytes = b"", *, claimed: int | None = None) -> bytes:
    """Return an ID3v2.3 tag."""
    return b"ID3\x03\0\0" + synchsafe(len(data) if claimed is None else claimed) + data


def cover(picture: bytes) -> bytes:
    """Return an ID3 frame that holds a picture."""
    data = b"\0image/png\0\x03\0" + picture
    return b"APIC" + struct.pack(">I", len(data)) + b"\0\0" + data


def mp3_of(rate: int, layout: str) -> bytes:
    """Return a second of tone as MP3 of a rate and layout."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp3") as file:
        stream: Any = file.add_stream("libmp3lame", rate=rate, layout=layout)
        frame = av.AudioFrame.from_ndarray(media.tone(1.0, rate=rate)[None, :], format="s16", layout="mono")
        frame.sample_rate = rate
        context = stream.codec_context
        resampler = av.AudioResampler(format=context.format, layout=layout, rate=rate, frame_size=1152)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            file.mux(stream.encode(piece))
        file.mux(stream.encode(None))
    return out.getvalue()


def noisy(name: str, *, share: float) -> Callable[[], bytes]:
    """Return the maker of a recording of which a share of the bytes, behind its head, is noise."""

    def make() -> bytes:
        luck, data = np.random.default_rng(3), np.frombuffer(good(name), np.uint8).copy()
        hit = luck.random(data.size) < share
        hit[:200] = False
        data[hit] = luck.integers(0, 256, int(hit.sum()), np.uint8)
        return data.tobytes()

    return make
