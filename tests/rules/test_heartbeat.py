"""Rule 8: a heartbeat renews the lease, tells what is no longer the worker's own, and what is wanted of it."""

import asyncio
from pathlib import Path

import pytest

from lingoloop_common.lifecycle import running
from lingoloop_transcriber import heartbeat
from tests.rows import add_worker
from tests.rules.workshop import (
    LANE,
    HandDelivery,
    HandSlots,
    Workshop,
    claimed,
    finish,
    settled,
    simulated_slots,
)
from tests.waiting import eventually

TAKEN = {
    "taken back by another": "UPDATE unit SET attempt = attempt + 1, holder = gen_random_uuid()",
    "cancelled": "UPDATE unit SET attempt = attempt + 1, state = 'canceled', holder = NULL, message_id = NULL",
    "released by the sweep": "UPDATE unit SET state = 'ready', holder = NULL, message_id = NULL",
}


@pytest.mark.parametrize("how", TAKEN)
async def test_the_slot_of_a_unit_that_is_no_longer_its_own_stops_within_two_seconds(
    shop: Workshop, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One until the next beat, which is not waited for here, and one for the rest."""
    assert heartbeat.PERIOD == 1
    monkeypatch.setattr(heartbeat, "PERIOD", 0.1)
    await shop.add_run()
    transcriber = shop.transcriber(simulated_slots(1, seconds_each=60))
    async with running(transcriber.parts):
        delivery = HandDelivery()
        transcriber.worker.receive(delivery)
        await eventually(transcriber.worker.held)
        [pid] = transcriber.slots.pids
        await shop.database.pool.execute(TAKEN[how])
        await eventually(lambda: not Path(f"/proc/{pid}").exists(), seconds=2)
        assert await settled(delivery) == "ack"
        await eventually(lambda: not transcriber.worker.held())


async def test_only_the_lost_unit_is_let_go(shop: Workshop) -> None:
    first, second = (await shop.add_run(units=2)).unit_ids
    slots = HandSlots(2)
    transcriber = shop.transcriber(slots)
    deliveries = [HandDelivery(), HandDelivery()]
    for delivery in deliveries:
        transcriber.worker.receive(delivery)
    calls = [await slots.call(), await slots.call()]
    await shop.database.pool.execute("UPDATE unit SET attempt = attempt + 1 WHERE id = $1", first)
    await transcriber.heartbeat.beat()
    stopped, kept = sorted(calls, key=lambda call: int(call.fields["start"]))
    await asyncio.wait_for(stopped.stopped.wait(), 5)
    assert not kept.stopped.is_set()
    kept.finish()
    await eventually(lambda: all(delivery.settled for delivery in deliveries))
    assert (await shop.unit(second))["state"] == "done"


async def test_a_unit_that_this_attempt_has_just_ended_is_not_called_lost(shop: Workshop) -> None:
    await shop.add_run()
    transcriber = shop.transcriber(HandSlots(1))
    claim = await claimed(transcriber.claims)
    await finish(transcriber.claims, claim)
    gone: list[object] = []
    transcriber.heartbeat._held = lambda: [claim]
    transcriber.heartbeat._on_gone = gone.append
    await transcriber.heartbeat.beat()
    assert gone == []


async def test_a_beat_renews_the_lease_and_writes_a_lost_row_again(shop: Workshop) -> None:
    heartbeat = shop.transcriber(HandSlots(3)).heartbeat
    async with running([heartbeat]):
        await shop.database.pool.execute("UPDATE worker SET lease_until = now() + interval '1 s'")
        await heartbeat.beat()
        assert await shop.value("SELECT lease_until > now() + interval '5 s' FROM worker")
        await shop.database.pool.execute("DELETE FROM worker")
        await heartbeat.beat()
        assert await shop.value("SELECT slots FROM worker WHERE lease_until > now()") == 3
    assert await shop.value("SELECT lease_until FROM worker") is None


async def test_a_beat_counts_the_slots_of_all_living_workers_of_the_lane(shop: Workshop) -> None:
    async with shop.database.pool.acquire() as connection:
        await add_worker(connection, slots=5)
        await add_worker(connection, slots=50, lease=None)
        await add_worker(connection, slots=500, lane="whisper.base")
    heartbeat = shop.transcriber(HandSlots(3)).heartbeat
    await heartbeat.beat()
    assert heartbeat.fleet_slots == 8


STOP, GO = "UPDATE fleet SET wanted = 'stopped'", "UPDATE fleet SET wanted = 'running'"
STOP_ONE, GO_ONE = "UPDATE worker SET wanted = 'stopped'", "UPDATE worker SET wanted = 'running'"


@pytest.mark.parametrize(("stop", "go"), [(STOP, GO), (STOP_ONE, GO_ONE), (STOP, GO_ONE)])
async def test_a_stopped_worker_finishes_what_it_has_and_takes_no_more_until_it_is_to_go_on(
    plant: Workshop, stop: str, go: str
) -> None:
    slots = HandSlots(1)
    transcriber = plant.transcriber(slots)
    run = await plant.add_run(units=2)
    async with running(transcriber.parts):
        await plant.send_tokens(1)
        call = await slots.call()
        await plant.database.pool.execute(stop)
        await transcriber.heartbeat.beat()
        await eventually(lambda: not transcriber.worker._obeying.locked())
        call.finish()
        await eventually(lambda: not transcriber.worker.held())
        await plant.send_tokens(1)

        async def token_stays() -> bool:
            return await plant.broker.depth(LANE) == 1

        await eventually(token_stays)
        assert slots.waiting == 0
        await plant.database.pool.execute(go)
        await transcriber.heartbeat.beat()
        (await slots.call()).finish()
        await eventually(lambda: plant.run_ended(run.run_id))


async def test_a_worker_that_starts_while_the_fleet_is_stopped_takes_nothing(plant: Workshop) -> None:
    await plant.database.pool.execute(STOP)
    run = await plant.add_run(units=3)
    await plant.send_tokens(3)

    async def tokens_wait() -> bool:
        return await plant.broker.depth(LANE) == 3

    await eventually(tokens_wait)
    slots = HandSlots(3)
    transcriber = plant.transcriber(slots)
    async with running(transcriber.parts):
        await transcriber.heartbeat.beat()
        assert await tokens_wait()
        assert slots.waiting == 0
        assert await plant.value("SELECT count(*) FROM unit WHERE attempt > 0") == 0
        await plant.database.pool.execute(GO)
        await transcriber.heartbeat.beat()
        for _ in range(3):
            (await slots.call()).finish()
        await eventually(lambda: plant.run_ended(run.run_id))


async def test_what_one_worker_is_told_goes_before_what_the_fleet_is_told(shop: Workshop) -> None:
    transcriber = shop.transcriber(HandSlots(1))
    wanted: list[bool] = []
    transcriber.heartbeat._on_wanted = wanted.append
    await transcriber.heartbeat.beat()
    await shop.database.pool.execute(STOP)
    await transcriber.heartbeat.beat()
    await shop.database.pool.execute(GO_ONE)
    await transcriber.heartbeat.beat()
    assert wanted == [True, False, True]
