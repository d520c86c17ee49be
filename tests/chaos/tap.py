"""A tap on the broker: what was published of events, seen without a proxy."""

import time

from lingoloop_common.broker import EventMessage
from lingoloop_common.broker.rabbitmq import RabbitBroker
from lingoloop_common.contracts.events import shard


class Tap:
    """Remembers each event that came by; events leave no trace in a broker that is down."""

    def __init__(self, url: str) -> None:
        self._broker = RabbitBroker(url, startup_timeout=30)
        self.seen: set[tuple[str, int]] = set()
        """Events by run and number."""
        self.returns: list[float] = []
        """When the broker came back."""

    async def start(self, owners: tuple[str, ...]) -> None:
        """Begin to listen to the events of owners."""
        await self._broker.start()
        feed = await self._broker.feed(self._on_event, lambda: self.returns.append(time.time()))
        for number in {shard(owner) for owner in owners}:
            await feed.bind(number)

    async def stop(self) -> None:
        """Listen no more."""
        await self._broker.stop()

    def _on_event(self, message: EventMessage) -> None:
        headers = message.headers
        self.seen.add((str(headers["cloudEvents_subject"]), int(headers["cloudEvents_seq"])))
