"""Waiting for a run's end or its next words, without asking the database again and again."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from uuid import UUID

from lingoloop_common.broker import Broker, EventMessage
from lingoloop_common.contracts.events import DONE
from lingoloop_common.feed import Feed


@dataclass(frozen=True, slots=True, eq=False)
class Hint:
    """What a request waits for: its run's end, or each of its events."""

    each_event: bool
    given: asyncio.Event = field(default_factory=asyncio.Event)


class DoneWaiter:
    """Tells requests that their run may have ended, or moved on; they look themselves."""

    def __init__(self, broker: Broker) -> None:
        self._waiting: defaultdict[str, set[Hint]] = defaultdict(set)
        self.feed = Feed(broker, self._on_event, self.hint_all)

    async def until(
        self,
        run_id: UUID,
        ready: Callable[[], Awaitable[bool]],
        *,
        seconds: float | None,
        each_event: bool = False,
    ) -> bool:
        """Return True when `ready` says so, False after `seconds`.

        It is asked at once, and at each hint: when the run is done, with `each_event` at all of its events. Several
        requests may wait for one run.
        """
        hint = Hint(each_event)
        self._waiting[str(run_id)].add(hint)
        try:
            async with asyncio.timeout(seconds):
                while not await ready():
                    await hint.given.wait()
                    hint.given.clear()
            return True
        except TimeoutError:
            return False
        finally:
            self._waiting[str(run_id)].discard(hint)
            if not self._waiting[str(run_id)]:
                del self._waiting[str(run_id)]

    def _on_event(self, message: EventMessage) -> None:
        for hint in self._waiting.get(str(message.headers["cloudEvents_subject"]), ()):
            if hint.each_event or message.headers["cloudEvents_type"] == DONE:
                hint.given.set()

    def hint_all(self) -> None:
        """Let all who wait look: events may have been missed, or something else has changed."""
        for hints in self._waiting.values():
            for hint in hints:
                hint.given.set()
