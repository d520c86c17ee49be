"""The table of bad files: what becomes of each, its name, its maker."""

import struct
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tests import media
from tests.gateway import no_media
from tests.gateway.broken_media import (
    CONTAINERS,
    chunk,
    cover,
    cut,
    flac_that_claims,
    floats,
    fmt,
    good,
    id3,
    lying_wav,
    many_channels,
    mkv_that_claims,
    mp3_of,
    mp4_that_claims,
    mp4_with_a_jump,
    muxed,
    no_packets,
    noisy,
    patched,
    retimed_mkv,
    retimed_ogg,
    riff,
    tone_of,
    two_tracks,
)

Make = Callable[[], bytes]

PLAYED = "played"
REFUSED = "422 not_audio"
TOO_LONG = "422 too_long"
FAILED = "run_failed: not_audio"
"""It is known only when it is decoded."""

DAY = 86_400
MOST = 2**32 - 1


def _wav(**claims: int) -> Make:
    """Return the maker of a WAV whose data is not as long as it says."""
    outer = claims.pop("riff", None)
    return lambda: riff(fmt(), chunk(b"data", tone_of(), **claims), claimed=outer)


CUTS: dict[str, dict[str, Any]] = {"16 bytes": {"size": 16}, "100 bytes": {"size": 100}, "a tenth": {"at": 0.1}, "half": {"at": 0.5}, "nine tenths": {"at": 0.9}, "all but a byte": {"size": -1}}  # fmt: skip

CUT_OFF = {
    "wav": [REFUSED, FAILED, PLAYED, PLAYED, PLAYED, PLAYED],
    "mp3": [REFUSED, REFUSED, PLAYED, PLAYED, PLAYED, PLAYED],
    "flac": [REFUSED, REFUSED, REFUSED, PLAYED, PLAYED, PLAYED],
    "ogg": [REFUSED, REFUSED, REFUSED, PLAYED, PLAYED, PLAYED],
    "m4a": [REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, PLAYED],  # its index comes last
    "webm": [REFUSED, REFUSED, PLAYED, PLAYED, PLAYED, PLAYED],
    "mkv": [REFUSED, REFUSED, PLAYED, PLAYED, PLAYED, PLAYED],
}
"""What becomes of the beginnings of recordings, in the order of `CUTS`."""

