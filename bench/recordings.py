"""Recordings to measure with, built from real speech."""

from pathlib import Path

from tests.speech import Clip, join, librivox_clips, shared_clips


def recording(speech: Path, minutes: float) -> Clip:
    """Return at least `minutes` of speech: of a speech folder's English clips, or of Debian's where it is missing."""
    clips = shared_clips(speech) if (speech / "manifest.json").is_file() else librivox_clips()
    return join(clips, least_seconds=minutes * 60)
