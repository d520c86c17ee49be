"""What a subscriber is told before it is live: the whole state as it is now, or what it missed."""

from collections.abc import AsyncIterator, Callable, Iterator

import structlog

from lingoloop_common.contracts.events import DONE
from lingoloop_common.store.database import BROKEN
from lingoloop_notifier.broadcast import Broadcast
from lingoloop_notifier.frames import UNAVAILABLE, Form
from lingoloop_notifier.history import History, Opening, Stored

log = structlog.get_logger(__name__)

RETRY_MS = 2_000


class Stream:
    """One subscriber's way to the present.

    Args:
        past: the stream's history.
        recent: returns what memory has after a number, or None if that is not all.
        broadcast: the stream as it is live; subscribed to before the state is read.
        form: how the client wishes it.
    """

    def __init__(
        self,
        past: History,
        recent: Callable[[int], list[Stored] | None],
        broadcast: Broadcast,
        form: Form,
    ) -> None:
        self._past, self._recent, self._broadcast, self._form = past, recent, broadcast, form
        self.last = 0
        """The number up to which the subscriber was told all; when the last part was taken, it may join with it."""
        self.over = False

    async def begin(self, opening: Opening, last_id: int | None) -> AsyncIterator[bytes]:
        """Yield all that was missed after `last_id`, or a fresh first frame where that is not kept."""
        yield self._form.opening(RETRY_MS)
        try:
            page = await self._first_page(opening, last_id)
            if page is None or last_id is None:
                self.last = opening.covers
                yield self._form.frame(opening.data, opening.event, opening.covers)
                if opening.last_frame is not None:
                    yield self._form.frame(opening.last_frame, "done", opening.covers)
            else:
                self.last = last_id
                for part in self._tell(page):
                    yield part
                async for part in self._catch_up(opening.covers):
                    yield part
            self.over = self.over or opening.last_frame is not None
            async for part in self._catch_up():
                yield part
        except Exception as error:
            yield self._broken(error)

    async def resume(self, missed: list[Stored], last_id: int) -> AsyncIterator[bytes]:
        """Yield what was missed after `last_id`, as memory had it."""
        yield self._form.opening(RETRY_MS)
        try:
            self.last = last_id
            for part in self._tell(missed):
                yield part
            async for part in self._catch_up():
                yield part
        except Exception as error:
            yield self._broken(error)

    async def _first_page(self, opening: Opening, last_id: int | None) -> list[Stored] | None:
        if last_id is None or last_id > opening.covers:
            return None
        return (await self._past.after(last_id) or None) if last_id < opening.covers else []

    async def _catch_up(self, target: int = 0) -> AsyncIterator[bytes]:
        """Yield what came up to a number and meanwhile; end the stream where it is not kept any more."""
        while not self.over and self.last < max(target, self._broadcast.last):
            page = self._recent(self.last) or await self._past.after(self.last)
            for part in self._tell(page or []):
                yield part
            if not page:
                self.over = True

    def _tell(self, page: list[Stored]) -> Iterator[bytes]:
        """Yield a page's events up to the first that is not kept; what comes behind is looked for by its number."""
        for event in page:
            if not self.over and event.number == self.last + 1:
                self.last = event.number
                self.over = self._broadcast.is_run and event.type == DONE
                yield self._form.event(event.data, event.number, event.type)

    def _broken(self, error: Exception) -> bytes:
        log.warning("a stream broke", error=type(error).__name__, exc_info=not isinstance(error, BROKEN))
        self.over = True
        return self._form.error(UNAVAILABLE)
