"""A recording that kills whoever works on it: it fails with its cause, and what runs beside it is not harmed."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import pytest

from lingoloop_common import metrics
from lingoloop_common.child import Message
from lingoloop_common.contracts.units import LOST_LIMIT, SAMPLE_RATE, SUSPECT
from lingoloop_common.lifecycle import running
from lingoloop_common.store.ids import new_id
from lingoloop_common.store.runs import Fenced
from lingoloop_common.sweep import Sweep
from lingoloop_transcriber import attempts
from lingoloop_transcriber.claim import Claim
from lingoloop_transcriber.claims import Claims
from lingoloop_transcriber.slots import Slot, Slots
from tests.ledger import check_ledger
from tests.rows import AddedRun
from tests.rules.workshop import LANE, Call, HandDelivery, HandSlots, Workshop, claimed
from tests.waiting import eventually

CONFIG = {"engine": "simulated", "model": None}
DEADLY = 600 * SAMPLE_RATE
"""The end of the poison's only chunk, by which slots know it: ten minutes, six seconds of simulated work."""


async def add_poison(shop: Workshop) -> AddedRun:
    poison = await shop.add_run(owner="bob")
    await shop.database.pool.execute(
        "UPDATE chunk SET end_sample = $2 WHERE run_id = $1", poison.run_id, DEADLY
    )
    return poison


class MortalSlot(Slot):
    """A real process that is killed in the middle of the poison's chunk."""

    deaths = 0

    async def call(self, fields: Mapping[str, Any]) -> AsyncGenerator[Message, None]:
        if fields.get("stop") == DEADLY:
            assert self.pid is not None
            self.deaths += 1
            asyncio.get_running_loop().call_later(0.05, os.kill, self.pid, signal.SIGKILL)
        async with contextlib.aclosing(super().call(fields)) as answers:
            async for answer in answers:
                yield answer