BROKEN: dict[str, dict[str, Make]] = {
    REFUSED: {
        "nothing": bytes,
        "one byte": lambda: b"R",
        "zeros": lambda: bytes(100_000),
        "ones": lambda: b"\xff" * 100_000,
        "an MP3 with holes": noisy("mp3", share=0.1),
        "a WAV without a head": lambda: riff(chunk(b"data", tone_of())),
        "a WAV without data": lambda: riff(fmt()),
        "a WAV with an empty head": lambda: riff(chunk(b"fmt ", b""), chunk(b"data", tone_of())),
        "a WAV with a head of 4 GiB": lambda: riff(chunk(b"fmt ", fmt()[8:], MOST), chunk(b"data", tone_of())),
        "a WAV with a list of 4 GiB": lambda: riff(fmt(), chunk(b"LIST", b"INFO", MOST), chunk(b"data", tone_of())),
        "an RF64 of 9 EB": lambda: b"RF64\xff\xff\xff\xffWAVE" + chunk(b"ds64", struct.pack("<QQQI", 2**63, 2**63, 2**63, 0)) + fmt() + chunk(b"data", tone_of(), MOST),
        **{f"a WAV at {rate} Hz": lying_wav(rate=rate) for rate in (0, 1, 999, 10_000_001, 2**31 - 1, 2**31, MOST)},
        **{f"a WAV of {count} channels": lying_wav(channels=count) for count in (65, 255)},
        "all of 255 channels": partial(many_channels, 255),
        **{f"a WAV of {bits} bits": lying_wav(bits=bits) for bits in (0, 999, 65_535)},
        **{f"a WAV of kind {kind:#x}": lying_wav(kind=kind) for kind in (0, 3, 0x674F, 0xFFFE, 0xFFFF)},
        "a Matroska with an empty track": lambda: muxed("matroska", "flac", no_packets),
        "an MP4 with an empty track": lambda: muxed("mp4", "aac", no_packets),
        "an Ogg with an empty track": lambda: muxed("ogg", "libopus", no_packets),
        "an MP3 without frames": lambda: muxed("mp3", "libmp3lame", no_packets),
        "an MP3 of a cover alone": lambda: id3(cover(no_media.picture("png"))),
        "a tag of 256 MiB": lambda: id3(claimed=2**28 - 1) + good("mp3"),
        "a tag of 256 MiB alone": lambda: id3(claimed=2**28 - 1),
        "a tag before a zip": lambda: id3(bytes(100)) + no_media.zipped(media.wav()),
    },
    FAILED: {
        **{f"a WAV of {count} channels": lying_wav(channels=count) for count in (0, 1_024, 32_768, 65_535)},
        "a WAV of no samples": lambda: riff(fmt(), chunk(b"data", b"")),
        "a WAV of half a sample": lambda: riff(fmt(), chunk(b"data", b"x")),
        **{f"a WAV of kind {kind:#x}": lying_wav(kind=kind) for kind in (2, 0x11, 0x31, 0x55)},
        "a FLAC without frames": lambda: muxed("flac", "flac", no_packets),
        "a FLAC of a cover alone": lambda: good("flac")[:4] + b"\x86" + struct.pack(">I", len(_flac_cover()))[1:] + _flac_cover(),
        "an Ogg before time began": lambda: retimed_ogg(lambda number, granule: -granule if number > 1 else granule),
        "an Ogg long before that": lambda: retimed_ogg(lambda number, granule: -(2**63) if number > 1 else granule),
        "an MP4 of frames of half a day": lambda: mp4_with_a_jump(2**31),
    },
    TOO_LONG: {
        "a FLAC of 2^36 samples": lambda: flac_that_claims(rate=48_000, samples=2**36 - 1),
        "a Matroska of 10^9 s": lambda: mkv_that_claims(1e12),
        "a WebM of 10^9 s": lambda: mkv_that_claims(1e12, "webm"),
        "an MP3 of 2^32 frames": lambda: patched(good("mp3"), b"Info\0\0\0\x0f", b"\xff" * 8),
        "an Ogg that jumps by days": lambda: retimed_ogg(lambda number, granule: granule + 3 * DAY * 48_000 * max(0, number - 1)),
        "an Ogg that jumps by 10^9 s": lambda: retimed_ogg(lambda number, granule: 48_000 * 10**9 if number > 3 else granule),
        "an Ogg that jumps to the end of time": lambda: retimed_ogg(lambda number, granule: 2**63 - 1 if number > 1 else granule),
    },
    PLAYED: {
        "a WAV that claims nothing": _wav(claimed=0),
        "a WAV that claims nothing, outside": _wav(riff=0),
        "a WAV that claims 4 GiB": _wav(claimed=MOST, riff=MOST),
        "a WAV that claims 2 GiB": _wav(claimed=2**31),
        "a WAV that claims twice as much": _wav(claimed=64_000),
        "a WAV that claims an odd length": _wav(claimed=31_999),
        "a WAV with its head behind": lambda: riff(chunk(b"data", tone_of()), fmt()),
        "a WAV with two heads": lambda: riff(fmt(), chunk(b"data", tone_of()), fmt(rate=8_000, channels=2), chunk(b"data", tone_of())),
        "a WAV with a thousand lists": lambda: riff(*[chunk(b"LIST", b"INFOx")] * 1_000, fmt(), chunk(b"data", tone_of())),
        **{f"a WAV at {rate} Hz": lying_wav(rate=rate) for rate in (1_000, 768_000, 10_000_000)},
        **{f"a WAV of {count} channels": lying_wav(channels=count) for count in (2, 3, 9, 64)},
        **{f"all of {count} channels": partial(many_channels, count) for count in (9, 32, 64)},
        **{f"a WAV of {bits} bits": lying_wav(bits=bits) for bits in (1, 7, 24, 64)},
        **{f"a WAV in blocks of {align}": lying_wav(align=align) for align in (0, 1, 3, 65_535)},
        "a WAV of doubles": lying_wav(kind=3, bits=64, align=8),
        "samples that are no numbers": floats(np.nan),
        "infinite samples": floats(np.inf, -np.inf),
        "samples of all kinds": floats(np.nan, np.inf, -np.inf, 0.5, 0.0, -0.5),
        "samples as large as can be": floats(3e38, -3e38),
        "samples as small as can be": floats(1e-45),
        "silence": lambda: media.wav(np.zeros(16_000, np.int16)),
        "a FLAC of 1 Hz": lambda: flac_that_claims(rate=1, samples=9),
        "a FLAC of 0 Hz": lambda: flac_that_claims(rate=0, samples=100),
        "a FLAC of 8 channels": lambda: flac_that_claims(rate=48_000, samples=144_000, channels=8),
        "a FLAC of no samples": lambda: flac_that_claims(rate=48_000, samples=0),
        "a FLAC with holes": noisy("flac", share=0.1),
        "an Ogg whose time runs backwards": lambda: retimed_ogg(lambda number, granule: 10**6 - 48_000 * number if number > 1 else granule),
        "an Ogg whose time stands still": lambda: retimed_ogg(lambda number, granule: 0),
        "a Matroska whose time runs backwards": lambda: retimed_mkv(lambda number, time: 3_000 - time),
        "a Matroska that jumps to and fro": lambda: retimed_mkv(lambda number, time: 32_767 if number % 2 else 0),
        "a Matroska before time began": lambda: retimed_mkv(lambda number, time: number - 32_768),
        **{f"a Matroska of {length} ms": partial(mkv_that_claims, length) for length in (0.0, -5e3, float("nan"), float("inf"), 1e300)},
        **{f"an MP4 of {seconds} s": partial(mp4_that_claims, seconds) for seconds in (0, 10**9, MOST)},
        "an MP4 of frames that end before they begin": lambda: mp4_with_a_jump(MOST),
        "an MP4 of frames without length": lambda: mp4_with_a_jump(0),
        "two tracks of sound": two_tracks,
        "a cover before an MP3": lambda: id3(cover(no_media.picture("png"))) + mp3_of(44_100, "mono"),
        "a tag of 4 MiB": lambda: id3(bytes(2**22)) + mp3_of(44_100, "mono"),
        "a tag with a frame of 4 GiB": lambda: id3(b"TIT2\xff\xff\xff\xff\0\0\0hi") + mp3_of(44_100, "mono"),
        "three hundred tags": lambda: id3(b"TIT2\0\0\0\2\0\0\0x") * 300 + mp3_of(44_100, "mono"),
        "a title of a million letters": lambda: id3(b"TIT2" + struct.pack(">I", 2**20 + 1) + b"\0\0\0" + b"x" * 2**20) + mp3_of(44_100, "mono"),
        "MP3s of two kinds in one": lambda: mp3_of(44_100, "mono") + mp3_of(22_050, "stereo"),
        "an MP3 that becomes a FLAC": lambda: good("mp3") + good("flac"),
        "a FLAC that becomes an MP3": lambda: good("flac") + good("mp3"),
        "an Ogg whose codec changes": lambda: good("ogg") + media.sound("ogg", "flac"),
        "a WAV behind a WAV": lambda: media.wav() + media.wav(rate=8_000),
        "a Matroska that becomes a WebM": lambda: good("mkv") + good("webm"),
    },
}  # fmt: skip


