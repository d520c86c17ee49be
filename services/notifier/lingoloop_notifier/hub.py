"""The hub: events in from the broker, out to the subscribers of their run and of their owner."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
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
    """Stands in a subscriber's buffer for forecasts that wait beside it."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What no event tells of a run: its frame as JSON, true after the event with these numbers, and what is new in it."""

    run_id: str
    owner: str
    seq: int
    owner_seq: int
    seconds_left: int | None
    place: int | None
    data: bytes


class Subscriber:
    """One open stream: a bounded buffer of events, and how to cut it off when it does not read."""

    def __init__(self, cut: Callable[[], None]) -> None:
        self._cut = cut
        self.events: asyncio.Queue[Stored | Missed | News] = asyncio.Queue(BUFFER)
        self._forecasts: dict[str, Forecast] = {}
        self.ending = asyncio.Event()
        """Set when the service stops."""

    def put(self, event: Stored | Missed) -> None:
        """Buffer an event. A full buffer cuts the stream off."""
        try:
            self.events.put_nowait(event)
        except asyncio.QueueFull:
            log.info("cut off a subscriber that does not read")
            self._cut()

    def put_forecast(self, forecast: Forecast) -> None:
        """Keep a run's latest forecast until it is read; what was not read yet is replaced."""
        if not self._forecasts and not self.events.full():
            self.events.put_nowait(News())
        self._forecasts[forecast.run_id] = forecast

    def drop_forecast(self, run_id: str) -> None:
        """Forget a forecast that an event has overtaken."""
        self._forecasts.pop(run_id, None)

    def take_forecasts(self) -> list[Forecast]:
        """Return what is kept, and keep it no more."""
        taken = list(self._forecasts.values())
        self._forecasts.clear()
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
                    subscriber.drop_forecast(run_id)
                    subscriber.put(event)

    def watched(self) -> tuple[list[UUID], list[str]]:
        """Return the runs and the owners that somebody listens to."""
        self._overtaken.clear()
        runs = [UUID(key) for scope, key in self._subscribers if scope == "run"]
        return runs, [key for scope, key in self._subscribers if scope == "owner"]

    def on_forecast(self, forecast: Forecast) -> None:
        """Hand on how a run was when `watched` was asked, unless an event has overtaken that."""
        if forecast.run_id in self._overtaken:
            return
        keys: tuple[tuple[Scope, str], ...] = (("run", forecast.run_id), ("owner", forecast.owner))
        for key in keys:
            for subscriber in self._subscribers.get(key, ()):
                subscriber.put_forecast(forecast)

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
