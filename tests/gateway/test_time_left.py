"""The time left is honest: with a real worker, two owners and a fair order, what is said comes true."""

import time
from pathlib import Path

import pytest

from lingoloop_transcriber.pace import Pace
from tests import media
from tests.gateway.world import World, running_world
from tests.waiting import eventually

MS_PER_SECOND = 25
"""What the engine takes: half a second for each chunk of 20 s, in two slots."""


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, float]]:
    """What the worker measures, as it goes on: seconds of a slot, and of audio."""
    measured: list[tuple[float, float]] = []
    add = Pace.add

    def noted(self: Pace, took: float, audio: float) -> None:
        measured.append((took, audio))
        add(self, took, audio)

    monkeypatch.setattr(Pace, "add", noted)
    return measured


def slowed(before: list[tuple[float, float]], after: list[tuple[float, float]]) -> float:
    """Return how much longer the machine took than it could be known to take: busy with other things, it slows down."""
    known = Pace()
    for took, audio in before:
        known.add(took, audio)
    assert known.value
    return sum(took for took, _ in after) / sum(audio for _, audio in after) / known.value


async def foreseen_and_true(
    world: World, owner: str, run_id: str, measured: list[tuple[float, float]]
) -> tuple[int, float]:
    """Return what is said to be left when a quarter of a run is done, and what it then takes at the pace known by then; in seconds."""
    said: list[tuple[float, int, int]] = []

    async def quarter() -> bool:
        state = (await world.get(owner, f"/api/runs/{run_id}/progress")).json()
        if state["progress"] < 25 or state["estimatedTimeRemaining"] is None:
            return False
        said.append((time.monotonic(), state["estimatedTimeRemaining"], len(measured)))
        return True

    await eventually(quarter)
    run = await world.finished(owner, run_id)
    [(asked, left, known)] = said
    took = time.monotonic() - asked
    assert run["status"] == "succeeded"
    return left, took / slowed(measured[:known], measured[known:])


@pytest.mark.parametrize("rivals", [0, 2], ids=["alone", "among three owners"])
async def test_what_is_said_at_a_quarter_comes_true(
    migrated_url: str,
    own_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    measured: list[tuple[float, float]],
    rivals: int,
) -> None:
    monkeypatch.setenv("SIMULATED_MS_PER_SECOND", str(MS_PER_SECOND))
    async with running_world(migrated_url, own_folder) as world:
        for rival in range(rivals):
            await world.accepted(f"rival-{rival}", media.wav_of_ms(2_000_000))
        seconds = 600 if rivals == 0 else 300
        run_id = (await world.accepted("ann", media.wav_of_ms(seconds * 1000)))["runId"]
        said, took = await foreseen_and_true(world, "ann", run_id, measured)
        assert said == pytest.approx(took, rel=0.25, abs=1.0)
