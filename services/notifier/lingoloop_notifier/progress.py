"""Progress in between: what other runs do to a run's time left and place, which no event of its own tells."""

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import structlog

from lingoloop_common.contracts import events
from lingoloop_common.contracts.events import RunUpdated
from lingoloop_common.lifecycle import background, end_task
from lingoloop_common.store.database import BROKEN, Database
from lingoloop_common.store.forecast import Forecasts
from lingoloop_notifier.history import SQL
from lingoloop_notifier.hub import Hub

log = structlog.get_logger(__name__)

WATCHED_LIMIT = 10_000
"""Runs that are looked at each time, the newest first."""


class Progress:
    """Looks at the runs that have listeners, each `interval` seconds, and tells them what is new; without an id."""

    def __init__(self, database: Database, hub: Hub, forecasts: Forecasts, *, interval: float) -> None:
        self._database, self._hub, self._forecasts, self._interval = database, hub, forecasts, interval
        self._told: dict[UUID, tuple[int | None, int | None]] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to look."""
        self._task = background(self._run(), name="progress")

    async def stop(self) -> None:
        """End."""
        await end_task(self._task)

    async def look(self) -> None:
        """Look once."""
        run_ids, owners = self._hub.watched()
        if not run_ids and not owners:
            self._told = {}
            return
        rows = await self._database.pool.fetch(SQL["watched_runs"], run_ids, owners, WATCHED_LIMIT)
        told: dict[UUID, tuple[int | None, int | None]] = {}
        for row in rows:
            state = await self._forecasts.state(row)
            told[row["id"]] = (state["estimated_time_remaining"], state["queue_position"])
            if told[row["id"]] != self._told.get(row["id"], (None, None)):
                self._tell(row, state)
        self._told = told

    def _tell(self, row: Mapping[str, Any], state: Mapping[str, Any]) -> None:
        self._hub.on_progress(str(row["id"]), row["owner"], events.encode(RunUpdated(**state)))

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            try:
                await self.look()
            except BROKEN as error:
                log.warning("cannot look at progress; will try again", error=type(error).__name__)
