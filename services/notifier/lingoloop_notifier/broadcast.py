"""One stream as its subscribers share it: each event goes out in order and once, as the same bytes to all who are live."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import structlog

from lingoloop_common import metrics
from lingoloop_common.contracts.events import DONE, StreamError
from lingoloop_common.store.database import BROKEN
from lingoloop_notifier import history
from lingoloop_notifier.arrival import Key
from lingoloop_notifier.frames import UNAVAILABLE, Form
from lingoloop_notifier.history import History, Stored
from lingoloop_notifier.outlet import Outlet
from lingoloop_notifier.sequence import Sequence

log = structlog.get_logger(__name__)

GAP_SECONDS = 0.05
DATABASE_PAUSE = 1.0
"""Seconds between two tries to read what was missed, while the database is away."""
PIECE = 2**16
"""Bytes of events that are written together at most, or one event."""
REMEMBERED = 10_000
"""Runs of which a stream knows what it told last: as many as are looked at."""
UNKNOWN = (None, None)


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


class Broadcast:
    """A stream while somebody listens to it. Who joins has been told all up to `last`, and is live from there on."""

    def __init__(self, key: Key, past: History) -> None:
        self._past, self.is_run = past, key[1] is not None
        self.key, self.subscribers = key, 0
        self._live: defaultdict[Form, set[Outlet]] = defaultdict(set)
        self._ahead: dict[Outlet, int] = {}
        """Those whose first frame covers events that have not come yet, up to this one; they join with it."""
        self._sequence: Sequence[Stored] = Sequence(0)
        self._due: list[Stored] = []
        """Events whose turn has come; they are written together."""
        self._due_bytes = 0
        self._gap: asyncio.TimerHandle | None = None
        self._reading: asyncio.Task[None] | None = None
        self._missed = False
        """Whether to read once more when what is being read has come."""
        self._told: dict[str, tuple[tuple[int | None, int | None], int]] = {}
        """Seconds left and place of each run, as told last, and `_joined` then."""
        self._joined = 0
        self.undisturbed = True
        """Whether nothing was read since forecasts were asked for."""

    @property
    def scope(self) -> str:
        """What it tells of."""
        return "run" if self.is_run else "owner"

    @property
    def last(self) -> int:
        """The number of the last event whose turn has come; while nobody is live, the highest that came."""
        return self._sequence.last

    def join(self, outlet: Outlet, position: int) -> None:
        """Take on a subscriber that was told all up to `position`, which is `last` or beyond."""
        self.flush()
        if position > self.last and self._has_outlets:
            self._ahead[outlet] = position
            self._sequence.expect(position)
        else:
            self._sequence.skip_to(position)
            self._add(outlet)
        if self._missed:
            self._read()
        self._mind_the_gap()

    def leave(self, outlet: Outlet) -> None:
        """Forget a subscriber."""
        if outlet.form in self._live:
            self._live[outlet.form].discard(outlet)
        self._ahead.pop(outlet, None)

    def on_event(self, event: Stored) -> bool:
        """Take an event, to be written when its turn has come; return whether `flush` must be called for the first one."""
        if not self._has_outlets:
            self._sequence.skip_to(event.number)
            return False
        clean = not self._due
        self._push(event)
        if self._gap or self._sequence.has_gap:
            self._mind_the_gap()
        return clean and bool(self._due)

    def flush(self) -> None:
        """Write what is due: the same bytes to all, each in its form, as one piece."""
        due, self._due, self._due_bytes = self._due, [], 0
        for form, outlets in self._live.items():
            if due and outlets:
                data = b"".join([form.sent(form.event(one.data, one.number, one.type)) for one in due])
                for outlet in tuple(outlets):
                    outlet.write(data)
        if due:
            now = time.time()
            for one in due:
                if one.at is not None:  # by another clock: never less than nothing
                    metrics.EVENT_LATENCY.observe(max(0.0, now - one.at))
                if one.step is not None:
                    one.step.end()

    def on_gap(self) -> None:
        """Read what comes after the last event: some may have been missed."""
        self._missed = True
        if self._has_outlets:
            self._read()

    def on_forecast(self, forecast: Forecast) -> None:
        """Write a forecast that is new to somebody, if it is neither ahead of the events told so far nor behind.

        While events are missing, and when they have just been read, that is not known; the next look is soon. Who has not
        taken yet what was written before is left to the next look, too.
        """
        fits = forecast.seq == self.last if self.is_run else forecast.owner_seq <= self.last
        if not fits or not self.undisturbed or self._sequence.has_gap or self._reading:
            return
        values = (forecast.seconds_left, forecast.place)
        told, joined = self._told.get(forecast.run_id, (UNKNOWN, 0))
        if values == told and (joined == self._joined or values == UNKNOWN):
            return
        if forecast.run_id not in self._told and len(self._told) >= REMEMBERED:
            del self._told[next(iter(self._told))]
        self._told[forecast.run_id] = values, self._joined
        self.flush()
        for form, outlets in self._live.items():
            data = form.sent(form.frame(forecast.data, "update"))
            for outlet in tuple(outlets):
                if outlet.has_unread:
                    self._told[forecast.run_id] = values, -1
                else:
                    outlet.write(data)

    def close(self) -> None:
        """Be forgotten: the last subscriber has gone."""
        self._rest()
        if self._reading:
            self._reading.cancel()

    @property
    def _outlets(self) -> list[Outlet]:
        return [*self._ahead, *(outlet for outlets in self._live.values() for outlet in outlets)]

    @property
    def _has_outlets(self) -> bool:
        return bool(self._ahead) or any(self._live.values())

    def _add(self, outlet: Outlet) -> None:
        self._live[outlet.form].add(outlet)
        self._joined += 1

    def _push(self, event: Stored) -> None:
        for number, ready in self._sequence.push(event.number, event):
            self._due.append(ready)
            self._due_bytes += len(ready.data)
            if self._due_bytes > PIECE:
                self.flush()
            if self.is_run and ready.type == DONE:
                self._end(outlet for outlets in self._live.values() for outlet in outlets)
            if self._ahead:
                for outlet in [outlet for outlet, position in self._ahead.items() if position == number]:
                    self.flush()
                    del self._ahead[outlet]
                    self._add(outlet)

    def _end(self, outlets: Iterable[Outlet], problem: StreamError | None = None) -> None:
        self.flush()
        for outlet in tuple(outlets):
            self.leave(outlet)
            outlet.end(outlet.form.error(problem) if problem else b"")

    def _mind_the_gap(self) -> None:
        """Read what is missing in a moment, if it has not come by then."""
        if not self._sequence.has_gap:
            self._rest()
        elif self._gap is None and self._reading is None:
            self._gap = asyncio.get_running_loop().call_later(GAP_SECONDS, self._read)

    def _rest(self) -> None:
        if self._gap:
            self._gap.cancel()
            self._gap = None

    def _read(self) -> None:
        self._rest()
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_on(), name="read what was missed")

    async def _read_on(self) -> None:
        """Write what is stored after the last event; end the stream where that is not kept any more.

        Clients that come again with their last id then get a fresh first frame.
        """
        try:
            while self._has_outlets and (self._missed or self._sequence.has_gap):
                self._missed, known = False, self._sequence.highest
                try:
                    page = await self._past.after(self.last)
                except BROKEN as error:
                    log.warning("database is away; will try again", error=type(error).__name__)
                    self._missed = True
                    await asyncio.sleep(DATABASE_PAUSE)
                    continue
                self.undisturbed = False
                for event in page or ():
                    self._push(event)
                self.flush()
                if page is not None and len(page) == history.PAGE:
                    self._missed = True
                elif page is None or self.last < known:
                    self._end(self._outlets)
        except Exception as error:
            log.warning("a stream broke", error=type(error).__name__, exc_info=True)
            self._end(self._outlets, UNAVAILABLE)
        finally:
            self._reading = None
