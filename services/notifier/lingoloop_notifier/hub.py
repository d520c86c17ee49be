"""The hub: events in from the broker, out to the streams of their run and of their owner."""

import asyncio
import contextlib
import random
from uuid import UUID

from lingoloop_common import metrics, tracing
from lingoloop_common.broker import EVENTS, EventMessage
from lingoloop_common.contracts.events import DONE, UPDATED
from lingoloop_common.tracing import Kind, Span, read_traceparent
from lingoloop_notifier.arrival import Event, Key, happened, read
from lingoloop_notifier.broadcast import Broadcast, Forecast
from lingoloop_notifier.frames import EXPIRED, retry
from lingoloop_notifier.history import History, Stored
from lingoloop_notifier.outlet import Outlet
from lingoloop_notifier.ring import Ring

KNOWN = (UPDATED, DONE)
"""The types of events that are told."""

GOODBYE_RETRY_MS = (1_000, 15_000)
"""At a shutdown each client is told another pause, so that they do not all come back at once."""

GOODBYE_SECONDS = 2.0
"""In which a client can take what waits for it at a shutdown."""


class Hub:
    """Knows who listens to what."""

    def __init__(self) -> None:
        self.ring = Ring()
        self._broadcasts: dict[Key, Broadcast] = {}
        self._outlets: set[Outlet] = set()
        self._all_gone = asyncio.Event()
        self._overtaken: set[str] = set()
        """Runs of which an event came since `watched` was asked last."""
        self._due: list[Broadcast] = []
        """Streams that have something to write, when all that came at once has been looked at."""
        self._ending = False
        for scope in ("run", "owner"):
            metrics.SUBSCRIBERS.labels(scope)  # told with 0, too

    def subscribe(self, key: Key, past: History) -> Broadcast:
        """Follow a stream from now on; before its state is read, so that nothing comes unseen."""
        broadcast = self._broadcasts.get(key)
        if broadcast is None:
            broadcast = self._broadcasts[key] = Broadcast(key, past)
        broadcast.subscribers += 1
        metrics.SUBSCRIBERS.labels(broadcast.scope).inc()
        return broadcast

    def unsubscribe(self, broadcast: Broadcast) -> None:
        """Follow it no more."""
        metrics.SUBSCRIBERS.labels(broadcast.scope).dec()
        broadcast.subscribers -= 1
        if not broadcast.subscribers:
            del self._broadcasts[broadcast.key]
            broadcast.close()

    def join(self, broadcast: Broadcast, outlet: Outlet, position: int) -> None:
        """Let a subscriber that has been told all up to `position` go on live."""
        self._outlets.add(outlet)
        broadcast.join(outlet, position)
        if self._ending:
            self._say_goodbye(outlet)

    def leave(self, broadcast: Broadcast, outlet: Outlet) -> None:
        """Forget a subscriber whose connection is gone."""
        self._outlets.discard(outlet)
        if not self._outlets:
            self._all_gone.set()
        broadcast.leave(outlet)
        self.unsubscribe(broadcast)

    def on_event(self, message: EventMessage) -> None:
        """Hand an event to those who follow its run or its owner; keep it for those who come again soon.

        A type that a later version sends beside those that are known here tells nothing else.
        """
        event = read(message)
        if event.type not in KNOWN:
            return
        self.ring.add(event)
        for key, number in event.places:
            if broadcast := self._broadcasts.get(key):
                self._overtaken.add(event.run_id)
                step = _step(message, event, broadcast) if tracing.is_on() else None
                stored = Stored(number, event.type, event.data, happened(message), step)
                if broadcast.on_event(stored):
                    if not self._due:
                        asyncio.get_running_loop().call_soon(self._flush)
                    self._due.append(broadcast)

    def watched(self) -> tuple[list[UUID], list[str]]:
        """Return the runs and the owners that somebody follows."""
        self._overtaken.clear()
        for broadcast in self._broadcasts.values():
            broadcast.undisturbed = True
        runs = [UUID(run_id) for _, run_id in self._broadcasts if run_id]
        return runs, [owner for owner, run_id in self._broadcasts if not run_id]

    def on_forecast(self, forecast: Forecast) -> None:
        """Hand on how a run was when `watched` was asked, unless an event has overtaken that."""
        if forecast.run_id in self._overtaken:
            return
        keys: tuple[Key, Key] = (forecast.owner, forecast.run_id), (forecast.owner, None)
        for key in keys:
            if broadcast := self._broadcasts.get(key):
                broadcast.on_forecast(forecast)

    def on_reconnect(self) -> None:
        """Events may have been missed: every stream reads again after its last number."""
        self.ring.clear()
        for broadcast in tuple(self._broadcasts.values()):
            broadcast.on_gap()

    def beat(self, now: float) -> None:
        """Keep quiet streams alive, and end those whose token has ended; `now` is the loop's time."""
        for outlet in tuple(self._outlets):
            if now >= outlet.ends_at:
                outlet.end(outlet.form.error(EXPIRED))
            outlet.beat(now)

    def end(self) -> None:
        """Let every stream say goodbye, also those that have only begun."""
        self._ending = True
        self._flush()
        for outlet in tuple(self._outlets):
            self._say_goodbye(outlet)

    async def cut(self) -> None:
        """Cut those that do not take what was left to say, in a moment."""
        if self._outlets:
            self._all_gone.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._all_gone.wait(), GOODBYE_SECONDS)
        for outlet in tuple(self._outlets):
            outlet.abort()

    def _flush(self) -> None:
        due, self._due = self._due, []
        for broadcast in due:
            broadcast.flush()

    @staticmethod
    def _say_goodbye(outlet: Outlet) -> None:
        outlet.end(retry(random.randint(*GOODBYE_RETRY_MS)))  # noqa: S311  (spreads reconnects)


def _step(message: EventMessage, event: Event, broadcast: Broadcast) -> Span | None:
    """Begin the step of an event's trace that ends when its frame is written; None for one that belongs to none."""
    parent = read_traceparent(str(message.headers.get("traceparent", "")))
    if parent is None:
        return None
    about: dict[str, str | int] = {
        "lingoloop.run_id": event.run_id,
        "lingoloop.seq": event.seq,
        "lingoloop.event": event.type,
    }
    about |= {"messaging.destination.name": EVENTS, "lingoloop.scope": broadcast.scope}
    return tracing.new_span("write frame", kind=Kind.CONSUMER, parent=parent, attributes=about)
