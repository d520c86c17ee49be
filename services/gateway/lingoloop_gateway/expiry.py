"""Expiry: uploads that nobody goes on with are forgotten, their bytes too."""

import asyncio

import structlog

from lingoloop_common.lifecycle import background, end_task
from lingoloop_common.store.database import BROKEN
from lingoloop_gateway.resumable import Resumable

log = structlog.get_logger(__name__)

PAUSE = 30.0
"""Seconds between passes; whoever asks for an expired upload is told so before."""


class Expiry:
    """Runs in every gateway; two at once divide the work."""

    def __init__(self, resumable: Resumable) -> None:
        self._resumable = resumable
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to look for what has expired."""
        self._task = background(self._run(), name="expiry")

    async def stop(self) -> None:
        """End; what was not forgotten stays expired."""
        await end_task(self._task)

    async def _run(self) -> None:
        while True:
            try:
                await self._resumable.drop_expired()
            except Exception as error:
                unknown = not isinstance(error, BROKEN)
                log.warning(
                    "expired uploads are not forgotten yet; will try again",
                    error=str(error) or type(error).__name__,
                    exc_info=unknown,
                )
            await asyncio.sleep(PAUSE)
