"""Rule 2: a token that comes back takes its own unit back only if that is still its to do."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from lingoloop_common import metrics
from lingoloop_common.broker.rabbitmq import RabbitBroker
from lingoloop_common.lifecycle import running
from lingoloop_common.store.database import Database
from lingoloop_common.store.ids import new_id
from lingoloop_transcriber.claims import Claims
from tests.rules.commits import shut_gate
from tests.rules.workshop import LANE, HandDelivery, HandSlots, Workshop, claimed, finish, settled
from tests.servers.postgres import PostgresServer
from tests.servers.proxy import Proxy
from tests.servers.rabbitmq import RabbitServer
from tests.waiting import eventually


async def test_a_token_that_comes_back_after_its_unit_is_done_is_surplus(shop: Workshop) -> None:
    slots = HandSlots(1)
    worker = shop.transcriber(slots).worker
    [unit_id] = (await shop.add_run()).unit_ids
    delivery = HandDelivery()
    worker.receive(delivery)
    (await slots.call()).finish()
    await settled(delivery)
    before = await shop.unit(unit_id)
    again = delivery.again()
    worker.receive(again)
    assert await settled(again) == "ack"
    assert slots.waiting == 0
    assert await shop.unit(unit_id) == before


async def test_a_token_that_comes_back_while_its_unit_waits_for_a_retry_is_surplus(shop: Workshop) -> None:
    slots = HandSlots(1)
    worker = shop.transcriber(slots, retry_delays=(60,)).worker
    [unit_id] = (await shop.add_run()).unit_ids
    delivery = HandDelivery()
    worker.receive(delivery)
    (await slots.call()).fail()
    assert await settled(delivery) == "ack"
    before = await shop.unit(unit_id)
    assert before["state"] == "waiting"
    again = delivery.again()
    worker.receive(again)
    assert await settled(again) == "ack"
    assert await shop.unit(unit_id) == before


async def test_a_token_that_comes_back_while_its_unit_runs_here_only_brings_the_new_delivery(
    shop: Workshop,
) -> None:
    slots = HandSlots(2)
    worker = shop.transcriber(slots).worker
    [unit_id] = (await shop.add_run()).unit_ids
    delivery = HandDelivery()
    worker.receive(delivery)
    call = await slots.call()
    again = delivery.again()
    worker.receive(again)
    call.finish()
    assert await settled(again) == "ack"
    assert delivery.settled == []
    assert slots.waiting == 0
    unit = await shop.unit(unit_id)
    assert (unit["state"], unit["attempt"], unit["lost"]) == ("done", 1, 0)


async def test_a_token_that_comes_back_while_it_is_being_settled_is_settled_too(shop: Workshop) -> None:
    slots = HandSlots(2)
    worker = shop.transcriber(slots).worker
    await shop.add_run()

    class BreaksWhileSettled(HandDelivery):
        async def ack(self) -> None:
            worker.receive(again)
            await asyncio.sleep(0)

    delivery = BreaksWhileSettled()
    again = delivery.again()
    worker.receive(delivery)
    (await slots.call()).finish()
    assert await settled(again) == "ack"


async def test_a_copy_of_a_token_whose_unit_runs_here_is_acknowledged_at_once(shop: Workshop) -> None:
    slots = HandSlots(2)
    worker = shop.transcriber(slots).worker
    await shop.add_run(units=2)
    delivery = HandDelivery()
    worker.receive(delivery)
    call = await slots.call()
    copy = HandDelivery(delivery.message_id)
    worker.receive(copy)
    assert await settled(copy) == "ack"
    call.finish()
    assert await settled(delivery) == "ack"
    assert slots.waiting == 0


async def test_a_copy_of_a_token_whose_unit_runs_elsewhere_is_surplus(shop: Workshop) -> None:
    await shop.add_run(units=2)
    message_id = new_id()
    await claimed(Claims(shop.database, new_id(), LANE), message_id=message_id)
    other = Claims(shop.database, new_id(), LANE)
    assert await other.claim_unit(message_id, redelivered=False) is None
    assert await shop.value("SELECT count(*) FROM unit WHERE state = 'running'") == 1


async def test_a_token_that_comes_back_from_a_vanished_holder_takes_its_unit_back(shop: Workshop) -> None:
    [unit_id] = (await shop.add_run()).unit_ids
    message_id, me = new_id(), new_id()
    vanished = await claimed(Claims(shop.database, new_id(), LANE), message_id=message_id)
    counter = metrics.UNITS_TAKEN_BACK.labels(LANE)._value
    before = counter.get()
    mine = await claimed(Claims(shop.database, me, LANE), message_id=message_id, redelivered=True)
    assert counter.get() == before + 1
    assert (mine.unit_id, mine.attempt, mine.lost) == (unit_id, vanished.attempt + 1, 1)
    assert (await shop.unit(unit_id))["holder"] == me


async def test_a_token_takes_its_own_unit_back_although_a_fairer_one_is_ready(shop: Workshop) -> None:
    [unit_id] = (await shop.add_run()).unit_ids
    message_id = new_id()
    await claimed(Claims(shop.database, new_id(), LANE), message_id=message_id)
    await shop.add_run(priority=9)
    taken = await claimed(Claims(shop.database, new_id(), LANE), message_id=message_id, redelivered=True)
    assert taken.unit_id == unit_id


async def test_a_token_that_did_not_come_back_takes_nothing_from_another_holder(shop: Workshop) -> None:
    [unit_id] = (await shop.add_run()).unit_ids
    message_id, holder = new_id(), new_id()
    await claimed(Claims(shop.database, holder, LANE), message_id=message_id)
    other = Claims(shop.database, new_id(), LANE)
    assert await other.claim_unit(message_id, redelivered=False) is None
    assert (await shop.unit(unit_id))["holder"] == holder


async def test_a_token_whose_unit_was_taken_over_by_another_token_claims_freshly(shop: Workshop) -> None:
    [unit_id] = (await shop.add_run()).unit_ids
    first, second, holder = new_id(), new_id(), new_id()
    lost = await claimed(Claims(shop.database, new_id(), LANE), message_id=first)
    await Claims(shop.database, new_id(), LANE).hand_back(lost)
    await claimed(Claims(shop.database, holder, LANE), message_id=second)
    late = Claims(shop.database, new_id(), LANE)
    assert await late.claim_unit(first, redelivered=True) is None
    assert (await shop.unit(unit_id))["holder"] == holder


@pytest.fixture
async def far(
    shop: Workshop, migrated_url: str, postgres: PostgresServer
) -> AsyncIterator[tuple[Database, Proxy]]:
    """The same database over a line that the test can cut."""
    async with Proxy(postgres.port) as proxy:
        url = migrated_url.replace(f":{postgres.port}/", f":{proxy.port}/")
        database = Database(url, pool_max=4, startup_timeout=5, exclusive=False)
        async with running([database]):
            yield database, proxy


async def test_a_claim_whose_answer_is_lost_is_found_again_by_the_same_worker(
    shop: Workshop, far: tuple[Database, Proxy], migrated_url: str
) -> None:
    database, proxy = far
    [unit_id] = (await shop.add_run()).unit_ids
    slots = HandSlots(1)
    delivery = HandDelivery()
    async with shut_gate(shop, migrated_url) as gate:
        shop.transcriber(slots, database=database).worker.receive(delivery)
        await gate.holds()
        proxy.cut()
        await gate.open()
        call = await slots.call()
    unit = await shop.unit(unit_id)
    assert (unit["state"], unit["attempt"], unit["lost"]) == ("running", 2, 0)
    call.finish()
    assert await settled(delivery) == "ack"
    assert slots.waiting == 0
    assert (await shop.run(unit["run_id"]))["seq"] == 1


async def test_a_claim_whose_answer_is_lost_never_leaves_its_token_with_two_units(
    shop: Workshop, far: tuple[Database, Proxy], migrated_url: str
) -> None:
    database, proxy = far
    await shop.add_run(units=2)
    slots = HandSlots(1)
    delivery = HandDelivery()
    async with shut_gate(shop, migrated_url) as gate:
        shop.transcriber(slots, database=database).worker.receive(delivery)
        await gate.holds()
        proxy.cut()
        await gate.holds(2)  # the worker asks again while its first claim is not yet committed
        await gate.open()
        await slots.call()
    assert await shop.value("SELECT count(*) FROM unit WHERE message_id = $1", delivery.message_id) == 1
    assert await shop.value("SELECT count(*) FROM unit WHERE state = 'ready'") == 1


async def test_a_broken_line_to_the_broker_costs_no_work(
    plant: Workshop, rabbitmq: RabbitServer, rabbitmq_url: str
) -> None:
    slots = HandSlots(2)
    async with Proxy(rabbitmq.port) as proxy:
        url = rabbitmq_url.replace(f":{rabbitmq.port}/", f":{proxy.port}/")
        broker = RabbitBroker(url, startup_timeout=10)
        transcriber = plant.transcriber(slots, broker=broker)
        async with running([broker, *transcriber.parts]):
            run = await plant.add_run()
            await plant.send_tokens(1)
            call = await slots.call()
            before = proxy.connections
            proxy.cut()
            await eventually(lambda: proxy.connections == before)
            [job] = transcriber.worker._jobs.values()
            await eventually(lambda: job.delivery.redelivered)
            call.finish()
            await eventually(lambda: plant.run_ended(run.run_id))
            await eventually(lambda: not transcriber.worker.held())
        unit = await plant.unit(run.unit_ids[0])
        assert (unit["state"], unit["attempt"], unit["lost"]) == ("done", 1, 0)
        assert slots.waiting == 0
        assert await plant.broker.depth(LANE) == 0


async def test_a_unit_that_was_taken_back_is_done_once(shop: Workshop) -> None:
    run = await shop.add_run()
    message_id = new_id()
    await claimed(Claims(shop.database, new_id(), LANE), message_id=message_id)
    mine = Claims(shop.database, new_id(), LANE)
    await finish(mine, await claimed(mine, message_id=message_id, redelivered=True))
    assert await shop.value("SELECT count(*) FROM segment") == 1
    row = await shop.run(run.run_id)
    assert (row["status"], row["chunks_done"], row["seq"]) == ("succeeded", 1, 1)