async def test_one_that_kills_its_slot_fails_with_slot_died_and_its_neighbour_finishes(
    plant: Workshop, migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMULATED_MS_PER_SECOND", "10")  # whatever other tests of this process have set
    poison, neighbour = await add_poison(plant), await plant.add_run(units=20)
    slots = Slots(2, CONFIG)
    mortal = [MortalSlot(number, CONFIG) for number in range(2)]
    slots._all = list(mortal)
    parts = plant.transcriber(slots, max_retries=3).parts
    async with running([Sweep(plant.database, plant.broker, plant.relay), *parts]):
        await plant.send_tokens(21)
        await eventually(lambda: plant.run_ended(poison.run_id))
        await eventually(lambda: plant.run_ended(neighbour.run_id))
    row, unit = await plant.run(poison.run_id), await plant.unit(poison.unit_ids[0])
    assert (row["status"], row["error_code"]) == ("failed", "slot_died")
    assert (unit["failures"], unit["lost"]) == (4, 0)
    assert sum(slot.deaths for slot in mortal) == 4
    assert await plant.value("SELECT error_code FROM dead_letter") == "slot_died"
    await check_ledger(migrated_url, str(neighbour.run_id))
    query = "SELECT sum(failures + lost) FROM unit WHERE run_id = $1"
    assert await plant.value(query, neighbour.run_id) == 0


async def live_once(shop: Workshop, deliveries: list[HandDelivery]) -> bool:
    """Live until the poison is in a slot, which ends this worker with all it holds; return whether it died.

    What is in a slot beside it has not finished by then: it does when all others wait in line for it.
    """
    slots = HandSlots(len(deliveries))
    worker = shop.transcriber(slots).worker
    for delivery in deliveries:
        worker.receive(delivery)
    at_work: list[Call] = []
    calling = asyncio.create_task(slots.call())
    while tasks := set(worker._tasks):
        await asyncio.wait([calling, *tasks], return_when=asyncio.FIRST_COMPLETED, timeout=0.02)
        if not calling.done():
            in_line = await shop.value(
                "SELECT count(*) FROM unit WHERE state = 'running' AND claimed_at IS NULL"
            )
            if len(at_work) + in_line == len(worker._jobs):
                while at_work:
                    at_work.pop().finish()
            continue
        call = calling.result()
        if call.fields["stop"] == DEADLY:
            await eventually(lambda: len(worker.held()) == len(worker._jobs))  # the others are claimed too
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            return True
        at_work.append(call)
        calling = asyncio.create_task(slots.call())
    calling.cancel()
    return False


async def test_one_that_kills_its_worker_fails_with_worker_lost_and_its_neighbours_finish(
    shop: Workshop,
) -> None:
    """One lone worker, started again each time; the broker delivers to it what it held, the poison first."""
    poison = await add_poison(shop)
    neighbours = [await shop.add_run(owner=owner) for owner in ("cyd", "dan")]
    deliveries = [HandDelivery() for _ in range(3)]
    counter = metrics.UNITS_ENDED.labels(LANE, "chunk", "failed")._value
    before = counter.get()
    deaths = 0
    while await live_once(shop, deliveries):
        deaths += 1
        deliveries = [delivery.again() for delivery in deliveries if not delivery.settled]
    row, unit = await shop.run(poison.run_id), await shop.unit(poison.unit_ids[0])
    assert (row["status"], row["error_code"]) == ("failed", "worker_lost")
    assert (unit["lost"], unit["failures"], deaths) == (LOST_LIMIT + 1, 0, LOST_LIMIT + 1)
    assert counter.get() == before + 1
    for neighbour in neighbours:
        assert (await shop.run(neighbour.run_id))["status"] == "succeeded"
        assert (await shop.unit(neighbour.unit_ids[0]))[
            "lost"
        ] == SUSPECT  # none of those in line was its own


async def test_a_suspect_that_waits_for_its_turn_is_not_lost_with_its_holder(shop: Workshop) -> None:
    """Neither is it when nobody hears of the holder again and the sweep takes it back."""
    await shop.add_run(lost=SUSPECT)
    token = new_id()
    for _ in range(2 * LOST_LIMIT):
        await claimed(Claims(shop.database, new_id(), LANE), message_id=token, redelivered=True)
    sweep = Sweep(shop.database, shop.broker, shop.relay)
    await sweep.sweep()
    row = await shop.database.pool.fetchrow("SELECT state, lost FROM unit")
    assert row is not None
    assert tuple(row) == ("ready", SUSPECT)
    claims = Claims(shop.database, new_id(), LANE)
    await claims.begin_turn(await claimed(claims))
    await sweep.sweep()
    assert await shop.value("SELECT lost FROM unit") == SUSPECT + 1


async def test_a_turn_is_fenced(shop: Workshop) -> None:
    await shop.add_run(lost=SUSPECT)
    token = new_id()
    claims = Claims(shop.database, new_id(), LANE)
    claim = await claimed(claims, message_id=token)
    await claimed(Claims(shop.database, new_id(), LANE), message_id=token, redelivered=True)
    with pytest.raises(Fenced):
        await claims.begin_turn(claim)


async def test_a_suspect_that_waits_for_its_turn_is_not_late_and_gives_up_when_the_worker_stops(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = limits = 0
    begin_turn = Claims.begin_turn

    async def noted(self: Claims, claim: Claim) -> None:
        nonlocal turns
        turns += 1
        await begin_turn(self, claim)

    def limit(*_: object, **__: object) -> float:
        """Much time for whoever has its turn; for one whose time counts from before, less than it waits."""
        nonlocal limits
        limits += 1
        return 60.0 if limits <= turns else 0.1

    monkeypatch.setattr(Claims, "begin_turn", noted)
    monkeypatch.setattr(attempts, "deadline", limit)
    await shop.add_run(units=3)
    await shop.database.pool.execute("UPDATE unit SET lost = $1", SUSPECT)
    slots = HandSlots(3)
    transcriber = shop.transcriber(slots, grace=0.1)
    deliveries = [HandDelivery() for _ in range(3)]
    for delivery in deliveries:
        transcriber.worker.receive(delivery)
    for _ in range(2):
        call = await slots.call()
        await asyncio.sleep(0.3)
        call.finish()
    await slots.call()
    await transcriber.worker.stop()
    states = await shop.database.pool.fetch("SELECT state, failures FROM unit ORDER BY state")
    assert [tuple(row) for row in states] == [("done", 0), ("done", 0), ("ready", 0)]


async def test_a_suspect_whose_turn_does_not_come_is_handed_back(shop: Workshop) -> None:
    await shop.add_run(units=2)
    await shop.database.pool.execute("UPDATE unit SET lost = $1", SUSPECT)
    slots = HandSlots(2)
    worker = shop.transcriber(slots, grace=0.1).worker
    deliveries = [HandDelivery() for _ in range(2)]
    for delivery in deliveries:
        worker.receive(delivery)
    await slots.call()
    await eventually(lambda: len(worker.held()) == 2)
    await worker.stop()
    assert [delivery.settled for delivery in deliveries] == [["reject"], ["reject"]]
    assert await shop.value("SELECT count(*) FROM unit WHERE state = 'ready' AND lost = $1", SUSPECT) == 2
