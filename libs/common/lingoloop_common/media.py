"""Opens media files with FFmpeg's libraries (through PyAV), without letting a file reach beyond itself.

Call this in a child process only: a crash in a decoder ends the process.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import av
from av.audio.stream import AudioStream
from av.container import InputContainer

DEMUXERS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,eac3,flac,flv,gsm,matroska,mov,mp3,mpeg,mpegts,ogg,rm,"
    "tta,voc,w64,wav,wv"
)
"""Formats that hold their own sound. Playlists (HLS, concat, DASH) and device or image formats are left out: they make
FFmpeg open other files."""

RATES = range(1_000, 10_000_001)
"""Samples a second that sound may have. One sample at 1 Hz would become 16,000; filters beyond the other end take gigabytes."""

CHANNELS = range(1, 65)
"""Channels that FFmpeg's resampler takes."""


FRAME_MOST = 2**19
"""Samples in a frame, at most: a packet of some hundred bytes may else become hours of silence, and gigabytes."""

SEPARATE_MOST = 8
"""Channels that are transcribed one by one, at most."""


class NotAudio(ValueError):
    """The file holds no sound that can be decoded; the text says what is wrong."""


class Unfit(NotAudio):
    """The file holds sound, but none as it was asked for; `wish` is the field that asks."""

    def __init__(self, wish: Literal["track", "channels"], text: str) -> None:
        super().__init__(text)
        self.wish = wish


def open_audio(path: Path, *, track: int = 0, separate: bool = False) -> tuple[InputContainer, AudioStream]:
    """Open a media file and choose one of its sound tracks, counted from 0; `separate`: for its channels one by one.

    Raises:
        Unfit: there is no such track, or it has too many channels.
        NotAudio: not a known format, damaged beyond use, without sound, or with a sound that cannot be decoded.
    """
    options = {"format_whitelist": DEMUXERS, "protocol_whitelist": "file"}
    try:
        container = av.open(str(path), mode="r", options=options, metadata_errors="ignore")
    except av.error.FFmpegError as error:
        raise NotAudio(f"this is not a recording that FFmpeg can read ({error.strerror})") from None
    if not container.streams.audio:
        container.close()
        raise NotAudio("the file has no sound")
    try:
        stream = _chosen(container.streams.audio, track)
        if separate:
            check_separable(stream.codec_context.channels)
    except NotAudio:
        container.close()
        raise
    stream.codec_context.thread_type = "NONE"
    stream.codec_context.options = {"max_samples": str(FRAME_MOST)}
    return container, stream


def check_separable(channels: int) -> None:
    """Raise Unfit for a sound of more channels than are transcribed one by one."""
    if channels > SEPARATE_MOST:
        raise Unfit("channels", f"the sound has {channels} channels; one by one it may have {SEPARATE_MOST}")


def duration_ms(container: InputContainer, stream: AudioStream) -> int | None:
    """Return a recording's length as its container says it, in ms, or None when it does not."""
    if stream.duration and stream.duration > 0 and stream.time_base:
        return int(stream.duration * stream.time_base * 1000)
    return round(container.duration / 1000) if container.duration and container.duration > 0 else None


def _chosen(tracks: Sequence[AudioStream], track: int) -> AudioStream:
    if track >= len(tracks):
        count = "1 sound track" if len(tracks) == 1 else f"{len(tracks)} sound tracks"
        raise Unfit("track", f"there is no sound track {track}, counted from 0; the file has {count}")
    if wrong := _what_is_wrong(tracks[track]):
        raise NotAudio(wrong)
    return tracks[track]


def _what_is_wrong(stream: AudioStream) -> str | None:
    """Return why a sound track cannot be decoded. A rate or number of channels that is not told may come with the sound."""
    context: Any = stream.codec_context  # None for an unknown codec, which PyAV's types do not say
    if context is None:
        return "the sound is coded in a way that FFmpeg does not know"
    rate, channels = context.sample_rate, context.channels
    if rate and rate not in RATES:
        return f"the sound has {rate} samples a second; it must be {RATES.start} to {RATES.stop - 1}"
    if channels and channels not in CHANNELS:
        return f"the sound has {channels} channels; it may have {CHANNELS.stop - 1}"
    return None
