"""获取任务进度: the guide's fields with the guide's types, whatever the run's state, and what real work makes of the numbers.

All fields and values of a run that has ended, and of rows made by hand, are shown in tests/gateway/test_reading.py.
"""

import time
from typing import Any

import pytest

from tests import media
from tests.guide.conftest import StartWorld
from tests.waiting import eventually

UNKNOWN = type(None)
SHAPE: dict[str, Any] = {
    "runId": str,
    "audioId": str,
    "status": str,
    "progress": int,
    "timeElapsed": int,
    "estimatedTimeRemaining": (int, UNKNOWN),  # while nobody has measured how fast the fleet is
    "audio": {"id": str, "filename": str, "durationMs": int, "sizeBytes": int},
    "jobs": [{"id": str, "jobType": str, "status": str, "retryCount": int}],
}


def check(value: Any, shape: Any, path: str = "") -> None:
    """Check that all of a shape is there; more may be."""
    if isinstance(shape, dict):
        for name, inner in shape.items():
            assert name in value, f"{path}.{name} is missing"
            check(value[name], inner, f"{path}.{name}")
    elif isinstance(shape, list):
        assert value, f"{path} is empty"
        for item in value:
            check(item, shape[0], f"{path}[]")
    else:
        assert isinstance(value, shape), f"{path} is {value!r}"
        assert not isinstance(value, bool), path


async def test_real_work_gives_real_numbers(start_world: StartWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMULATED_MS_PER_SECOND", "20")  # with two slots, 100 s of audio take a second
    monkeypatch.setattr("lingoloop_transcriber.heartbeat.PERIOD", 0.1)  # soon tells how fast it was
    async with start_world() as world:
        seen: list[dict[str, Any]] = []
        begun = time.monotonic()
        run_id = (await world.accepted("ann", media.wav_of_ms(200_000), filename="talk.wav"))["runId"]
        taken = time.monotonic()

        async def ended() -> bool:
            asked = time.monotonic()
            answer = await world.get("ann", f"/api/runs/{run_id}/progress")
            progress: dict[str, Any] = answer.json()
            check(progress, SHAPE)
            seen.append(progress)
            if progress["status"] in ("succeeded", "failed"):
                return True
            assert (
                (asked - taken) * 1000 - 5 <= progress["timeElapsed"] <= (time.monotonic() - begun) * 1000 + 5
            )
            return False

        await eventually(ended)
    assert seen[-1]["status"] == "succeeded"
    for progress in seen:
        done = min(200, 20 * progress["chunksDone"])  # a chunk of this engine has 20 s
        assert progress["progress"] == (100 if progress is seen[-1] else min(99, done // 2))
        assert progress["estimatedTimeRemaining"] in (None, *range(60))
    assert len({progress["progress"] for progress in seen}) > 3
    assert [p["status"] for p in seen] == sorted(
        (p["status"] for p in seen), key=["queued", "processing", "succeeded"].index
    )
    assert any(progress["estimatedTimeRemaining"] for progress in seen[:-1])
