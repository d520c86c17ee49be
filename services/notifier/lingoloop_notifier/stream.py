"""One stream, from its first frame to its last: history first, live after, one hand-over in between."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator

import structlog

from lingoloop_common.contracts import events
from lingoloop_common.contracts.events import StreamError
from lingoloop_common.store.database import BROKEN
from lingoloop_notifier import history
from lingoloop_notifier.frames import HEARTBEAT, frame, retry
from lingoloop_notifier.history import History, Opening, Stored
from lingoloop_notifier.hub import Missed, Subscriber
from lingoloop_notifier.sequence import Sequence

log = structlog.get_logger(__name__)

HEARTBEAT_SECONDS = 15.0
GAP_SECONDS = 0.05
REMEMBERED = 1_000
"""Runs of which a stream knows what it told last."""
DATABASE_PAUSE = 1.0
"""Seconds between two tries to read what was missed, while the database is away."""
RETRY_MS = 2_000
GOODBYE_RETRY_MS = (1_000, 15_000)
"""At a shutdown each client is told another pause, so that they do not all come back at once."""


class Stream:
    """Yields the bytes of one subscriber's stream.

    Args:
        history: its past.
        subscriber: its live events; subscribed before the history is read.
        named: write `event:` lines too.
        lifetime: seconds until the caller's token ends.
        ends: whether the stream ends with a `done` (a run's does, an owner's does not).
    """

    def __init__(
        self, history: History, subscriber: Subscriber, *, named: bool, lifetime: float, ends: bool
    ) -> None:
        self._history, self._subscriber = history, subscriber
        self._named, self._lifetime, self._ends = named, lifetime, ends
        self._sequence: Sequence[Stored] = Sequence(0)
        self._forecast: dict[str, tuple[int | None, int | None]] = {}
        """Seconds left and place of each run, as told last."""
        self._over = False

    async def run(self, opening: Opening, last_id: int | None) -> AsyncIterator[bytes]:
        """Yield frames until the run is done, the token ends, or the service stops."""
        end = asyncio.get_running_loop().time() + self._lifetime
        yield retry(RETRY_MS)
        try:
            async for part in self._begin(opening, last_id):
                yield part
            if not self._over:
                async for part in self._live(end):
                    yield part
        except Exception as error:
            log.warning("a stream broke", error=type(error).__name__, exc_info=not isinstance(error, BROKEN))
            yield self._error("unavailable", "events cannot be read right now; connect again")

    async def _begin(self, opening: Opening, last_id: int | None) -> AsyncIterator[bytes]:
        """Yield all that was missed after `last_id`, or a fresh first frame where that is not kept."""
        page = await self._first_page(opening, last_id)
        if page is None or last_id is None:
            self._sequence = Sequence(opening.covers)
            yield self._frame(opening.data, opening.covers, opening.event)
            if opening.last_frame is not None:
                yield self._frame(opening.last_frame, opening.covers, "done")
        else:
            self._sequence = Sequence(last_id)
            for part in self._push(page):
                yield part
            if self._sequence.last < opening.covers:
                async for part in self._catch_up():
                    yield part
        self._over = self._over or opening.last_frame is not None

    async def _first_page(self, opening: Opening, last_id: int | None) -> list[Stored] | None:
        if last_id is None or last_id > opening.covers:
            return None
        return (await self._history.after(last_id) or None) if last_id < opening.covers else []

    async def _live(self, end: float) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        ending = asyncio.create_task(self._subscriber.ending.wait())
        behind, due = False, None  # whether events may have been missed; when to read what is missing
        spoke = loop.time()  # news that turn out to be none do not count
        try:
            while not self._over:
                until = min(end, spoke + HEARTBEAT_SECONDS, end if due is None else due)
                arrived, missed = await self._next(ending, until - loop.time())
                now = loop.time()
                if ending.done():
                    yield retry(random.randint(*GOODBYE_RETRY_MS))  # noqa: S311  (spreads reconnects)
                    return
                if now >= end:
                    yield self._error(
                        "token_expired",
                        "this sign-in has lasted its time; connect again, with a new token if yours has expired",
                    )
                    return
                for part in self._push(arrived):
                    spoke = now
                    yield part
                if missed:
                    behind, due = True, now
                elif not behind:
                    due = (due or now + GAP_SECONDS) if self._sequence.has_gap else None
                current = due is None
                if due is not None and now >= due:
                    try:
                        async for part in self._catch_up():
                            spoke = now
                            yield part
                        behind, due = False, None
                    except BROKEN as error:
                        log.warning("database is away; will try again", error=type(error).__name__)
                        due = now + DATABASE_PAUSE
                elif now >= spoke + HEARTBEAT_SECONDS:
                    spoke = now
                    yield HEARTBEAT
                for part in self._interject(current=current):
                    spoke = now
                    yield part
        finally:
            ending.cancel()

    async def _catch_up(self) -> AsyncIterator[bytes]:
        """Yield what is stored after the last id; end the stream where that is not kept any more.

        A client that comes again with its last id then gets a fresh first frame.
        """
        while not self._over:
            page = await self._history.after(self._sequence.last)
            for part in self._push(page or []):
                yield part
            if page is None or len(page) < history.PAGE:
                if page is None or self._sequence.has_gap:
                    self._over = True
                return

    def _push(self, arrived: list[Stored]) -> Iterator[bytes]:
        """Yield the frames that may go out now; nothing goes out after a `done` that ends the stream."""
        for event in arrived:
            for _, ready in self._sequence.push(event.number, event):
                if self._over:
                    return
                self._over = self._ends and ready.type == events.DONE
                yield self._event_frame(ready)

    def _interject(self, *, current: bool) -> Iterator[bytes]:
        """Yield the forecasts that wait, as far as they are new: neither ahead of the events told so far, nor behind.

        While events are missing, and when they have just been read, that is not known; the next look is soon.
        """
        for forecast in self._subscriber.take_forecasts():
            last = self._sequence.last
            fits = forecast.seq == last if self._ends else forecast.owner_seq <= last
            values = (forecast.seconds_left, forecast.place)
            known = self._forecast.get(forecast.run_id, (None, None))
            if current and not self._over and fits and values != known:
                if len(self._forecast) >= REMEMBERED:
                    self._forecast.clear()
                self._forecast[forecast.run_id] = values
                yield frame(forecast.data, event="update" if self._named else None)

    async def _next(self, ending: "asyncio.Task[bool]", pause: float) -> tuple[list[Stored], bool]:
        """Wait for events; return those that are there, and whether some may have been missed."""
        queue = self._subscriber.events
        getting = asyncio.create_task(queue.get())
        try:
            await asyncio.wait({getting, ending}, timeout=max(0, pause), return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not getting.done():
                getting.cancel()
        if not getting.done() or getting.cancelled():
            return [], False
        items = [getting.result()]
        while not queue.empty():
            items.append(queue.get_nowait())
        missed = any(isinstance(item, Missed) for item in items)
        return [item for item in items if isinstance(item, Stored)], missed

    def _event_frame(self, event: Stored) -> bytes:
        return self._frame(event.data, event.number, "done" if event.type == events.DONE else "update")

    def _frame(self, data: bytes, number: int, event: str) -> bytes:
        return frame(data, event_id=number, event=event if self._named else None)

    def _error(self, code: str, message: str) -> bytes:
        data = events.encode(StreamError(code=code, message=message))
        return frame(data, event="error" if self._named else None)
