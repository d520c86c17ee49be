"""Real words out of every usual container, through one server with the real model."""

from pathlib import Path

import pytest

from lingoloop.client import Client
from lingoloop.folder import DataFolder
from lingoloop.server import local_token
from tests.command_line import server
from tests.media import spoken
from tests.speech import RATE, join, librivox_clips, word_error_rate

FORMS = {
    "talk.mp3": ("mp3", "libmp3lame", None),
    "talk.wav": ("wav", "pcm_s16le", None),
    "talk.flac": ("flac", "flac", None),
    "talk.ogg": ("ogg", "libopus", None),
    "talk.m4a": ("ipod", "aac", None),
    "film.mp4": ("mp4", "aac", "mpeg4"),
    "film.webm": ("webm", "libopus", "libvpx"),
}


@pytest.mark.slow
async def test_a_recording_that_does_not_say_how_long_it_is_gives_its_words(data: Path) -> None:
    clip = join(librivox_clips(), least_seconds=40)
    path = data.parent / "live.webm"
    path.write_bytes(spoken("webm", "libopus", clip.samples, rate=RATE, seekable=False))
    async with server(data) as (_, url), Client(url, local_token(DataFolder(data))) as client:
        run_id = await client.upload(path, lambda _: None)
        frames = [frame async for frame in client.events(run_id)]
        text = b"".join([part async for part in client.export(run_id, "txt")]).decode()
    assert frames[-1]["status"] == "succeeded"
    progress = [frame["progress"] for frame in frames]
    assert progress == sorted(progress)
    assert word_error_rate(clip.words, text) <= 0.12, text


@pytest.mark.slow
async def test_each_usual_format_gives_its_words(data: Path) -> None:
    clip = join(librivox_clips(), least_seconds=15)
    async with server(data) as (_, url), Client(url, local_token(DataFolder(data))) as client:
        for name, (container, codec, picture) in FORMS.items():
            path = data.parent / name
            path.write_bytes(spoken(container, codec, clip.samples, rate=RATE, picture=picture))
            run_id = await client.upload(path, lambda _: None)
            *_, done = [frame async for frame in client.events(run_id)]
            assert done["status"] == "succeeded", (name, done)
            text = b"".join([part async for part in client.export(run_id, "txt")]).decode()
            assert word_error_rate(clip.words, text) <= 0.12, (name, text)
