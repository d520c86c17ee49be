"""Files that are no recordings, or two things at once; what the table in test_bad_files.py is made of."""

import bz2
import functools
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable

import av
import numpy as np

from tests import media

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="http://127.0.0.1:1/x"/><text>hi</text></svg>'
HTML = b"<!doctype html><html><body><audio src='talk.wav' autoplay></audio></body></html>"
PDF = b"%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
ELF = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\0\x3e\0" + bytes(4_000)
EXE = b"MZ\x90\0" + bytes(56) + b"\x80\0\0\0" + b"This program cannot be run in DOS mode." + bytes(4_000)

MAGIC = {
    "RIFF": b"RIFF\xff\xff\xff\xffWAVEfmt ",
    "RF64": b"RF64\xff\xff\xff\xffWAVEds64",
    "Ogg": b"OggS\0\x02" + bytes(20) + b"\1\x1e\1vorbis",
    "Matroska": b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\1\x42\x82\x84webm",
    "MP4": b"\0\0\0\x18ftypM4A \0\0\2\0isomiso2\0\0\x10\0moov",
    "MP3": b"\xff\xfb\x90\0",
    "AIFF": b"FORM\0\1\0\0AIFFCOMM",
    "CAF": b"caff\0\1\0\0desc\0\0\0\0\0\0\0\x20",
    "ASF": bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"),
    "AVI": b"RIFF\xff\xff\xff\xffAVI LIST\xff\xff\xff\xffhdrl",
    "Monkey's Audio": b"MAC \x96\x0f\0\0",
    "True Audio": b"TTA1\1\0\1\0\x10\0",
    "MPEG-TS": b"\x47\x40\0\x10" + bytes(184),
    "RealMedia": b".RMF\0\0\0\x12\0\1",
}
"""How files of these kinds begin."""

DECEPTIVE = {
    "FLAC": b"fLaC\0\0\0\x22",
    "AAC": b"\xff\xf1\x50\x80",
    "WavPack": b"wvpk\x20\0\0\0\x10\4\0\0",
}
"""And of kinds whose heads say nothing of what can be decoded."""

FILMS = {
    "mp4": "mpeg4",
    "webm": "libvpx",
    "matroska": "mpeg4",
    "avi": "mpeg4",
    "mpegts": "mpeg2video",
    "flv": "flv",
}
"""Containers of moving pictures, with a codec each."""

TEXTS: dict[str, Callable[[], bytes]] = {
    "text": lambda: b"this is no recording\n" * 500,
    "a web page": lambda: HTML * 50,
    "JSON": lambda: b'{"audio": [1, 2, 3]}',
    "SVG": lambda: SVG,
    "PDF": lambda: PDF,
    "a program": lambda: ELF,
    "a Windows program": lambda: EXE,
    "a script": lambda: b"#!/bin/sh\nrm -rf /\n",
    "a table": lambda: b"a,b\n1,2\n" * 999,
    "UTF-16": lambda: "hello".encode("utf-16") * 999,
    "an XML bomb": lambda: (
        b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><l>&b;</l>'
    ),
    "subtitles": lambda: b"1\n00:00:01,000 --> 00:00:02,000\nhi\n",
    "WebVTT": lambda: b"WEBVTT\n\n00:01.000 --> 00:02.000\nhi\n",
    "notes": lambda: b"MThd\0\0\0\6\0\0\0\1\0\x60MTrk\0\0\0\4\0\xff\x2f\0",
}


def noise(size: int = 50_000, *, seed: int = 1, head: bytes = b"") -> bytes:
    """Return random bytes behind a head."""
    return head + np.random.default_rng(seed).bytes(size)


def zipped(data: bytes, name: str = "talk.wav") -> bytes:
    """Return a zip of one file."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return out.getvalue()


def tarred(data: bytes, name: str = "talk.wav") -> bytes:
    """Return a tar of one file."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


@functools.cache
def bomb() -> bytes:
    """Return 64 MB of zeros in 64 kB, and that again in a zip."""
    return gzip.compress(bytes(64 * 2**20), mtime=0)


ARCHIVES: dict[str, Callable[[], bytes]] = {
    "zip": lambda: zipped(media.wav()),
    "zip in a zip": lambda: zipped(zipped(zipped(media.wav()))),
    "zip bomb": lambda: zipped(bomb()),
    "zip with a path that climbs": lambda: zipped(media.wav(), "../../../etc/passwd"),
    "tar": lambda: tarred(media.wav()),
    "gzip": lambda: gzip.compress(media.wav()),
    "gzip bomb": bomb,
    "bzip2": lambda: bz2.compress(media.wav()),
    "xz": lambda: lzma.compress(media.wav()),
}


def picture(codec: str) -> bytes:
    """Return a picture of 64 × 48."""
    out = io.BytesIO()
    form = (
        "rgb24"
        if codec == "png"
        else "yuvj420p"
        if codec == "mjpeg"
        else "rgb8"
        if codec == "gif"
        else "bgr24"
    )
    with av.open(out, "w", format="gif" if codec == "gif" else "image2pipe") as file:
        stream = file.add_stream(codec, rate=1)
        assert isinstance(stream, av.video.stream.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, form
        frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 99, np.uint8), format="rgb24")
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return out.getvalue()


def playlists(address: str, port: int) -> dict[str, bytes]:
    """Return files that name another one, or a connection: `address`, and a port of this machine."""
    texts = {
        "m3u": f"{address}\n",
        "m3u with a head": f"#EXTM3U\n#EXTINF:9,talk\n{address}\n",
        "HLS": f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{address}\n#EXT-X-ENDLIST\n",
        "HLS of variants": f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{address}\n",
        "HLS with a key": f'#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXT-X-KEY:METHOD=AES-128,URI="{address}"\n#EXTINF:9,\nx.ts\n#EXT-X-ENDLIST\n',
        "pls": f"[playlist]\nFile1={address}\nNumberOfEntries=1\n",
        "ffconcat": f"ffconcat version 1.0\nfile '{address}'\n",
        "ffconcat of a system's file": "ffconcat version 1.0\nfile /etc/passwd\n",
        "concat without a head": f"file '{address}'\n",
        "SDP": f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {port} RTP/AVP 0\n",
        "DASH": f'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT9S"><Period><AdaptationSet mimeType="audio/mp4"><Representation id="1" bandwidth="1"><BaseURL>{address}</BaseURL></Representation></AdaptationSet></Period></MPD>',
        "Smooth Streaming": f'<?xml version="1.0"?><SmoothStreamingMedia MajorVersion="2" Url="{address}"/>',
        "XSPF": f'<?xml version="1.0"?><playlist><trackList><track><location>{address}</location></track></trackList></playlist>',
        "ASX": f'<asx version="3.0"><entry><ref href="{address}"/></entry></asx>',
        "ASF reference": f"[Reference]\nRef1={address}\n",
        "SMIL": f'<smil><body><audio src="{address}"/></body></smil>',
        "cue sheet": f'FILE "{address}" WAVE\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n',
        "RTSP text": f"RTSPtextRTSP://127.0.0.1:{port}/\r\n",
        "Real's ram": f"rtsp://127.0.0.1:{port}/talk.rm\n{address}\n",
        "ffmetadata": f";FFMETADATA1\ntitle={address}\n",
        "AviSynth": f'WavSource("{address}")\n',
        "IMF": f'<?xml version="1.0"?><CompositionPlaylist xmlns="http://www.smpte-ra.org/schemas/2067-3/2016"><Id>{address}</Id></CompositionPlaylist>',
    }
    return {name: text.encode() for name, text in texts.items()}
