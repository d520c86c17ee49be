"""Moves work tokens and events. Two transports, one behaviour: RabbitMQ for a fleet, memory for one process."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

WORK = "lingoloop.work"
EVENTS = "lingoloop.events"
"""The exchanges."""


class BrokerError(Exception):
    """The broker is away, blocks publishing, or did not confirm; the message may have to be sent again."""


class Delivery(Protocol):
    """One delivery of a work token.

    Settle it once. Settling after a broken connection does nothing: the broker delivers the token again by itself.
    """

    @property
    def message_id(self) -> UUID:
        """The token's id; the same for each delivery of it."""

    @property
    def redelivered(self) -> bool:
        """Whether it may have been delivered before."""

    @property
    def traceparent(self) -> str | None:
        """The trace's context in which its unit became ready, if the token carries one."""

    async def ack(self) -> None:
        """The token has done its work."""

    async def reject(self) -> None:
        """Put the token back into its queue."""


@dataclass(frozen=True, slots=True)
class EventMessage:
    """An event as it arrives: CloudEvents attributes and the frame's JSON."""

    headers: Mapping[str, str | int]
    body: bytes


OnDelivery = Callable[[Delivery], None]
OnEvent = Callable[[EventMessage], None]
OnReconnect = Callable[[], None]


class Consumer(Protocol):
    """A worker's place at a queue."""

    async def cancel(self) -> None:
        """Take no more; deliveries already handed out stay with their holder."""

    async def resume(self) -> None:
        """Take work again."""


class EventFeed(Protocol):
    """A process's own queue of events, bound to the shards its subscribers need."""

    async def bind(self, shard: int) -> None:
        """Receive a shard's events from now on."""

    async def unbind(self, shard: int) -> None:
        """Receive a shard's events no more."""

    async def close(self) -> None:
        """Drop the queue."""


class Broker(Protocol):
    """The transport behind work and events."""

    in_process: bool
    """Whether the queue lives and dies with this process."""

    system: str
    """What traces call it."""

    async def start(self) -> None:
        """Connect, waiting up to the start-up time-out; raise TimeoutError after it."""

    async def stop(self) -> None:
        """Disconnect; tokens that were not settled go back to their queues."""

    async def check(self) -> None:
        """Raise BrokerError when publishing is not possible now."""

    async def publish_token(
        self, lane: str, message_id: UUID, headers: Mapping[str, str] | None = None
    ) -> None:
        """Put a token into a lane's queue and wait for the confirm; raise BrokerError without one."""

    async def publish_event(
        self, routing_key: str, message_id: UUID, headers: Mapping[str, str | int], body: bytes
    ) -> None:
        """Send an event to whoever is bound to its shard; nobody is a normal case."""

    async def consume(self, lane: str, on_delivery: OnDelivery, *, limit: int) -> Consumer:
        """Hand out a lane's tokens, at most `limit` unsettled ones at a time."""

    async def feed(self, on_event: OnEvent, on_reconnect: OnReconnect) -> EventFeed:
        """Open an event queue; `on_reconnect` is called after a gap in which events may have been missed."""

    async def depth(self, lane: str) -> int:
        """Return how many tokens wait in a lane's queue; raise BrokerError when it does not answer."""

    async def recreate(self, lane: str) -> None:
        """Delete a lane's queue and declare it again; the sweep fills it."""


def queue_name(lane: str) -> str:
    """Return the name of a lane's queue."""
    return f"work.{lane}"
