"""`memory://`: queues inside one process, with the behaviour of the real broker that the rules rely on."""

from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from lingoloop_common.broker import Consumer, EventFeed, EventMessage, OnDelivery, OnEvent, OnReconnect


@dataclass(slots=True)
class _Token:
    message_id: UUID
    traceparent: str | None
    redelivered: bool = False


class _Queue:
    """Tokens that wait, and the consumers that may take them in turn."""

    def __init__(self) -> None:
        self.waiting: deque[_Token] = deque()
        self.consumers: deque[MemoryConsumer] = deque()

    def hand_out(self) -> None:
        full = 0
        while self.waiting and full < len(self.consumers):
            consumer = self.consumers[0]
            self.consumers.rotate(-1)
            if consumer.has_room:
                consumer.take(self.waiting.popleft())
                full = 0
            else:
                full += 1


@dataclass(slots=True)
class MemoryDelivery:
    """A delivery that knows the consumer it counts against."""

    token: _Token
    consumer: "MemoryConsumer"
    settled: bool = False

    @property
    def message_id(self) -> UUID:
        """The token's id."""
        return self.token.message_id

    @property
    def redelivered(self) -> bool:
        """Whether it was delivered before."""
        return self.token.redelivered

    @property
    def traceparent(self) -> str | None:
        """The context that it carries."""
        return self.token.traceparent

    async def ack(self) -> None:
        """Drop the token."""
        self._settle()

    async def reject(self) -> None:
        """Put the token back, in front."""
        if self._settle():
            self.consumer.put_back(self.token)

    def _settle(self) -> bool:
        if self.settled:
            return False
        self.settled = True
        self.consumer.settled()
        return True


class MemoryConsumer:
    """A consumer and its unsettled deliveries."""

    def __init__(self, queue: _Queue, on_delivery: OnDelivery, limit: int) -> None:
        self._queue, self._on_delivery, self._limit = queue, on_delivery, limit
        self._open = False
        self._unsettled = 0

    @property
    def has_room(self) -> bool:
        """Whether one more token may be handed out."""
        return self._open and self._unsettled < self._limit

    def take(self, token: _Token) -> None:
        """Hand a token to the worker."""
        self._unsettled += 1
        self._on_delivery(MemoryDelivery(token, self))

    def settled(self) -> None:
        """Make room for the next token."""
        self._unsettled -= 1
        self._queue.hand_out()

    def put_back(self, token: _Token) -> None:
        """Queue a token again; whoever gets it next learns that it came back."""
        token.redelivered = True
        self._queue.waiting.appendleft(token)
        self._queue.hand_out()

    async def cancel(self) -> None:
        """Take no more."""
        if self._open:
            self._open = False
            self._queue.consumers.remove(self)

    async def resume(self) -> None:
        """Take work again."""
        if not self._open:
            self._open = True
            self._queue.consumers.append(self)
            self._queue.hand_out()


@dataclass(slots=True, eq=False)
class MemoryFeed:
    """Events of the bound shards, handed over in the order they were sent."""

    on_event: OnEvent
    feeds: "set[MemoryFeed]"
    shards: set[str] = field(default_factory=set)

    async def bind(self, shard: int) -> None:
        """Receive a shard's events."""
        self.shards.add(str(shard))

    async def unbind(self, shard: int) -> None:
        """Receive a shard's events no more."""
        self.shards.discard(str(shard))

    async def close(self) -> None:
        """Receive nothing more."""
        self.feeds.discard(self)


class MemoryBroker:
    """Everything in this process; the database fills the queues again after a restart."""

    in_process, system = True, "memory"

    def __init__(self) -> None:
        self._queues: defaultdict[str, _Queue] = defaultdict(_Queue)
        self._feeds: set[MemoryFeed] = set()

    async def start(self) -> None:
        """Nothing to connect to."""

    async def stop(self) -> None:
        """Forget everything: the truth is in the database."""
        self._queues.clear()
        self._feeds.clear()

    async def check(self) -> None:
        """Memory always takes one more."""

    async def publish_token(
        self, lane: str, message_id: UUID, headers: Mapping[str, str] | None = None
    ) -> None:
        """Queue a token and hand out what can be."""
        queue = self._queues[lane]
        queue.waiting.append(_Token(message_id, (headers or {}).get("traceparent")))
        queue.hand_out()

    async def publish_event(
        self, routing_key: str, message_id: UUID, headers: Mapping[str, str | int], body: bytes
    ) -> None:
        """Hand an event to the feeds that are bound to its shard."""
        shard = routing_key.partition(".")[0]
        for feed in tuple(self._feeds):
            if shard in feed.shards:
                feed.on_event(EventMessage(headers, body))

    async def consume(self, lane: str, on_delivery: OnDelivery, *, limit: int) -> Consumer:
        """Join a lane's consumers."""
        consumer = MemoryConsumer(self._queues[lane], on_delivery, limit)
        await consumer.resume()
        return consumer

    async def feed(self, on_event: OnEvent, on_reconnect: OnReconnect) -> EventFeed:
        """Open a feed; there is no connection that could break."""
        feed = MemoryFeed(on_event, self._feeds)
        self._feeds.add(feed)
        return feed

    async def depth(self, lane: str) -> int:
        """Count the tokens that wait."""
        return len(self._queues[lane].waiting)

    async def recreate(self, lane: str) -> None:
        """Empty a lane's queue."""
        self._queues[lane].waiting.clear()
