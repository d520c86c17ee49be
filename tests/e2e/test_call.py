"""A phone call with a speaker on each channel, through one server with the real model: who said what, in order of time."""

from pathlib import Path

import httpx
import numpy as np
import pytest

from lingoloop.client import Client
from lingoloop.folder import DataFolder
from lingoloop.server import local_token
from tests.command_line import server
from tests.media import wav_of_channels
from tests.speech import RATE, Clip, librivox_clips, word_error_rate


def call(turns: list[tuple[int, Clip]], *, pause: float = 0.6) -> np.ndarray:
    """Return a recording of two channels in which one speaks while the other has the line's noise."""
    total = sum(clip.samples.size + int(pause * RATE) for _, clip in turns)
    sound = np.random.default_rng(3).normal(0, 3, (2, total))
    at = 0
    for channel, clip in turns:
        sound[channel, at : at + clip.samples.size] += clip.samples
        at += clip.samples.size + int(pause * RATE)
    return sound.clip(-32768, 32767).astype(np.int16)


@pytest.mark.slow
async def test_each_speakers_words_are_on_their_channel_in_order_of_time(data: Path) -> None:
    one, two, three = librivox_clips()
    turns = [(0, one), (1, two), (0, three), (1, one), (0, two), (1, three)]
    path = data.parent / "call.wav"
    path.write_bytes(wav_of_channels(call(turns)))
    async with server(data) as (_, url), Client(url, local_token(DataFolder(data))) as client:
        run_id = await client.upload(path, lambda _: None, channels="separate")
        *_, done = [frame async for frame in client.events(run_id)]
        assert done["status"] == "succeeded"
        text = b"".join([part async for part in client.export(run_id, "txt")]).decode()
        async with httpx.AsyncClient(base_url=url) as http:
            headers = {"Authorization": f"Bearer {local_token(DataFolder(data))}"}
            answer = await http.get(f"/api/runs/{run_id}/segments", headers=headers)
    segments = answer.json()["items"]
    assert [one["start"] for one in segments] == sorted(one["start"] for one in segments)
    for channel in (0, 1):
        heard = " ".join(one["text"] for one in segments if one["channel"] == channel)
        words = " ".join(clip.words for place, clip in turns if place == channel)
        assert word_error_rate(words, heard) <= 0.12, (channel, heard)
    # Nobody speaks at the same time, so the text is the conversation.
    said = [paragraph.split(": ", 1) for paragraph in text.strip().split("\n\n")]
    assert [name for name, _ in said] == [f"Channel {channel}" for channel, _ in turns]
    assert (
        word_error_rate(" ".join(clip.words for _, clip in turns), " ".join(words for _, words in said))
        <= 0.12
    )
