"""Recordings to measure with, built from real speech."""

import wave
from pathlib import Path

import numpy as np

from tests.speech import RATE, Clip, join, librivox_clips, shared_clips


def recording(speech: Path, minutes: float) -> Clip:
    """Return at least `minutes` of speech: of a speech folder's English clips, or of Debian's where it is missing."""
    clips = shared_clips(speech) if (speech / "manifest.json").is_file() else librivox_clips()
    return join(clips, least_seconds=minutes * 60)


def one_speaker(minutes: float) -> Clip:
    """Return at least `minutes` of one reader: Debian's clips, again and again."""
    return join(librivox_clips(), least_seconds=minutes * 60)


def write_hours(path: Path, clip: Clip, hours: float) -> Path:
    """Write a clip as a WAV, again and again until it lasts that long; once at least."""
    times = max(1, round(hours * 3600 / clip.seconds))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        for _ in range(times):
            file.writeframes(clip.samples.tobytes())
    return path


def write_large(path: Path, clip: Clip, megabytes: int) -> Path:
    """Write a clip as a WAV of 32-bit stereo at 96 kHz, again and again until it has that many megabytes."""
    second = 96_000 * 2 * 4
    left = megabytes * 1_000_000 // second * RATE
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(4)
        file.setframerate(96_000)
        while left > 0:
            for at in range(0, min(left, clip.samples.size), RATE):
                part = clip.samples[at : at + RATE]
                file.writeframes(np.repeat(part.astype(np.int32) << 16, 2 * 6).tobytes())
            left -= clip.samples.size
    return path
