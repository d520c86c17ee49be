"""Forecasts read a lane as often as is needed, and no more."""

import asyncio
from types import SimpleNamespace
from unittest import mock

import pytest

from lingoloop_common.store import forecast
from lingoloop_common.store.database import Database
from lingoloop_common.store.forecast import Forecasts
from lingoloop_common.store.runs import lock_run
from tests.rows import AddedRun, add_run, add_worker


class Reads:
    """Counts how often lanes are read."""

    def __init__(self, forecasts: Forecasts) -> None:
        self.count = 0
        self._read = forecasts._read

    async def __call__(self, lane: str) -> object:
        self.count += 1
        return await self._read(lane)


async def state(database: Database, forecasts: Forecasts, run: AddedRun) -> tuple[int | None, int | None]:
    async with database.pool.acquire() as connection, connection.transaction():
        row = await lock_run(connection, run.run_id)
    found = await forecasts.state(row)
    return found["estimated_time_remaining"], found["queue_position"]


@pytest.fixture
async def run(database: Database) -> AddedRun:
    worker = await add_worker(database.pool, slots=3)
    await database.pool.execute("UPDATE worker SET pace = 0.5 WHERE id = $1", worker)
    return await add_run(database.pool, status="queued", planned=False, units=0, duration_ms=60_000)


async def test_however_many_ask_a_lane_is_read_once(database: Database, run: AddedRun) -> None:
    forecasts = Forecasts(database, max_age=60)
    reads = Reads(forecasts)
    with mock.patch.object(forecasts, "_read", reads):
        answers = await asyncio.gather(*(state(database, forecasts, run) for _ in range(20)))
    assert set(answers) == {(10, 1)}  # three slots do 6 s of audio a second
    assert reads.count == 1


async def test_a_new_run_need_not_wait_for_the_next_reading(database: Database, run: AddedRun) -> None:
    forecasts = Forecasts(database, max_age=60)
    await state(database, forecasts, run)
    newer = await add_run(database.pool, status="queued", planned=False, units=0, duration_ms=60_000)
    for _ in range(200):
        if (seen := await state(database, forecasts, newer)) != (None, None):
            break
    assert seen == (20, 2)


async def test_but_new_runs_do_not_make_a_slow_reading_happen_all_the_time(
    database: Database, run: AddedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(forecast, "time", SimpleNamespace(monotonic=lambda: now))
    forecasts = Forecasts(database, max_age=60)
    reads = Reads(forecasts)

    async def slowly(lane: str) -> object:
        nonlocal now
        now += 1  # as a lane with very many runs
        return await reads(lane)

    with mock.patch.object(forecasts, "_read", slowly):
        await state(database, forecasts, run)
        for _ in range(25):
            newer = await add_run(database.pool, status="queued", planned=False, units=0)
            await state(database, forecasts, newer)
            now += 1
    assert reads.count == 3  # the first, and each ten times as long after the one before as that took


async def test_a_fleet_that_is_told_to_stop_promises_nothing(database: Database, run: AddedRun) -> None:
    await database.pool.execute("UPDATE fleet SET wanted = 'stopped'")
    assert await state(database, Forecasts(database, max_age=60), run) == (None, 1)


async def test_a_worker_that_has_measured_nothing_is_taken_for_as_fast_as_the_others(
    database: Database, run: AddedRun
) -> None:
    await add_worker(database.pool, slots=3)
    assert await state(database, Forecasts(database, max_age=60), run) == (5, 1)


async def test_telling_speakers_apart_is_work_that_is_left_when_all_chunks_are_done(
    database: Database, run: AddedRun
) -> None:
    await database.pool.execute("UPDATE audio SET duration_ms = 3600000")
    await database.pool.execute("UPDATE transcript_run SET done_samples = 3600 * 16000")
    assert (await state(database, Forecasts(database, max_age=60), run))[0] == 0
    await database.pool.execute("UPDATE transcript_run SET options = $1", {"diarize": True})
    assert (await state(database, Forecasts(database, max_age=60), run))[
        0
    ] == 3  # 19 s of audio, at 6 a second
