"""A process's events: only the shards of owners that somebody here waits for are bound."""

import asyncio
import contextlib
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable

import structlog

from lingoloop_common.broker import Broker, BrokerError, EventFeed, OnEvent, OnReconnect
from lingoloop_common.contracts.events import shard

log = structlog.get_logger(__name__)


class Feed:
    """The process's event queue as a part.

    `on_event` must not block; `on_reconnect` tells of a possible gap, and `on_bind` that there was one in a shard's events.
    """

    def __init__(
        self,
        broker: Broker,
        on_event: OnEvent,
        on_reconnect: OnReconnect,
        on_bind: Callable[[int], None] = lambda shard: None,
    ) -> None:
        self._broker, self._on_event, self._on_reconnect = broker, on_event, on_reconnect
        self._on_bind = on_bind
        self._held: Counter[int] = Counter()
        self._bound: set[int] = set()
        self._locks: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._settling: set[asyncio.Task[None]] = set()
        self._feed: EventFeed | None = None

    async def start(self) -> None:
        """Open the queue, bound to nothing."""
        self._feed = await self._broker.feed(self._on_event, self._on_reconnect)

    async def stop(self) -> None:
        """Drop the queue."""
        await asyncio.gather(*self._settling)
        if self._feed:
            await self._feed.close()

    @contextlib.asynccontextmanager
    async def hold(self, owner: str) -> AsyncIterator[None]:
        """Receive an owner's events for as long as the context lasts; they arrive from its first line on."""
        await self.take(owner)
        try:
            yield
        finally:
            self.drop(owner)

    async def take(self, owner: str) -> None:
        """Receive an owner's events until `drop` was called as often as this; they arrive once this returns.

        While the broker is away nothing arrives, but the binding is made when it is back, and `on_reconnect` called.
        """
        number = shard(owner)
        self._held[number] += 1
        try:
            await self._settle(number)
        except BaseException:
            self.drop(owner)
            raise

    def drop(self, owner: str) -> None:
        """Need an owner's events no more."""
        number = shard(owner)
        self._held[number] -= 1
        if not self._held[number]:
            task = asyncio.create_task(self._settle(number), name=f"unbind {number}")
            self._settling.add(task)
            task.add_done_callback(self._settling.discard)

    async def _settle(self, number: int) -> None:
        """Bind or unbind a shard, as its holders need it now; a client that goes meanwhile leaves the rest to the next."""
        assert self._feed is not None  # started before anyone can ask
        async with self._locks[number]:
            if self._held[number] == 0:
                self._bound.discard(number)
                await self._feed.unbind(number)
            elif number not in self._bound:
                try:
                    await self._feed.bind(number)
                except BrokerError as error:  # the feed makes the binding when the broker is back
                    log.warning("events come later", error=str(error))
                # Not before: events of the binding before this one may still have been coming.
                self._on_bind(number)
                self._bound.add(number)
