"""Waiting for a small run's end, without asking the database again and again."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

from lingoloop_common.broker import Broker, EventMessage
from lingoloop_common.contracts.events import DONE
from lingoloop_common.feed import Feed


class DoneWaiter:
    """Tells requests that their run may have ended; they look themselves."""

    def __init__(self, broker: Broker) -> None:
        self._waiting: dict[str, asyncio.Event] = {}
        self.feed = Feed(broker, self._on_event, self._on_reconnect)

    async def until(
        self, run_id: UUID, ended: Callable[[], Awaitable[bool]], *, seconds: float | None
    ) -> bool:
        """Return True when `ended` says so, False after `seconds`. It is asked at once, and at each hint."""
        hint = self._waiting.setdefault(str(run_id), asyncio.Event())
        try:
            async with asyncio.timeout(seconds):
                while not await ended():
                    await hint.wait()
                    hint.clear()
            return True
        except TimeoutError:
            return False
        finally:
            self._waiting.pop(str(run_id), None)

    def _on_event(self, message: EventMessage) -> None:
        if message.headers["cloudEvents_type"] == DONE:
            hint = self._waiting.get(str(message.headers["cloudEvents_subject"]))
            if hint:
                hint.set()

    def _on_reconnect(self) -> None:
        for hint in self._waiting.values():
            hint.set()
