"""A tap on the broker: what was published of events, seen without a proxy."""

import math
import time

from lingoloop_common.broker import EventMessage
from lingoloop_common.broker.rabbitmq import RabbitBroker
from lingoloop_common.contracts.events import shard

LAG = 2.0
"""Seconds in which what was sent is surely heard."""


class Tap:
    """Remembers each event that came by; events leave no trace in a broker that is down."""

    def __init__(self, url: str) -> None:
        self._broker = RabbitBroker(url, startup_timeout=30)
        self.seen: set[tuple[str, int]] = set()
        """Events by run and number."""
        self._returns: list[float] = []
        self._losses: list[tuple[float, float]] = []

    async def start(self, owners: tuple[str, ...]) -> None:
        """Begin to listen to the events of owners."""
        await self._broker.start()
        feed = await self._broker.feed(self._on_event, lambda: self._returns.append(time.time()))
        for number in {shard(owner) for owner in owners}:
            await feed.bind(number)

    async def stop(self) -> None:
        """Listen no more."""
        await self._broker.stop()

    def loses(self, oldest: float) -> None:
        """Say that the broker is about to go; the oldest event that is not yet sent was written then."""
        self._losses.append((oldest - LAG, time.time()))

    def away(self) -> list[tuple[float, float]]:
        """Return the times from which an event may have come to the broker unseen: before it was heard again."""
        ends = [at for _, at in self._losses[1:]] + [math.inf]
        return [
            (begin, max((back for back in self._returns if at < back < end), default=math.inf))
            for (begin, at), end in zip(self._losses, ends, strict=False)
        ]

    def _on_event(self, message: EventMessage) -> None:
        headers = message.headers
        self.seen.add((str(headers["cloudEvents_subject"]), int(headers["cloudEvents_seq"])))
