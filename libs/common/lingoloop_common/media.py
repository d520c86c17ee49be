"""Opens media files with FFmpeg's libraries (through PyAV), without letting a file reach beyond itself.

Call this in a child process only: a crash in a decoder ends the process.
"""

from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer

DEMUXERS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,eac3,flac,flv,gsm,matroska,mov,mp3,mpeg,mpegts,ogg,rm,"
    "tta,voc,w64,wav,wv"
)
"""Formats that hold their own sound. Playlists (HLS, concat, DASH) and device or image formats are left out: they make
FFmpeg open other files."""


class NotAudio(ValueError):
    """The file holds no sound that can be decoded; the text says what is wrong."""


def open_audio(path: Path) -> tuple[InputContainer, AudioStream]:
    """Open a media file and choose its first audio stream.

    Raises:
        NotAudio: not a known format, damaged beyond use, or without sound.
    """
    options = {"format_whitelist": DEMUXERS, "protocol_whitelist": "file"}
    try:
        container = av.open(str(path), mode="r", options=options, metadata_errors="ignore")
    except av.error.FFmpegError as error:
        raise NotAudio(f"this is not a recording that FFmpeg can read ({error.strerror})") from None
    if not container.streams.audio:
        container.close()
        raise NotAudio("the file has no sound")
    stream = container.streams.audio[0]
    stream.codec_context.thread_type = "NONE"
    return container, stream


def duration_ms(container: InputContainer, stream: AudioStream) -> int | None:
    """Return a recording's length as its container says it, in ms, or None when it does not."""
    if stream.duration and stream.duration > 0 and stream.time_base:
        return int(stream.duration * stream.time_base * 1000)
    return round(container.duration / 1000) if container.duration and container.duration > 0 else None
