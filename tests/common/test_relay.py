"""The relay sends what is in the outbox, with confirms, and deletes what was confirmed."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from lingoloop_common import tracing
from lingoloop_common.broker import BrokerError, Delivery, EventMessage
from lingoloop_common.broker.rabbitmq import RabbitBroker
from lingoloop_common.contracts.events import UPDATED, routing_key, shard
from lingoloop_common.relay import BATCH, Relay
from lingoloop_common.store.database import Database
from lingoloop_common.store.runs import Change, change_run, lock_run
from tests.common.brokers import FaultyBroker
from tests.rows import add_run, add_token
from tests.servers.proxy import Proxy
from tests.servers.rabbitmq import RabbitServer
from tests.waiting import Inbox, eventually

LANE = "simulated"


@pytest.fixture
def broker() -> FaultyBroker:
    return FaultyBroker()


@pytest.fixture
def relay(database: Database, broker: FaultyBroker) -> Relay:
    return Relay(database, broker)


async def left(database: Database) -> int:
    count: int = await database.pool.fetchval("SELECT count(*) FROM outbox")
    return count


async def is_empty(database: Database) -> bool:
    return await left(database) == 0


@pytest.fixture
async def started(relay: Relay) -> AsyncIterator[Relay]:
    await relay.start()
    yield relay
    await relay.stop()


async def test_a_token_goes_to_its_lane_s_queue_and_leaves_the_outbox(
    database: Database, broker: FaultyBroker, started: Relay
) -> None:
    inbox: Inbox[Delivery] = Inbox()
    await broker.consume(LANE, inbox.put, limit=1)
    message_id = await add_token(database.pool)
    started.tell()
    assert (await inbox.get()).message_id == message_id
    await eventually(lambda: is_empty(database))


async def test_an_event_goes_out_as_it_was_written(
    database: Database, broker: FaultyBroker, started: Relay
) -> None:
    inbox: Inbox[EventMessage] = Inbox()
    await (await broker.feed(inbox.put, lambda: None)).bind(shard("ann"))
    run = await add_run(database.pool, units=2)
    async with database.pool.acquire() as connection, connection.transaction():
        await change_run(connection, await lock_run(connection, run.run_id), Change(units_ended=1))
    row = await database.pool.fetchrow("SELECT * FROM outbox")
    assert row is not None
    assert row["routing_key"] == routing_key("ann", run.run_id, UPDATED)
    started.tell()
    message = await inbox.get()
    assert (message.headers, message.body) == (row["headers"], row["body"])


async def test_an_event_carries_the_context_of_what_changed_its_run_else_that_of_its_request(
    database: Database, broker: FaultyBroker, started: Relay
) -> None:
    inbox: Inbox[EventMessage] = Inbox()
    await (await broker.feed(inbox.put, lambda: None)).bind(shard("ann"))
    run = await add_run(database.pool, units=4)
    request, step, result = (f"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b{n}-01" for n in range(3))

    async def context_of(change: Change) -> object:
        async with database.pool.acquire() as connection, connection.transaction():
            await change_run(connection, await lock_run(connection, run.run_id), change)
        started.tell()
        return (await inbox.get()).headers.get("traceparent")

    assert await context_of(Change(units_ended=1)) is None
    await database.pool.execute("UPDATE transcript_run SET traceparent = $1", request)
    assert await context_of(Change(units_ended=1)) == request
    with tracing.span("a step", parent=step):
        assert await context_of(Change(units_ended=1)) == step
        assert await context_of(Change(units_ended=1, traceparent=result)) == result


async def test_all_of_many_are_sent_in_order(
    database: Database, broker: FaultyBroker, started: Relay
) -> None:
    ids = [await add_token(database.pool) for _ in range(2 * BATCH + 10)]
    started.tell()
    await eventually(lambda: is_empty(database))
    assert broker.sent == ids


async def test_a_batch_has_its_limit(database: Database, relay: Relay) -> None:
    await database.pool.execute(
        "INSERT INTO outbox (message_id, lane) SELECT gen_random_uuid(), 'simulated' FROM generate_series(1, 450)"
    )
    assert [await relay.send_batch() for _ in range(4)] == [200, 200, 50, 0]


async def test_what_was_not_confirmed_stays_and_the_rest_goes(
    database: Database, broker: FaultyBroker, relay: Relay
) -> None:
    broker.refused = {"away"}
    stays = await add_token(database.pool, lane="away")
    goes = await add_token(database.pool)
    with pytest.raises(BrokerError, match="away is refused"):
        await relay.send_batch()
    assert broker.sent == [goes]
    assert await database.pool.fetchval("SELECT message_id FROM outbox") == stays
    broker.refused = set()
    assert await relay.send_batch() == 1


async def test_a_relay_that_failed_tries_again_by_itself(
    database: Database, broker: FaultyBroker, started: Relay
) -> None:
    broker.refused = {LANE}
    await add_token(database.pool)
    started.tell()
    await broker.arrived.wait()
    broker.refused = set()
    await eventually(lambda: is_empty(database))


async def test_a_lane_that_takes_nothing_holds_back_no_other(
    database: Database, broker: FaultyBroker, started: Relay
) -> None:
    broker.refused = {"mute"}
    stays = [await add_token(database.pool, lane="mute") for _ in range(BATCH + 50)]
    goes = [await add_token(database.pool) for _ in range(BATCH + 50)]
    started.tell()
    await eventually(lambda: broker.sent == goes)
    assert await left(database) == len(stays)
    broker.refused = set()
    await eventually(lambda: is_empty(database))
    assert set(broker.sent[len(goes) :]) == set(stays)


async def test_a_lane_that_takes_nothing_costs_one_wait_not_one_for_each_batch(
    database: Database, broker: FaultyBroker, started: Relay
) -> None:
    for _ in range(BATCH):
        await add_token(database.pool, lane="mute")
    broker.held = {"mute"}
    started.tell()
    await broker.arrived.wait()
    broker.refused = {"mute"}
    broker.release.set()  # the time in which the broker must confirm is over
    broker.release = asyncio.Event()  # and the next try waits as long again
    await eventually(lambda: started._aside)
    goes = await add_token(database.pool)
    started.tell()
    await eventually(lambda: broker.sent == [goes])
    broker.release.set()


async def test_while_the_broker_is_away_no_lane_is_put_aside(
    database: Database, broker: FaultyBroker, started: Relay
) -> None:
    broker.away = True
    await add_token(database.pool)
    broker.refused = {LANE}
    started.tell()
    await broker.checked.wait()
    assert not started._aside
    broker.away, broker.refused = False, set()
    await eventually(lambda: is_empty(database))


async def test_a_row_is_deleted_only_after_its_confirm(
    database: Database, broker: FaultyBroker, relay: Relay
) -> None:
    broker.gate.clear()
    await add_token(database.pool)
    sending = asyncio.create_task(relay.send_batch())
    await broker.arrived.wait()
    assert await left(database) == 1
    broker.gate.set()
    await sending
    assert await left(database) == 0


async def test_a_crash_before_the_confirm_leaves_the_row(
    database: Database, broker: FaultyBroker, relay: Relay
) -> None:
    broker.gate.clear()
    await add_token(database.pool)
    sending = asyncio.create_task(relay.send_batch())
    await broker.arrived.wait()
    sending.cancel()
    await asyncio.wait([sending])
    broker.gate.set()
    assert await relay.send_batch() == 1


async def test_two_relays_never_send_a_row_twice_at_the_same_time(
    database: Database, broker: FaultyBroker
) -> None:
    first, second = Relay(database, broker), Relay(database, broker)
    ids = {await add_token(database.pool) for _ in range(BATCH + 50)}
    broker.gate.clear()
    sending = asyncio.create_task(first.send_batch())
    await broker.arrived.wait()
    also = asyncio.create_task(second.send_batch())
    await asyncio.sleep(0.1)
    broker.gate.set()
    assert (await sending, await also) == (BATCH, 50)
    assert len(broker.sent) == len(ids)
    assert set(broker.sent) == ids


async def test_a_stop_sends_what_is_there(database: Database, broker: FaultyBroker, relay: Relay) -> None:
    await relay.start()
    await add_token(database.pool)
    await relay.stop()
    assert len(broker.sent) == 1


async def test_through_rabbitmq_a_break_loses_nothing(
    database: Database, rabbitmq: RabbitServer, rabbitmq_url: str
) -> None:
    async with Proxy(rabbitmq.port) as proxy:
        port = urlsplit(rabbitmq_url).port
        broker = RabbitBroker(rabbitmq_url.replace(f":{port}/", f":{proxy.port}/"), startup_timeout=10)
        await broker.start()
        relay = Relay(database, broker)
        await relay.start()
        inbox: Inbox[Delivery] = Inbox()
        await broker.consume(LANE, inbox.put, limit=1000)
        ids = {await add_token(database.pool) for _ in range(50)}
        relay.tell()
        proxy.cut()
        ids |= {await add_token(database.pool) for _ in range(50)}
        relay.tell()
        seen: set[UUID] = set()
        while seen != ids:
            delivery = await inbox.get()
            seen.add(delivery.message_id)
            await delivery.ack()
        await eventually(lambda: is_empty(database))
        await relay.stop()
        await broker.stop()
