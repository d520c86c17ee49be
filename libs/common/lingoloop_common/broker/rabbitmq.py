"""RabbitMQ: quorum queues for work, a topic exchange for events, publisher confirms for both.

Each of a process's three jobs (publish, consume, receive events) has a connection of its own: a broker that blocks
publishers stops reading from their connection, and acknowledgements must still get through.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

import structlog
from aio_pika import DeliveryMode, ExchangeType, Message
from aio_pika.abc import (
    AbstractChannel,
    AbstractConnection,
    AbstractExchange,
    AbstractIncomingMessage,
    AbstractQueue,
)

from lingoloop_common import metrics
from lingoloop_common.broker import (
    EVENTS,
    WORK,
    BrokerError,
    Consumer,
    EventFeed,
    EventMessage,
    OnDelivery,
    OnEvent,
    OnReconnect,
    queue_name,
)
from lingoloop_common.broker.link import BROKEN, Link
from lingoloop_common.faults import told
from lingoloop_common.lifecycle import background, end_task
from lingoloop_common.tracing import read_traceparent

log = structlog.get_logger(__name__)

ANSWER_TIMEOUT = 10.0
"""Seconds in which the broker must confirm or answer."""

DELETED_PAUSE = 0.5
"""Seconds between a queue's deletion and its declaration, in which RabbitMQ tells its consumers."""

IDLE_LIMIT = 30.0
"""Seconds without work after which a consumer asks whether tokens wait, and connects again if so: RabbitMQ 3.10 does
not tell a consumer that its queue was deleted when somebody declares it again within milliseconds."""


@dataclass(slots=True)
class RabbitDelivery:
    """A delivery on the channel it came by."""

    message: AbstractIncomingMessage
    message_id: UUID
    redelivered: bool
    out: set[UUID]

    @property
    def traceparent(self) -> str | None:
        """The context that it carries."""
        value = self.message.headers.get("traceparent")
        return read_traceparent(value) if isinstance(value, str) else None

    async def ack(self) -> None:
        """Drop the token."""
        self.out.discard(self.message_id)
        with contextlib.suppress(*BROKEN):
            await self.message.ack()

    async def reject(self) -> None:
        """Put the token back."""
        self.out.discard(self.message_id)
        with contextlib.suppress(*BROKEN):
            await self.message.reject(requeue=True)


class RabbitConsumer:
    """A lane's consumer, set up again after each break."""

    def __init__(self, url: str, lane: str, on_delivery: OnDelivery, limit: int) -> None:
        self._lane, self._on_delivery, self._limit = lane, on_delivery, limit
        self._link = Link(url, f"work {lane}", self._set_up)
        self._queue: AbstractQueue | None = None
        self._tag: str | None = None
        self._wanted = True
        self._obeying = asyncio.Lock()
        self._connection: AbstractConnection | None = None
        self._out: set[UUID] = set()
        self._heard = 0
        self._listening: asyncio.Task[None] | None = None

    async def start(self, timeout: float) -> None:
        """Begin to consume."""
        await self._link.start(timeout)
        self._listening = background(self._keep_listening(), name=f"listen {self._lane}")

    async def cancel(self) -> None:
        """Take no more; the channel stays open for the deliveries that are still out."""
        self._wanted = False
        await self._obey()

    async def resume(self) -> None:
        """Take work again."""
        self._wanted = True
        await self._obey()

    async def close(self) -> None:
        """Disconnect."""
        await end_task(self._listening)
        await self._link.stop()

    async def _set_up(self, connection: AbstractConnection) -> None:
        self._out = set()
        channel = await self._link.open_channel(connection)
        await channel.set_qos(prefetch_count=self._limit)
        self._queue, self._tag = await declare_lane(channel, self._lane), None
        await self._consume_or_cancel(self._queue)
        self._connection = connection

    async def _obey(self) -> None:
        """Do what is wanted now; while the connection is away, its return does it."""
        if self._queue is not None and self._link.up.is_set():
            with contextlib.suppress(*BROKEN):
                await asyncio.wait_for(self._consume_or_cancel(self._queue), ANSWER_TIMEOUT)

    async def _consume_or_cancel(self, queue: AbstractQueue) -> None:
        async with self._obeying:
            while self._wanted != (self._tag is not None):  # what is wanted may change meanwhile
                if self._tag is None:
                    self._tag = await queue.consume(self._receive)
                else:
                    tag, self._tag = self._tag, None
                    await queue.cancel(tag)

    async def _keep_listening(self) -> None:
        while True:
            heard = self._heard
            await asyncio.sleep(IDLE_LIMIT)
            with contextlib.suppress(*BROKEN):
                if await self._waiting() and self._tag and not self._out and self._heard == heard:
                    log.warning("tokens wait and none comes; connecting again", lane=self._lane)
                    self._link.breaks()

    async def _waiting(self) -> int:
        """Count the tokens in the queue, on a channel of its own; 0 when it cannot be told."""
        connection = self._connection
        if connection is None or not self._link.up.is_set():
            return 0
        async with asyncio.timeout(ANSWER_TIMEOUT), question(connection) as channel:
            queue = await declare_lane(channel, self._lane)
        return queue.declaration_result.message_count or 0

    async def _receive(self, message: AbstractIncomingMessage) -> None:
        try:
            message_id = UUID(message.message_id)
        except (TypeError, ValueError):
            log.error("dropped a work message without a message id", lane=self._lane)
            await message.ack()
            return
        delivery = RabbitDelivery(message, message_id, bool(message.redelivered), self._out)
        self._heard += 1
        if self._wanted:
            self._out.add(message_id)
            self._on_delivery(delivery)
        else:  # it was on its way when `cancel` was called
            await delivery.reject()


