"""Progress in between: what other runs do to a run's time left and place, which no event of its own tells."""

import asyncio

import structlog

from lingoloop_common.contracts import events
from lingoloop_common.contracts.events import RunUpdated
from lingoloop_common.lifecycle import background, end_task
from lingoloop_common.store.database import BROKEN, Database
from lingoloop_common.store.forecast import Forecasts
from lingoloop_notifier.broadcast import Forecast
from lingoloop_notifier.history import SQL
from lingoloop_notifier.hub import Hub

log = structlog.get_logger(__name__)

WATCHED_LIMIT = 10_000
"""Runs that are looked at each time, the newest first."""

BREATH = 100
"""Runs after which other work of this process gets its turn."""


class Progress:
    """Looks at the runs that have listeners, each `interval` seconds, and tells them what is so now; without an id."""

    def __init__(self, database: Database, hub: Hub, forecasts: Forecasts, *, interval: float) -> None:
        self._database, self._hub, self._forecasts, self._interval = database, hub, forecasts, interval
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
            return
        rows = await self._database.pool.fetch(SQL["watched_runs"], run_ids, owners, WATCHED_LIMIT)
        for count, row in enumerate(rows, 1):
            state = await self._forecasts.state(row)
            forecast = Forecast(
                run_id=str(row["id"]),
                owner=row["owner"],
                seq=row["seq"],
                owner_seq=row["owner_seq"],
                seconds_left=state["estimated_time_remaining"],
                place=state["queue_position"],
                data=events.encode_progress(RunUpdated(**state)),
            )
            self._hub.on_forecast(forecast)
            if count % BREATH == 0:
                await asyncio.sleep(0)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            try:
                await self.look()
            except BROKEN as error:
                log.warning("cannot look at progress; will try again", error=type(error).__name__)
