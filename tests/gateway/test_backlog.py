"""`GET /api/admin/backlog`: what waits in each lane, now and minute by minute for a day."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from lingoloop_common.broker.memory import MemoryBroker
from lingoloop_common.relay import Relay
from lingoloop_common.sweep import Sweep
from tests.gateway.world import World, running_world
from tests.rows import add_run, add_worker
from tests.waiting import eventually


@pytest.fixture
async def own_world(migrated_url: str, own_folder: Path) -> Any:
    async with running_world(migrated_url, own_folder, transcribes=False) as world:
        yield world


async def backlog(world: World, query: str = "") -> dict[str, dict[str, Any]]:
    answer = await world.http.get(f"/api/admin/backlog{query}", headers=world.bearer("ops", "admin"))
    assert answer.status_code == 200, answer.text
    return {lane.pop("lane"): lane for lane in answer.json()["lanes"]}


def depth(ready: int, running: int, seconds: int) -> dict[str, int]:
    return {"ready": ready, "running": running, "secondsWaiting": seconds}


async def test_each_known_lane_has_its_depth(own_world: World) -> None:
    pool = own_world.database.pool
    await add_worker(pool, lane="whisper.small", lease=None)
    run = await add_run(pool, units=3, duration_ms=60_000)
    # Without a holder, what runs is taken back within a second.
    holder = await add_worker(pool, slots=0, lease=3600)
    await add_run(pool, units=1, duration_ms=30_000, state="running", holder=holder)
    await add_run(pool, units=1, duration_ms=9_000, status="succeeded", state="done")
    await pool.execute("UPDATE transcript_run SET done_samples = 16000 * 20 WHERE id = $1", run.run_id)
    await add_run(pool, lane="openai.whisper-1", units=1, duration_ms=None, state="waiting")
    found = await backlog(own_world, "?minutes=0")
    assert found == {
        "openai.whisper-1": {**depth(0, 0, 1), "history": []},
        "simulated": {**depth(3, 1, 70), "history": []},
        "whisper.small": {**depth(0, 0, 0), "history": []},
    }


async def sample(world: World, minutes_ago: int, ready: int) -> None:
    await world.database.pool.execute(
        "INSERT INTO backlog_sample VALUES (date_trunc('minute', now()) - make_interval(mins => $1), 'simulated', $2, 0, 1.6)",
        minutes_ago,
        ready,
    )


async def test_the_history_is_in_order_and_as_long_as_asked_for(own_world: World) -> None:
    for minutes_ago, ready in ((90, 1), (5, 3), (10, 2)):  # none that a sweep may have noted itself
        await sample(own_world, minutes_ago, ready)

    async def history(query: str) -> list[int]:
        return [each["ready"] for each in (await backlog(own_world, query))["simulated"]["history"]]

    assert [ready for ready in await history("") if ready] == [1, 2, 3]
    assert [ready for ready in await history("?minutes=60") if ready] == [2, 3]
    [one] = [each for each in (await backlog(own_world))["simulated"]["history"] if each["ready"] == 3]
    assert one["at"].endswith(":00.000Z")
    assert {name: one[name] for name in depth(0, 0, 0)} == depth(3, 0, 2)
    for query in ("?minutes=-1", "?minutes=1441", "?minutes=x"):
        answer = await own_world.http.get(
            f"/api/admin/backlog{query}", headers=own_world.bearer("ops", "admin")
        )
        assert answer.status_code == 422


async def test_sweeps_note_a_minute_once_and_forget_what_is_a_day_old(own_world: World) -> None:
    pool = own_world.database.pool
    await sample(own_world, 24 * 60 + 5, 7)
    broker = MemoryBroker()
    sweeps = [Sweep(own_world.database, broker, Relay(own_world.database, broker)) for _ in range(3)]

    async def forgotten() -> bool:
        for sweep in sweeps:  # each is a gateway that has noted nothing yet
            await sweep.sweep()
        return not await pool.fetchval("SELECT EXISTS (SELECT FROM backlog_sample WHERE ready = 7)")

    await eventually(forgotten)
    rows = await pool.fetch("SELECT at, lane, ready FROM backlog_sample ORDER BY at")
    assert len({row["at"] for row in rows}) == len(rows), "one lane, one sample a minute"
    assert 1 <= len(rows) <= 2


async def test_sweeps_at_the_same_moment_note_a_minute_once(own_world: World) -> None:
    await own_world.database.pool.execute("DELETE FROM backlog_sample")
    broker = MemoryBroker()
    sweeps = [Sweep(own_world.database, broker, Relay(own_world.database, broker)) for _ in range(4)]
    await asyncio.gather(*(sweep.sweep() for sweep in sweeps))
    rows = await own_world.database.pool.fetch("SELECT lane, at FROM backlog_sample")
    assert len(rows) <= 2
    assert len({row["at"] for row in rows}) == len(rows)
