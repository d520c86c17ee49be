"""A server that does an engine's work is left alone for as long as it asks: by all slots, uncounted, and not for ever."""

import asyncio
from datetime import timedelta
from itertools import pairwise

import pytest

from lingoloop_common.lifecycle import running
from lingoloop_common.sweep import Sweep
from lingoloop_gateway.control import Control
from lingoloop_transcriber import gate
from lingoloop_transcriber.gate import Gate
from lingoloop_transcriber.job import SHUTDOWN, Stopped
from tests.rules.workshop import HandDelivery, HandSlots, Workshop, settled
from tests.waiting import eventually


@pytest.fixture(autouse=True)
def exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    """No jitter, so that times can be checked."""
    monkeypatch.setattr(gate, "SPREAD", 1)


async def test_a_refused_unit_waits_as_long_as_the_server_says_and_nothing_is_counted(shop: Workshop) -> None:
    slots = HandSlots(1)
    transcriber = shop.transcriber(slots)
    [unit_id] = (await shop.add_run()).unit_ids
    async with running(transcriber.parts):
        delivery = HandDelivery()
        transcriber.worker.receive(delivery)
        (await slots.call()).busy(40)
        assert await settled(delivery) == "ack"
        unit = await shop.unit(unit_id)
    assert (unit["state"], unit["failures"], unit["lost"]) == ("waiting", 0, 0)
    left = await shop.value("SELECT due_at - now() FROM unit")
    assert timedelta(seconds=35) < left <= timedelta(seconds=40)
    assert await shop.value("SELECT retry_count FROM job") == 0
    assert await shop.value("SELECT served FROM owner_service") == 0
    assert await shop.value("SELECT count(*) FROM dead_letter") == 0


async def test_the_other_slots_wait_with_it_and_no_longer(shop: Workshop) -> None:
    slots = HandSlots(2)
    transcriber = shop.transcriber(slots)
    await shop.add_run(units=3)
    loop = asyncio.get_running_loop()
    async with running(transcriber.parts):
        for _ in range(2):
            transcriber.worker.receive(HandDelivery())
        first, second = await slots.call(), await slots.call()
        refused_at = loop.time()
        first.busy(0.7)
        await eventually(lambda: shop.value("SELECT count(*) FROM unit WHERE state = 'waiting'"))
        third = HandDelivery()
        transcriber.worker.receive(third)
        second.finish()
        await eventually(lambda: shop.value("SELECT count(*) FROM unit WHERE state = 'done'"))
        await eventually(
            lambda: shop.value("SELECT count(*) FROM unit WHERE state = 'running' AND message_id = $1", third.message_id)
        )  # fmt: skip
        last = await slots.call()
        assert 0.7 <= last.begun_at - refused_at < 3, "what had begun ended; nothing new begins"
        last.finish()
        assert await settled(third) == "ack"


async def test_what_would_wait_for_long_is_handed_back_without_being_tried(shop: Workshop) -> None:
    slots = HandSlots(1)
    transcriber = shop.transcriber(slots)
    await shop.add_run(units=2)
    async with running(transcriber.parts):
        for _ in range(2):
            transcriber.worker.receive(delivery := HandDelivery())
            if not slots.waiting and not await shop.value("SELECT count(refused_at) FROM unit"):
                (await slots.call()).busy(1000)
            assert await settled(delivery) == "ack"
        assert slots.waiting == 0
    rows = await shop.database.pool.fetch("SELECT *, due_at - now() AS left FROM unit ORDER BY refused_at")
    assert [row["state"] for row in rows] == ["waiting", "waiting"]
    assert all(timedelta(seconds=980) < row["left"] <= timedelta(seconds=1000) for row in rows)
    assert [row["refused_at"] is None for row in rows] == [False, True], "its own patience has not begun"


async def test_after_an_hour_it_is_given_up_and_so_are_the_others_of_its_run(shop: Workshop) -> None:
    slots = HandSlots(1)
    transcriber = shop.transcriber(slots)
    run = await shop.add_run(units=2)
    other = await shop.add_run()
    first, second = run.unit_ids
    await shop.database.pool.execute(
        "UPDATE unit SET refused_at = now() - interval '61 minutes' WHERE id = $1", first
    )
    async with running(transcriber.parts):
        states = {}
        for _ in range(3):
            transcriber.worker.receive(delivery := HandDelivery())
            (await slots.call()).busy(0.01)
            assert await settled(delivery) == "ack"
        for unit_id in (first, second, *other.unit_ids):
            states[unit_id] = (await shop.unit(unit_id))["state"]
        assert states == {first: "failed", second: "failed", other.unit_ids[0]: "waiting"}
        assert (await shop.unit(first))["error_code"] == "engine_busy"
        assert (await shop.run(run.run_id))["status"] == "failed"
        owner = await shop.value("SELECT owner FROM transcript_run WHERE id = $1", run.run_id)
        await Control(shop.database, shop.relay).retry(run.run_id, owner)
        assert (await shop.unit(first))["refused_at"] is None


async def test_it_is_done_by_itself_when_the_server_has_room_again(plant: Workshop) -> None:
    slots = HandSlots(1)
    sweep = Sweep(plant.database, plant.broker, plant.relay)
    run = await plant.add_run()
    async with running([sweep, *plant.transcriber(slots).parts]):
        await plant.send_tokens(1)
        for _ in range(5):  # more often than a failure would be repeated
            (await slots.call()).busy(0.05)
        (await slots.call()).finish()
        await eventually(lambda: plant.run_ended(run.run_id))
    assert (await plant.run(run.run_id))["status"] == "succeeded"


async def test_a_worker_that_stops_does_not_wait_for_the_server(shop: Workshop) -> None:
    slots = HandSlots(1)
    transcriber = shop.transcriber(slots, grace=0.2)
    await shop.add_run(units=2)
    async with running(transcriber.parts):
        for last in (False, True):
            transcriber.worker.receive(delivery := HandDelivery())
            if not last:
                (await slots.call()).busy(50)
                await settled(delivery)
        await eventually(lambda: shop.value("SELECT count(*) FROM unit WHERE state = 'running'"))
    assert await settled(delivery) == "reject"
    assert await shop.value("SELECT count(*) FROM unit WHERE state = 'ready'") == 1


async def test_no_more_requests_a_minute_than_are_allowed(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed: list[float] = []
    pass_through = Gate.pass_through

    async def noted(self: Gate, stop: "asyncio.Future[str]") -> None:
        await pass_through(self, stop)
        passed.append(self._next_at)  # reckoned from the moment in which it was let through

    monkeypatch.setattr(Gate, "pass_through", noted)
    slots = HandSlots(3)
    transcriber = shop.transcriber(slots, per_minute=200)
    await shop.add_run(units=3)
    async with running(transcriber.parts):
        for _ in range(3):
            transcriber.worker.receive(HandDelivery())
        for _ in range(3):
            (await slots.call()).finish()
        await eventually(lambda: shop.value("SELECT count(*) = 3 FROM unit WHERE state = 'done'"))
    assert len(passed) == 3
    assert all(later - earlier >= 0.3 - 1e-6 for earlier, later in pairwise(passed))


async def test_a_gate_that_is_open_lets_through_at_once() -> None:
    stop: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    gate = Gate(None)
    for _ in range(1000):
        await gate.pass_through(stop)
    gate.close(5)
    stop.set_result(SHUTDOWN)
    with pytest.raises(Stopped):
        await asyncio.wait_for(gate.pass_through(stop), 1)
