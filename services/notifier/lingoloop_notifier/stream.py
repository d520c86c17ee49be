"""One stream, from its first frame to its last: history first, live after, one hand-over in between."""

import asyncio
import random
from collections.abc import AsyncIterator

from lingoloop_common.contracts import events
from lingoloop_common.contracts.events import StreamError
from lingoloop_notifier.frames import HEARTBEAT, frame, retry
from lingoloop_notifier.history import History, Opening, Stored
from lingoloop_notifier.hub import Subscriber
from lingoloop_notifier.sequence import Sequence

HEARTBEAT_SECONDS = 15.0
GAP_SECONDS = 0.05
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

    async def run(self, opening: Opening, last_id: int | None) -> AsyncIterator[bytes]:
        """Yield frames until the run is done, the token ends, or the service stops."""
        end = asyncio.get_running_loop().time() + self._lifetime
        yield retry(RETRY_MS)
        replay = await self._replay(opening, last_id)
        if replay is None:
            yield self._frame(opening.data, opening.covers, opening.event)
            if opening.last_frame is not None:
                yield self._frame(opening.last_frame, opening.covers, "done")
                return
        sequence: Sequence[Stored] = Sequence(
            opening.covers if replay is None or last_id is None else last_id
        )
        for event in replay or ():
            sequence.push(event.number, event)
            yield self._event_frame(event)
        if replay is not None and opening.last_frame is not None:
            return
        async for part in self._live(sequence, end):
            yield part

    async def _replay(self, opening: Opening, last_id: int | None) -> list[Stored] | None:
        """Return all that was missed after `last_id`, or None when only a fresh first frame will do."""
        if last_id is None or last_id > opening.covers:
            return None
        missed: list[Stored] = []
        at = last_id
        while at < opening.covers:
            page = await self._history.after(at)
            if not page:
                return None
            missed += page
            at = page[-1].number
        return missed

    async def _live(self, sequence: Sequence[Stored], end: float) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        ending = asyncio.create_task(self._subscriber.ending.wait())
        try:
            while True:
                pause = GAP_SECONDS if sequence.has_gap else HEARTBEAT_SECONDS
                events_in, reread = await self._next(ending, min(pause, end - loop.time()))
                if ending.done():
                    yield retry(random.randint(*GOODBYE_RETRY_MS))  # noqa: S311  (spreads reconnects)
                    return
                if loop.time() >= end:
                    yield self._error("token_expired", "the token has expired; connect again with a new one")
                    return
                if not events_in and not reread and not sequence.has_gap:
                    yield HEARTBEAT
                if reread or (not events_in and sequence.has_gap):
                    events_in = await self._history.after(sequence.last) or events_in
                for event in events_in:
                    for _, ready in sequence.push(event.number, event):
                        yield self._event_frame(ready)
                        if self._ends and ready.type == events.DONE:
                            return
        finally:
            ending.cancel()

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
        return [item for item in items if item is not None], None in items

    def _event_frame(self, event: Stored) -> bytes:
        return self._frame(event.data, event.number, "done" if event.type == events.DONE else "update")

    def _frame(self, data: bytes, number: int, event: str) -> bytes:
        return frame(data, event_id=number, event=event if self._named else None)

    def _error(self, code: str, message: str) -> bytes:
        data = events.encode(StreamError(code=code, message=message))
        return frame(data, event="error" if self._named else None)
