"""The time left is honest: with a real worker, two owners and a fair order, what is said comes true."""

import time
from pathlib import Path

import pytest

from tests import media
from tests.gateway.world import World, running_world
from tests.waiting import eventually

MS_PER_SECOND = 25
"""What the engine takes: half a second for each chunk of 20 s, in two slots."""


async def foreseen_and_true(world: World, owner: str, run_id: str) -> tuple[int, float]:
    """Return what is said to be left when a quarter of a run is done, and what it then took; in seconds."""
    said: list[tuple[float, int]] = []

    async def quarter() -> bool:
        state = (await world.get(owner, f"/api/runs/{run_id}/progress")).json()
        if state["progress"] < 25 or state["estimatedTimeRemaining"] is None:
            return False
        said.append((time.monotonic(), state["estimatedTimeRemaining"]))
        return True

    await eventually(quarter)
    run = await world.finished(owner, run_id)
    assert run["status"] == "succeeded"
    return said[0][1], time.monotonic() - said[0][0]


@pytest.mark.parametrize("rivals", [0, 2], ids=["alone", "among three owners"])
async def test_what_is_said_at_a_quarter_comes_true(
    migrated_url: str, own_folder: Path, monkeypatch: pytest.MonkeyPatch, rivals: int
) -> None:
    monkeypatch.setenv("SIMULATED_MS_PER_SECOND", str(MS_PER_SECOND))
    async with running_world(migrated_url, own_folder) as world:
        for rival in range(rivals):
            await world.accepted(f"rival-{rival}", media.wav_of_ms(2_000_000))
        seconds = 600 if rivals == 0 else 300
        run_id = (await world.accepted("ann", media.wav_of_ms(seconds * 1000)))["runId"]
        said, took = await foreseen_and_true(world, "ann", run_id)
        assert said == pytest.approx(took, rel=0.25, abs=1.0)