class RabbitFeed:
    """An exclusive queue of events, declared and bound again after each break."""

    def __init__(self, url: str, on_event: OnEvent, on_reconnect: OnReconnect) -> None:
        self._on_event, self._on_reconnect = on_event, on_reconnect
        self._link = Link(url, "events", self._set_up)
        self._shards: set[int] = set()
        self._queue: AbstractQueue | None = None
        self._exchange: AbstractExchange | None = None

    async def start(self, timeout: float) -> None:
        """Open the queue."""
        await self._link.start(timeout)

    async def bind(self, shard: int) -> None:
        """Receive a shard's events; raise BrokerError when the broker is away, and bind it when it is back."""
        self._shards.add(shard)
        await self._answer(lambda queue, exchange: queue.bind(exchange, f"{shard}.#"))

    async def unbind(self, shard: int) -> None:
        """Receive a shard's events no more."""
        self._shards.discard(shard)
        with contextlib.suppress(BrokerError):
            await self._answer(lambda queue, exchange: queue.unbind(exchange, f"{shard}.#"))

    async def close(self) -> None:
        """Disconnect, which drops the queue."""
        await self._link.stop()

    async def _answer(self, ask: Callable[[AbstractQueue, AbstractExchange], Awaitable[object]]) -> None:
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                if self._queue is None or self._exchange is None or not self._link.up.is_set():
                    raise ConnectionError("no connection to RabbitMQ")
                await ask(self._queue, self._exchange)
        except BROKEN as error:
            raise BrokerError(f"the events queue cannot be bound: {told(error)}") from error

    async def _set_up(self, connection: AbstractConnection) -> None:
        channel = await self._link.open_channel(connection)
        await channel.set_qos(prefetch_count=1000)
        self._exchange = await channel.declare_exchange(EVENTS, ExchangeType.TOPIC, durable=True)
        again = self._queue is not None
        # The broker names the queue: after a break the old one may still be locked by the dead connection.
        self._queue = await channel.declare_queue(exclusive=True, auto_delete=True)
        await self._queue.consume(self._receive, no_ack=True)
        bound: set[int] = set()
        while (
            missing := self._shards - bound
        ):  # `bind` may add to them meanwhile; nothing awaits between here and `up`
            for shard in missing:
                await self._queue.bind(self._exchange, f"{shard}.#")
            bound |= missing
        if again:
            self._on_reconnect()

    async def _receive(self, message: AbstractIncomingMessage) -> None:
        headers = {name: value for name, value in message.headers.items() if isinstance(value, str | int)}
        self._on_event(EventMessage(headers, message.body))


