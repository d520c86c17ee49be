"""Heartbeats: one task for all streams, however many."""

import asyncio

from lingoloop_common.lifecycle import background, end_task
from lingoloop_notifier import outlet
from lingoloop_notifier.hub import Hub


class Heartbeats:
    """Looks after all streams, fifteen times between two heartbeats of one, which is each second."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin."""
        self._task = background(self._run(), name="heartbeats")

    async def stop(self) -> None:
        """End."""
        await end_task(self._task)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(outlet.HEARTBEAT_SECONDS / 15)
            self._hub.beat(loop.time())