def _flac_cover() -> bytes:
    picture = no_media.picture("png")
    return (
        struct.pack(">II", 3, 9) + b"image/png" + struct.pack(">6I", 0, 64, 48, 24, 0, len(picture)) + picture
    )


OTHER: dict[str, dict[str, Make]] = {
    REFUSED: {
        **no_media.ARCHIVES,
        **no_media.TEXTS,
        **{f"a picture ({codec})": partial(no_media.picture, codec) for codec in ("png", "mjpeg", "gif", "bmp")},
        **{f"{container} without sound": partial(media.video, container, codec, None) for container, codec in no_media.FILMS.items()},
        "noise": no_media.noise,
        **{f"noise like {kind}": partial(no_media.noise, head=head) for kind, head in no_media.MAGIC.items()},
        "a GIF that is an MP3": lambda: no_media.picture("gif") + good("mp3"),
        "a PNG that is an MP3": lambda: no_media.picture("png") + good("mp3"),
        "a JPEG that is a FLAC": lambda: no_media.picture("mjpeg") + good("flac"),
        "a script that is a WAV": lambda: b"#!/bin/sh\n" + media.wav(),
        "a WAV that says it is an AVI": lambda: media.wav().replace(b"WAVE", b"AVI ", 1),
        "a tar that holds a WAV": lambda: no_media.tarred(media.wav()),
    },
    FAILED: {f"noise like {kind}": partial(no_media.noise, head=head) for kind, head in no_media.DECEPTIVE.items()},
    PLAYED: {
        "a page that is an MP3": lambda: no_media.HTML + good("mp3"),
        "a PDF that is an MP3": lambda: no_media.PDF + good("mp3"),
        "a playlist that is an MP3": lambda: b"#EXTM3U\nfile:///etc/passwd\n" + good("mp3"),
        "text before an MP3": lambda: b"hello world " * 1_000 + good("mp3"),
        "a page behind an MP3": lambda: good("mp3") + no_media.HTML * 100,
        "a zip behind an MP3": lambda: good("mp3") + no_media.zipped(media.wav()),
        "a zip behind a WAV": lambda: media.wav() + no_media.zipped(b"x"),
        "noise like AU": partial(no_media.noise, 16_000, head=b".snd\0\0\0\x18\xff\xff\xff\xff\0\0\0\3\0\0\x3e\x80\0\0\0\1"),
        "noise like AMR": partial(no_media.noise, 16_000, head=b"#!AMR\n"),
    },
}  # fmt: skip

TABLE: dict[str, tuple[Make, str]] = {
    **{
        f"{name}: {part} of it": (cut(name, **CUTS[part]), outcome)
        for name in CONTAINERS
        for part, outcome in zip(CUTS, CUT_OFF[name], strict=True)
    },
    **{name: (make, outcome) for outcome, files in BROKEN.items() for name, make in files.items()},
    **{name: (make, outcome) for outcome, files in OTHER.items() for name, make in files.items()},
}

assert len(TABLE) == len(CONTAINERS) * len(CUTS) + sum(
    len(files) for kinds in (BROKEN, OTHER) for files in kinds.values()
)  # no name twice
