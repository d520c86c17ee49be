"""The hub: events in from the broker, out to the subscribers of their run and of their owner."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import Literal
from uuid import UUID

import structlog

from lingoloop_common import metrics
from lingoloop_common.broker import EventMessage
from lingoloop_notifier.history import Stored

log = structlog.get_logger(__name__)

Scope = Literal["run", "owner"]

BUFFER = 1_000
"""Events that may wait for one subscriber."""


class Missed:
    """Stands in a subscriber's buffer for events that may have been missed."""


class News:
    """Stands in a subscriber's buffer for progress that waits beside it."""


class Subscriber:
    """One open stream: a bounded buffer of events, and how to cut it off when it does not read."""

    def __init__(self, cut: Callable[[], None]) -> None:
        self._cut = cut
        self.events: asyncio.Queue[Stored | Missed | News] = asyncio.Queue(BUFFER)
        self._progress: dict[str, bytes] = {}
        self.ending = asyncio.Event()
        """Set when the service stops."""

    def put(self, event: Stored | Missed) -> None:
        """Buffer an event. A full buffer cuts the stream off."""
        try:
            self.events.put_nowait(event)
        except asyncio.QueueFull:
            log.info("cut off a subscriber that does not read")
            self._cut()

    def put_progress(self, run_id: str, data: bytes) -> None:
        """Keep a run's latest progress until it is read; what was not read yet is replaced."""
        if not self._progress and not self.events.full():
            self.events.put_nowait(News())
        self._progress[run_id] = data

    def drop_progress(self, run_id: str) -> None:
        """Forget progress that an event has overtaken."""
        self._progress.pop(run_id, None)

    def take_progress(self) -> list[bytes]:
        """Return what is kept, and keep it no more."""
        taken = list(self._progress.values())
        self._progress.clear()
        return taken


class Hub:
    """Knows who listens to what."""

    def __init__(self) -> None:
        self._subscribers: defaultdict[tuple[Scope, str], set[Subscriber]] = defaultdict(set)
        self._overtaken: set[str] = set()
        """Runs of which an event came since `watched` was asked last."""

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
        kind, run_id = str(headers["cloudEvents_type"]), str(headers["cloudEvents_subject"])
        for scope, key, number in (
            ("run", "cloudEvents_subject", "cloudEvents_seq"),
            ("owner", "cloudEvents_owner", "cloudEvents_ownerseq"),
        ):
            if listeners := self._subscribers.get((scope, str(headers[key]))):  # type: ignore[arg-type]
                event = Stored(int(headers[number]), kind, message.body)
                self._overtaken.add(run_id)
                for subscriber in tuple(listeners):
                    subscriber.drop_progress(run_id)
                    subscriber.put(event)

    def watched(self) -> tuple[list[UUID], list[str]]:
        """Return the runs and the owners that somebody listens to."""
        self._overtaken.clear()
        runs = [UUID(key) for scope, key in self._subscribers if scope == "run"]
        return runs, [key for scope, key in self._subscribers if scope == "owner"]

    def on_progress(self, run_id: str, owner: str, data: bytes) -> None:
        """Hand on a run's progress, as it was when `watched` was asked, unless an event has overtaken it."""
        if run_id in self._overtaken:
            return
        keys: tuple[tuple[Scope, str], ...] = (("run", run_id), ("owner", owner))
        for key in keys:
            for subscriber in self._subscribers.get(key, ()):
                subscriber.put_progress(run_id, data)

    def on_reconnect(self) -> None:
        """Events may have been missed: every stream reads again after its last id."""
        for listeners in self._subscribers.values():
            for subscriber in tuple(listeners):
                subscriber.put(Missed())

    def end(self) -> None:
        """Let every stream say goodbye."""
        for listeners in self._subscribers.values():
            for subscriber in listeners:
                subscriber.ending.set()
