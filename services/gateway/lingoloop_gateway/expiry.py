"""Expiry: uploads that nobody goes on with are forgotten, their bytes too, and events and recordings kept no longer."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from lingoloop_common.faults import told
from lingoloop_common.lifecycle import background, end_task
from lingoloop_common.store.database import BROKEN

log = structlog.get_logger(__name__)

PAUSE = 30.0
"""Seconds between passes; whoever asks for an expired upload is told so before."""


class Expiry:
    """Runs in every gateway; two at once divide the work."""

    def __init__(self, *drops: Callable[[], Awaitable[None]]) -> None:
        self._drops = drops
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to look for what has expired."""
        self._task = background(self._run(), name="expiry")

    async def stop(self) -> None:
        """End; what was not forgotten stays expired."""
        await end_task(self._task)

    async def _run(self) -> None:
        while True:
            for drop in self._drops:
                try:
                    await drop()
                except Exception as error:
                    unknown = not isinstance(error, BROKEN)
                    log.warning(
                        "what has expired is not forgotten yet; will try again",
                        error=told(error),
                        exc_info=unknown,
                    )
            await asyncio.sleep(PAUSE)
