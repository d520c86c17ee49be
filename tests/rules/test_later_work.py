"""Rule 6: what is to be done later has a due time; the sweeper turns it ready, with one token, within a second."""

from datetime import timedelta

import pytest

from lingoloop_common.errors import WorkError
from lingoloop_common.lifecycle import running
from lingoloop_common.settings import read_settings
from lingoloop_common.store.ids import new_id
from lingoloop_common.sweep import Sweep
from lingoloop_transcriber.claims import Claims
from lingoloop_transcriber.settings import TranscriberSettings
from tests.rows import add_unit
from tests.rules.workshop import LANE, HandSlots, Workshop, claimed
from tests.waiting import eventually


@pytest.mark.parametrize(("failures", "delay"), [(0, 5), (1, 30), (2, 120)])
async def test_a_retry_waits_as_long_as_its_number_says(shop: Workshop, failures: int, delay: float) -> None:
    [unit_id] = (await shop.add_run(failures=failures)).unit_ids
    claims = Claims(shop.database, new_id(), LANE)
    error = WorkError("engine_failed", "no")
    claim, now = await claimed(claims), "SELECT now()"
    begin = await shop.value(now)
    await claims.report_failure(claim, error, retry_delays=(5, 30, 120), max_retries=3)
    end = await shop.value(now)
    unit = await shop.unit(unit_id)
    assert unit["state"] == "waiting"
    assert begin <= unit["due_at"] - timedelta(seconds=delay) <= end


def test_the_delays_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"DATABASE_URL": "x", "BROKER_URL": "memory://", "BLOB_DIR": "/tmp"}.items():
        monkeypatch.setenv(name, value)
    assert read_settings(TranscriberSettings).worker_retry_delays == (5_000, 30_000, 120_000)
    monkeypatch.setenv("WORKER_RETRY_DELAYS", "100, 200")
    assert read_settings(TranscriberSettings).worker_retry_delays == (100, 200)


async def test_due_units_turn_ready_with_one_token_each_and_others_stay(shop: Workshop) -> None:
    run = await shop.add_run(units=0)
    async with shop.database.pool.acquire() as connection:
        now = await connection.fetchval("SELECT now()")
        due = [await add_unit(connection, run, state="waiting", due_at=now) for _ in range(3)]
        later = await add_unit(connection, run, state="waiting", due_at=now + timedelta(hours=1))
        withheld = await add_unit(connection, run, kind="plan", state="waiting")
    await Sweep(shop.database, shop.broker, shop.relay).sweep()
    states = {row["id"]: row["state"] for row in await shop.database.pool.fetch("SELECT * FROM unit")}
    assert states == dict.fromkeys(due, "ready") | {later: "waiting", withheld: "waiting"}
    assert await shop.tokens() == 3


async def test_a_failed_chunk_is_tried_again_by_itself_and_the_run_never_shows_failed(
    plant: Workshop,
) -> None:
    slots = HandSlots(1)
    sweep = Sweep(plant.database, plant.broker, plant.relay)
    run = await plant.add_run()
    async with running([sweep, *plant.transcriber(slots, retry_delays=(0.1,)).parts]):
        await plant.send_tokens(1)
        for _ in range(2):
            (await slots.call()).fail()
        (await slots.call()).finish()
        await eventually(lambda: plant.run_ended(run.run_id))
    frames = await plant.database.pool.fetch("SELECT data FROM run_event ORDER BY seq")
    assert not [frame for frame in frames if '"failed"' in frame["data"]]
    assert await plant.value("SELECT failures FROM unit") == 2
    assert (await plant.run(run.run_id))["status"] == "succeeded"