class RabbitBroker:
    """A RabbitMQ that this process publishes to and consumes from."""

    in_process, system = False, "rabbitmq"

    def __init__(self, url: str, *, startup_timeout: float) -> None:
        self._url, self._startup_timeout = url, startup_timeout
        self._link = Link(url, "publish", self._set_up)
        self._connection: AbstractConnection | None = None
        self._work: AbstractExchange | None = None
        self._events: AbstractExchange | None = None
        self._lanes: set[str] = set()
        self._declaring: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._open: list[RabbitConsumer | RabbitFeed] = []

    async def start(self) -> None:
        """Connect for publishing."""
        await self._link.start(self._startup_timeout)

    async def stop(self) -> None:
        """Disconnect everything."""
        for part in self._open:
            await part.close()
        await self._link.stop()

    async def check(self) -> None:
        """Raise BrokerError when there is no connection, or when the broker takes nothing (memory or disk alarm)."""
        if not (self._connection and self._connection.transport and self._link.up.is_set()):
            raise BrokerError("no connection to RabbitMQ")
        try:
            # aio-pika keeps to itself that the broker blocks; the connection below tells.
            await asyncio.wait_for(self._connection.transport.connection.ready(), 1)
            metrics.BROKER_BLOCKED.set(0)
        except TimeoutError:
            metrics.BROKER_BLOCKED.set(1)
            raise BrokerError("RabbitMQ blocks publishing: it is short of memory or disk") from None

    async def publish_token(
        self, lane: str, message_id: UUID, headers: Mapping[str, str] | None = None
    ) -> None:
        """Put a token into a lane's queue."""
        message = Message(
            b"",
            message_id=str(message_id),
            headers=dict(headers or {}),
            delivery_mode=DeliveryMode.PERSISTENT,
        )
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                await self._link.up.wait()
                async with self._declaring[lane]:
                    if lane not in self._lanes:
                        await self._declare(lane)
                await self._exchange(self._work).publish(message, queue_name(lane), mandatory=True)
        except BROKEN as error:
            # The queue may have been deleted by hand: declare it again at the next try.
            self._lanes.discard(lane)
            raise BrokerError(f"a token for {lane} was not confirmed: {told(error)}") from error

    async def publish_event(
        self, routing_key: str, message_id: UUID, headers: Mapping[str, str | int], body: bytes
    ) -> None:
        """Send an event; not mandatory, since nobody may be listening."""
        message = Message(
            body, message_id=str(message_id), content_type="application/json", headers=dict(headers)
        )
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                await self._link.up.wait()
                await self._exchange(self._events).publish(message, routing_key, mandatory=False)
        except BROKEN as error:
            raise BrokerError(f"an event was not confirmed: {told(error)}") from error

    async def consume(self, lane: str, on_delivery: OnDelivery, *, limit: int) -> Consumer:
        """Join a lane's consumers."""
        consumer = RabbitConsumer(self._url, lane, on_delivery, limit)
        await consumer.start(self._startup_timeout)
        self._open.append(consumer)
        return consumer

    async def feed(self, on_event: OnEvent, on_reconnect: OnReconnect) -> EventFeed:
        """Open an event queue of this process's own."""
        feed = RabbitFeed(self._url, on_event, on_reconnect)
        await feed.start(self._startup_timeout)
        self._open.append(feed)
        return feed

    async def depth(self, lane: str) -> int:
        """Count the tokens that wait in a lane's queue."""
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                return await self._declare(lane)
        except BROKEN as error:
            raise BrokerError(f"the queue of {lane} does not answer: {told(error)}") from error

    async def recreate(self, lane: str) -> None:
        """Delete a lane's queue and declare it again."""
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT), self._question() as channel:
                await channel.queue_delete(queue_name(lane))
                await asyncio.sleep(DELETED_PAUSE)
                await declare_lane(channel, lane)
        except BROKEN as error:
            raise BrokerError(f"the queue of {lane} cannot be made again: {told(error)}") from error

    async def _declare(self, lane: str) -> int:
        async with self._question() as channel:
            queue = await declare_lane(channel, lane)
        self._lanes.add(lane)
        return queue.declaration_result.message_count or 0

    @contextlib.asynccontextmanager
    async def _question(self) -> AsyncIterator[AbstractChannel]:
        """Open a channel for a question, once there is a connection."""
        await self._link.up.wait()
        assert self._connection is not None  # the link is up
        async with question(self._connection) as channel:
            yield channel

    async def _set_up(self, connection: AbstractConnection) -> None:
        self._lanes.clear()
        channel = await self._link.open_channel(connection, publisher_confirms=True, on_return_raises=True)
        self._work = await channel.declare_exchange(WORK, ExchangeType.DIRECT, durable=True)
        self._events = await channel.declare_exchange(EVENTS, ExchangeType.TOPIC, durable=True)
        self._connection = connection

    @staticmethod
    def _exchange(exchange: AbstractExchange | None) -> AbstractExchange:
        assert exchange is not None  # the link is up
        return exchange


@contextlib.asynccontextmanager
async def question(connection: AbstractConnection) -> AsyncIterator[AbstractChannel]:
    """Open a channel for a question: a queue that does not answer must not hold up what else goes on."""
    channel = await connection.channel()
    try:
        yield channel
    finally:
        with contextlib.suppress(*BROKEN):
            await asyncio.wait_for(channel.close(), 1)


async def declare_lane(channel: AbstractChannel, lane: str) -> AbstractQueue:
    """Declare a lane's quorum queue and bind it; the same each time, so anyone may come first."""
    exchange = await channel.declare_exchange(WORK, ExchangeType.DIRECT, durable=True)
    queue = await channel.declare_queue(queue_name(lane), durable=True, arguments={"x-queue-type": "quorum"})
    await queue.bind(exchange, queue_name(lane))
    return queue
