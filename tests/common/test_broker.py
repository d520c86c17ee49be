"""What both transports do alike: `memory://` and RabbitMQ pass one suite."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest

from lingoloop_common.broker import Broker, Delivery, EventMessage
from lingoloop_common.broker.memory import MemoryBroker
from lingoloop_common.broker.rabbitmq import RabbitBroker
from tests.waiting import Inbox, eventually

LANE = "simulated"


@pytest.fixture(params=["memory", "rabbitmq"])
async def broker(request: pytest.FixtureRequest) -> AsyncIterator[Broker]:
    if request.param == "memory":
        broker: Broker = MemoryBroker()
    else:
        broker = RabbitBroker(request.getfixturevalue("rabbitmq_url"), startup_timeout=10)
    await broker.start()
    yield broker
    await broker.stop()


async def publish(broker: Broker, count: int = 1) -> list[UUID]:
    ids = [uuid4() for _ in range(count)]
    for message_id in ids:
        await broker.publish_token(LANE, message_id)
    return ids


async def is_depth(broker: Broker, count: int) -> bool:
    return await broker.depth(LANE) == count


async def send(broker: Broker, shard: int, body: bytes) -> None:
    await broker.publish_event(f"{shard}.run.type", uuid4(), {"cloudEvents_seq": 1}, body)


def no_reconnect() -> None:
    pytest.fail("nothing broke")


async def test_a_token_is_delivered_once(broker: Broker) -> None:
    inbox: Inbox[Delivery] = Inbox()
    await broker.consume(LANE, inbox.put, limit=5)
    [message_id] = await publish(broker)
    delivery = await inbox.get()
    assert (delivery.message_id, delivery.redelivered) == (message_id, False)
    await delivery.ack()
    [after] = await publish(broker)
    assert (await inbox.get()).message_id == after
    assert await broker.depth(LANE) == 0


async def test_a_token_brings_the_context_of_a_trace_if_it_was_given_one(broker: Broker) -> None:
    inbox: Inbox[Delivery] = Inbox()
    await broker.consume(LANE, inbox.put, limit=5)
    context = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    await broker.publish_token(LANE, uuid4(), {"traceparent": context})
    await publish(broker)
    assert [(await inbox.get()).traceparent for _ in range(2)] == [context, None]


async def test_tokens_from_before_any_consumer_are_kept(broker: Broker) -> None:
    ids = await publish(broker, 3)
    inbox: Inbox[Delivery] = Inbox()
    await broker.consume(LANE, inbox.put, limit=5)
    assert [(await inbox.get()).message_id for _ in ids] == ids


async def test_a_rejected_token_comes_back_as_the_same_one_redelivered(broker: Broker) -> None:
    inbox: Inbox[Delivery] = Inbox()
    await broker.consume(LANE, inbox.put, limit=1)
    [message_id] = await publish(broker)
    await (await inbox.get()).reject()
    again = await inbox.get()
    assert (again.message_id, again.redelivered) == (message_id, True)
    await again.ack()
    await eventually(lambda: is_depth(broker, 0))


async def test_a_token_comes_back_however_often_it_is_rejected(broker: Broker) -> None:
    inbox: Inbox[Delivery] = Inbox()
    await broker.consume(LANE, inbox.put, limit=1)
    [message_id] = await publish(broker)
    for _ in range(10):
        await (await inbox.get()).reject()
    assert (await inbox.get()).message_id == message_id


async def test_at_most_limit_tokens_are_unsettled(broker: Broker) -> None:
    inbox: Inbox[Delivery] = Inbox()
    await broker.consume(LANE, inbox.put, limit=2)
    ids = await publish(broker, 4)
    first, second = await inbox.get(), await inbox.get()
    await eventually(lambda: is_depth(broker, 2))
    assert len(inbox) == 0
    await first.ack()
    third = await inbox.get()
    assert len(inbox) == 0
    assert {delivery.message_id for delivery in (first, second, third)} <= set(ids)


async def test_depth_counts_what_waits_not_what_is_out(broker: Broker) -> None:
    assert await broker.depth(LANE) == 0
    await publish(broker, 3)
    await eventually(lambda: is_depth(broker, 3))
    inbox: Inbox[Delivery] = Inbox()
    await broker.consume(LANE, inbox.put, limit=1)
    delivery = await inbox.get()
    await eventually(lambda: is_depth(broker, 2))
    await delivery.reject()
    await eventually(lambda: is_depth(broker, 2))


async def test_a_cancelled_consumer_takes_no_more_but_settles_what_it_has(broker: Broker) -> None:
    inbox: Inbox[Delivery] = Inbox()
    consumer = await broker.consume(LANE, inbox.put, limit=1)
    first, second = await publish(broker, 2)
    held = await inbox.get()
    await consumer.cancel()
    await held.ack()
    await eventually(lambda: is_depth(broker, 1))
    other: Inbox[Delivery] = Inbox()
    await broker.consume(LANE, other.put, limit=5)
    assert (held.message_id, (await other.get()).message_id) == (first, second)
    [third] = await publish(broker)
    assert (await other.get()).message_id == third
    assert len(inbox) == 0


async def test_a_cancelled_consumer_may_hand_back_what_it_has(broker: Broker) -> None:
    inbox: Inbox[Delivery] = Inbox()
    consumer = await broker.consume(LANE, inbox.put, limit=1)
    [message_id] = await publish(broker)
    held = await inbox.get()
    await consumer.cancel()
    await held.reject()
    other: Inbox[Delivery] = Inbox()
    await broker.consume(LANE, other.put, limit=1)
    again = await other.get()
    assert (again.message_id, again.redelivered) == (message_id, True)


async def test_a_resumed_consumer_takes_work_again(broker: Broker) -> None:
    inbox: Inbox[Delivery] = Inbox()
    consumer = await broker.consume(LANE, inbox.put, limit=1)
    await consumer.cancel()
    await consumer.cancel()
    [message_id] = await publish(broker)
    await eventually(lambda: is_depth(broker, 1))
    await consumer.resume()
    await consumer.resume()
    delivery = await inbox.get()
    assert delivery.message_id == message_id
    await publish(broker)
    await eventually(lambda: is_depth(broker, 1))  # resumed twice, still one at a time
    assert len(inbox) == 0


async def test_two_consumers_share(broker: Broker) -> None:
    inboxes: list[Inbox[Delivery]] = [Inbox(), Inbox()]
    for inbox in inboxes:
        await broker.consume(LANE, inbox.put, limit=10)
    ids = await publish(broker, 6)
    taken = [[(await inbox.get()).message_id for _ in range(3)] for inbox in inboxes]
    assert sorted(taken[0] + taken[1]) == sorted(ids)


async def test_lanes_are_apart(broker: Broker) -> None:
    inbox: Inbox[Delivery] = Inbox()
    await broker.consume("whisper.base", inbox.put, limit=1)
    await publish(broker)
    message_id = uuid4()
    await broker.publish_token("whisper.base", message_id)
    assert (await inbox.get()).message_id == message_id
    assert await broker.depth(LANE) == 1


async def test_a_recreated_queue_is_empty_and_works(broker: Broker) -> None:
    await publish(broker, 3)
    await eventually(lambda: is_depth(broker, 3))
    await broker.recreate(LANE)
    assert await broker.depth(LANE) == 0
    inbox: Inbox[Delivery] = Inbox()
    await broker.consume(LANE, inbox.put, limit=1)
    [message_id] = await publish(broker)
    assert (await inbox.get()).message_id == message_id


async def test_a_queue_that_was_never_there_can_be_recreated(broker: Broker) -> None:
    await broker.recreate(LANE)
    assert await broker.depth(LANE) == 0


async def test_a_consumer_outlives_its_queue(broker: Broker) -> None:
    inbox: Inbox[Delivery] = Inbox()
    await broker.consume(LANE, inbox.put, limit=5)
    await publish(broker)
    held = await inbox.get()
    await broker.recreate(LANE)
    [message_id] = await publish(broker)
    assert (await inbox.get()).message_id == message_id
    await held.ack()  # of a queue that is gone: does nothing


async def test_an_event_reaches_the_feeds_bound_to_its_shard(broker: Broker) -> None:
    here: Inbox[EventMessage] = Inbox()
    there: Inbox[EventMessage] = Inbox()
    for inbox, shard in ((here, 1), (there, 11)):
        feed = await broker.feed(inbox.put, no_reconnect)
        await feed.bind(shard)
    for shard in (1, 11, 1):
        await send(broker, shard, f"{shard}".encode())
    assert [(await here.get()).body for _ in range(2)] == [b"1", b"1"]
    message = await there.get()
    assert (dict(message.headers), message.body) == ({"cloudEvents_seq": 1}, b"11")
    assert len(here) == len(there) == 0


async def test_every_bound_feed_gets_an_event(broker: Broker) -> None:
    inboxes: list[Inbox[EventMessage]] = [Inbox(), Inbox()]
    for inbox in inboxes:
        await (await broker.feed(inbox.put, no_reconnect)).bind(5)
    await send(broker, 5, b"news")
    assert [(await inbox.get()).body for inbox in inboxes] == [b"news", b"news"]


async def test_an_event_for_nobody_is_fine(broker: Broker) -> None:
    await send(broker, 3, b"unheard")


async def test_one_publisher_s_events_keep_their_order(broker: Broker) -> None:
    inbox: Inbox[EventMessage] = Inbox()
    feed = await broker.feed(inbox.put, no_reconnect)
    await feed.bind(5)
    bodies = [str(number).encode() for number in range(300)]
    for body in bodies:
        await send(broker, 5, body)
    assert [(await inbox.get()).body for _ in bodies] == bodies


async def test_an_unbound_shard_is_quiet_while_others_are_heard(broker: Broker) -> None:
    inbox: Inbox[EventMessage] = Inbox()
    feed = await broker.feed(inbox.put, no_reconnect)
    for shard in (1, 2):
        await feed.bind(shard)
        await feed.bind(shard)  # again is the same
    await feed.unbind(1)
    await feed.unbind(7)  # never bound
    await send(broker, 1, b"one")
    await send(broker, 2, b"two")
    assert (await inbox.get()).body == b"two"
    assert len(inbox) == 0


async def test_a_closed_feed_hears_nothing(broker: Broker) -> None:
    closed: Inbox[EventMessage] = Inbox()
    open_: Inbox[EventMessage] = Inbox()
    feeds = [await broker.feed(inbox.put, no_reconnect) for inbox in (closed, open_)]
    for feed in feeds:
        await feed.bind(1)
    await feeds[0].close()
    await send(broker, 1, b"one")
    await open_.get()
    assert len(closed) == 0
    await feeds[0].close()  # again does nothing


async def test_a_broker_that_is_up_passes_its_check(broker: Broker) -> None:
    await broker.check()
