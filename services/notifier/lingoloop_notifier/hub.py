"""The hub: events in from the broker, out to the subscribers of their run and of their owner."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import Literal

import structlog

from lingoloop_common import metrics
from lingoloop_common.broker import EventMessage
from lingoloop_notifier.history import Stored

log = structlog.get_logger(__name__)

Scope = Literal["run", "owner"]

BUFFER = 1_000
"""Events that may wait for one subscriber."""


class Subscriber:
    """One open stream: a bounded buffer of events, and how to cut it off when it does not read."""

    def __init__(self, cut: Callable[[], None]) -> None:
        self._cut = cut
        self.events: asyncio.Queue[Stored | None] = asyncio.Queue(BUFFER)
        self.ending = asyncio.Event()
        """Set when the service stops."""

    def put(self, event: Stored | None) -> None:
        """Buffer an event, or None: events may have been missed. A full buffer cuts the stream off."""
        try:
            self.events.put_nowait(event)
        except asyncio.QueueFull:
            log.info("cut off a subscriber that does not read")
            self._cut()


class Hub:
    """Knows who listens to what."""

    def __init__(self) -> None:
        self._subscribers: defaultdict[tuple[Scope, str], set[Subscriber]] = defaultdict(set)

    def subscribe(self, scope: Scope, key: str, subscriber: Subscriber) -> Callable[[], None]:
        """Listen to a run (by id) or an owner (by name); call what is returned to stop."""
        listeners = self._subscribers[scope, key]
        listeners.add(subscriber)
        metrics.SUBSCRIBERS.labels(scope).inc()

        def unsubscribe() -> None:
            listeners.discard(subscriber)
            metrics.SUBSCRIBERS.labels(scope).dec()
            if not listeners and self._subscribers.get((scope, key)) is listeners:
                del self._subscribers[scope, key]

        return unsubscribe

    def on_event(self, message: EventMessage) -> None:
        """Hand an event to its subscribers; the JSON is the same bytes for all of them."""
        headers = message.headers
        kind = str(headers["cloudEvents_type"])
        for scope, key, number in (
            ("run", "cloudEvents_subject", "cloudEvents_seq"),
            ("owner", "cloudEvents_owner", "cloudEvents_ownerseq"),
        ):
            if listeners := self._subscribers.get((scope, str(headers[key]))):  # type: ignore[arg-type]
                event = Stored(int(headers[number]), kind, message.body)
                for subscriber in tuple(listeners):
                    subscriber.put(event)

    def on_reconnect(self) -> None:
        """Events may have been missed: every stream reads again after its last id."""
        for listeners in self._subscribers.values():
            for subscriber in tuple(listeners):
                subscriber.put(None)

    def end(self) -> None:
        """Let every stream say goodbye."""
        for listeners in self._subscribers.values():
            for subscriber in listeners:
                subscriber.ending.set()
