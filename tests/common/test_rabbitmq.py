"""What only a real broker can do: queues that vanish, connections that break, a broker that is away or takes nothing."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from lingoloop_common.broker import BrokerError, Delivery, EventMessage, rabbitmq
from lingoloop_common.broker.rabbitmq import RabbitBroker
from tests.servers.proxy import Proxy
from tests.servers.rabbitmq import RabbitServer
from tests.waiting import Inbox, eventually

LANE = "simulated"


@pytest.fixture
async def proxy(rabbitmq: RabbitServer) -> AsyncIterator[Proxy]:
    async with Proxy(rabbitmq.port) as proxy:
        yield proxy


@pytest.fixture
async def broker(proxy: Proxy, rabbitmq_url: str) -> AsyncIterator[RabbitBroker]:
    """Connected through the proxy."""
    port = urlsplit(rabbitmq_url).port
    broker = RabbitBroker(rabbitmq_url.replace(f":{port}/", f":{proxy.port}/"), startup_timeout=10)
    await broker.start()
    yield broker
    await broker.stop()


async def is_up(broker: RabbitBroker) -> bool:
    try:
        await broker.check()
    except BrokerError:
        return False
    return True


async def is_away(broker: RabbitBroker) -> bool:
    return not await is_up(broker)


async def is_depth(broker: RabbitBroker, count: int) -> bool:
    return await broker.depth(LANE) == count


def delete_queue(server: RabbitServer, url: str) -> None:
    server.admin("DELETE", f"queues/{url.rpartition('/')[2]}/work.{LANE}")


async def test_a_queue_deleted_by_hand_is_declared_again(
    broker: RabbitBroker, rabbitmq: RabbitServer, rabbitmq_url: str
) -> None:
    await broker.publish_token(LANE, uuid4())
    delete_queue(rabbitmq, rabbitmq_url)
    with pytest.raises(BrokerError, match="a token for simulated was not confirmed"):
        await broker.publish_token(LANE, uuid4())
    await broker.publish_token(LANE, uuid4())
    assert await broker.depth(LANE) == 1


async def test_a_consumer_whose_queue_was_deleted_by_hand_works_on(
    broker: RabbitBroker, rabbitmq: RabbitServer, rabbitmq_url: str
) -> None:
    inbox: Inbox[Delivery] = Inbox()
    await broker.consume(LANE, inbox.put, limit=1)
    [consumer] = broker._open
    told = consumer._link._broken
    delete_queue(rabbitmq, rabbitmq_url)
    await asyncio.wait_for(told.wait(), 20)  # perhaps it never is when the queue is declared again before
    message_id = uuid4()
    await broker.publish_token(LANE, message_id)
    assert (await inbox.get()).message_id == message_id


async def test_a_consumer_that_the_broker_forgot_to_tell_connects_again(
    broker: RabbitBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rabbitmq, "DELETED_PAUSE", 0)  # so RabbitMQ 3.10 does not tell
    monkeypatch.setattr(rabbitmq, "IDLE_LIMIT", 0.3)
    inbox: Inbox[Delivery] = Inbox()
    await broker.consume(LANE, inbox.put, limit=1)
    await broker.recreate(LANE)
    # The first goes to the consumer that hears nothing; in a fleet the sweep would send more until one waits.
    ids = [uuid4(), uuid4()]
    for message_id in ids:
        await broker.publish_token(LANE, message_id)
    first = await inbox.get()
    await first.ack()
    assert {first.message_id, (await inbox.get()).message_id} == set(ids)


async def test_a_consumer_that_is_busy_does_not_connect_again(
    broker: RabbitBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rabbitmq, "IDLE_LIMIT", 0.5)  # longer than a delivery takes on a busy machine
    inbox: Inbox[Delivery] = Inbox()
    await broker.consume(LANE, inbox.put, limit=1)
    for _ in range(2):
        await broker.publish_token(LANE, uuid4())
    held = await inbox.get()
    await asyncio.sleep(1.6)  # three times
    assert len(inbox) == 0
    await held.ack()
    assert (await inbox.get()).redelivered is False


async def test_after_a_break_unsettled_tokens_come_back_by_themselves(
    broker: RabbitBroker, proxy: Proxy
) -> None:
    inbox: Inbox[Delivery] = Inbox()
    await broker.consume(LANE, inbox.put, limit=1)
    message_id = uuid4()
    await broker.publish_token(LANE, message_id)
    held = await inbox.get()
    proxy.cut()
    again = await inbox.get()
    assert (again.message_id, again.redelivered) == (message_id, True)
    await held.ack()  # on the broken connection: does nothing, and does not raise
    await again.ack()
    after = uuid4()
    await broker.publish_token(LANE, after)
    assert (await inbox.get()).message_id == after


async def test_after_a_break_publishing_works_again(broker: RabbitBroker, proxy: Proxy) -> None:
    await broker.publish_token(LANE, uuid4())
    proxy.cut()
    await eventually(lambda: is_away(broker))
    await broker.publish_token(LANE, uuid4())  # waits until it can
    assert await broker.depth(LANE) == 2


async def test_after_a_break_a_feed_is_bound_again_and_says_that_it_may_have_missed_something(
    broker: RabbitBroker, proxy: Proxy
) -> None:
    inbox: Inbox[EventMessage] = Inbox()
    reconnected = asyncio.Event()
    feed = await broker.feed(inbox.put, reconnected.set)
    await feed.bind(1)
    await feed.bind(2)
    await feed.unbind(2)
    assert not reconnected.is_set()
    proxy.cut()
    await asyncio.wait_for(reconnected.wait(), 20)
    for shard in (2, 1):
        await broker.publish_event(f"{shard}.run.type", uuid4(), {}, str(shard).encode())
    assert (await inbox.get()).body == b"1"
    assert len(inbox) == 0


async def test_a_cancelled_consumer_stays_cancelled_after_a_break(broker: RabbitBroker, proxy: Proxy) -> None:
    inbox: Inbox[Delivery] = Inbox()
    consumer = await broker.consume(LANE, inbox.put, limit=1)
    await consumer.cancel()
    before = proxy.connections
    proxy.cut()
    await eventually(lambda: proxy.connections == 0)
    await eventually(lambda: proxy.connections == before)
    await broker.publish_token(LANE, uuid4())
    await eventually(lambda: is_depth(broker, 1))
    await consumer.resume()
    await inbox.get()


async def test_what_is_wanted_while_the_broker_is_away_is_done_when_it_is_back(
    broker: RabbitBroker, proxy: Proxy
) -> None:
    inbox: Inbox[Delivery] = Inbox()
    heard: Inbox[EventMessage] = Inbox()
    reconnected = asyncio.Event()
    consumer = await broker.consume(LANE, inbox.put, limit=1)
    feed = await broker.feed(heard.put, reconnected.set)
    await proxy.refuse()
    await eventually(lambda: is_away(broker))
    await consumer.cancel()
    with pytest.raises(BrokerError, match="cannot be bound"):
        await feed.bind(4)
    await proxy.allow()
    await asyncio.wait_for(reconnected.wait(), 20)
    await eventually(lambda: is_up(broker))
    await broker.publish_event("4.run.type", uuid4(), {}, b"four")
    assert (await heard.get()).body == b"four"
    await broker.publish_token(LANE, uuid4())
    await eventually(lambda: is_depth(broker, 1))
    assert len(inbox) == 0


async def test_the_check_fails_while_the_broker_is_away(broker: RabbitBroker, proxy: Proxy) -> None:
    await broker.check()
    await proxy.refuse()
    await eventually(lambda: is_away(broker))
    with pytest.raises(BrokerError, match="no connection to RabbitMQ"):
        await broker.check()
    await proxy.allow()
    await eventually(lambda: is_up(broker))


async def test_what_is_not_answered_in_time_is_a_broker_error(
    broker: RabbitBroker, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    await broker.publish_token(LANE, uuid4())
    monkeypatch.setattr(rabbitmq, "ANSWER_TIMEOUT", 0.3)
    proxy.hold()
    with pytest.raises(BrokerError):
        await broker.publish_token(LANE, uuid4())
    with pytest.raises(BrokerError):
        await broker.publish_event("1.run.type", uuid4(), {}, b"")
    with pytest.raises(BrokerError):
        await broker.depth(LANE)
    with pytest.raises(BrokerError):
        await broker.recreate(LANE)
    monkeypatch.undo()
    proxy.release()
    await eventually(lambda: is_up(broker))
    await broker.publish_token(LANE, uuid4())


async def test_a_broker_that_cannot_be_reached_at_the_start_is_a_time_out(
    proxy: Proxy, rabbitmq_url: str
) -> None:
    await proxy.refuse()
    port = urlsplit(rabbitmq_url).port
    broker = RabbitBroker(rabbitmq_url.replace(f":{port}/", f":{proxy.port}/"), startup_timeout=0.5)
    with pytest.raises(TimeoutError, match="BROKER_URL"):
        await broker.start()
    await broker.stop()


async def test_a_message_without_an_id_is_dropped(
    broker: RabbitBroker, rabbitmq: RabbitServer, rabbitmq_url: str
) -> None:
    inbox: Inbox[Delivery] = Inbox()
    await broker.consume(LANE, inbox.put, limit=1)
    vhost = rabbitmq_url.rpartition("/")[2]
    stray = {"properties": {}, "routing_key": f"work.{LANE}", "payload": "x", "payload_encoding": "string"}
    rabbitmq.admin("POST", f"exchanges/{vhost}/lingoloop.work/publish", stray)
    message_id = uuid4()
    await broker.publish_token(LANE, message_id)
    assert (await inbox.get()).message_id == message_id


def control(server: RabbitServer, *command: str) -> None:
    assert server.folder is not None
    program = shutil.which("rabbitmqctl", path="/usr/lib/rabbitmq/bin") or "rabbitmqctl"
    environment = server._environment(server.folder)
    subprocess.run([program, *command], check=True, env=environment, capture_output=True)


@pytest.mark.slow
async def test_a_broker_short_of_memory_fails_the_check_and_still_takes_acknowledgements(
    private_rabbitmq: Callable[[], RabbitServer],
) -> None:
    server = private_rabbitmq()
    broker = RabbitBroker(server.url, startup_timeout=10)
    await broker.start()
    inbox: Inbox[Delivery] = Inbox()
    await broker.consume(LANE, inbox.put, limit=1)
    for _ in range(2):
        await broker.publish_token(LANE, uuid4())
    held = await inbox.get()
    control(server, "set_vm_memory_high_watermark", "0")
    publishing = asyncio.create_task(
        broker.publish_token(LANE, uuid4())
    )  # a publisher is blocked when it publishes
    await eventually(lambda: is_away(broker))
    with pytest.raises(BrokerError, match="short of memory or disk"):
        await broker.check()
    await held.ack()
    await inbox.get()
    control(server, "set_vm_memory_high_watermark", "0.4")
    await eventually(lambda: is_up(broker))
    await asyncio.wait([publishing])
    await broker.publish_token(LANE, uuid4())
    await broker.stop()


@pytest.mark.slow
async def test_everything_comes_back_after_the_broker_was_killed(
    private_rabbitmq: Callable[[], RabbitServer],
) -> None:
    server = private_rabbitmq()
    broker = RabbitBroker(server.url, startup_timeout=10)
    await broker.start()
    inbox: Inbox[Delivery] = Inbox()
    heard: Inbox[EventMessage] = Inbox()
    reconnected = asyncio.Event()
    await broker.consume(LANE, inbox.put, limit=1)
    await (await broker.feed(heard.put, reconnected.set)).bind(1)
    message_id = uuid4()
    await broker.publish_token(LANE, message_id)
    await inbox.get()
    await asyncio.sleep(2)  # a younger quorum queue does not come up again
    server.kill()
    server.launch()
    await asyncio.to_thread(server.wait_ready)
    again = await inbox.get(seconds=40)
    assert (again.message_id, again.redelivered) == (message_id, True)
    await asyncio.wait_for(reconnected.wait(), 20)
    await eventually(lambda: is_up(broker))
    await broker.publish_event("1.run.type", uuid4(), {}, b"news")
    assert (await heard.get()).body == b"news"
    await broker.stop()
