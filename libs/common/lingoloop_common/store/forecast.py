"""Forecasts: how long a run will take and where it stands, as the database has the lane now."""

import asyncio
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from lingoloop_common.contracts.forecast import LaneOutlook, OpenRun
from lingoloop_common.contracts.states import RunStatus
from lingoloop_common.contracts.units import SAMPLE_RATE, speakers_cost
from lingoloop_common.store.database import Database
from lingoloop_common.store.queries import load_queries
from lingoloop_common.store.runs import Row, run_state, total_ms

SQL = load_queries(__package__, "forecast.sql")


class Forecasts:
    """Reads lanes, each once in `max_age` seconds, however many ask; sooner only for a run that is newer than that."""

    def __init__(self, database: Database, *, max_age: float) -> None:
        self._database, self._max_age = database, max_age
        self._lanes: dict[str, _Reading] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def state(self, run: Row) -> dict[str, Any]:
        """Return the fields of `RunState`, with the time left and the place in the queue."""
        state = run_state(run)
        if not RunStatus(run["status"]).is_final:
            outlook = await self._outlook(run["lane"], run["id"])
            state["estimated_time_remaining"] = outlook.seconds_left(run["id"])
            state["queue_position"] = outlook.place(run["id"])
        return state

    async def _outlook(self, lane: str, run_id: UUID) -> LaneOutlook:
        if outlook := self._known(lane, run_id):
            return outlook
        async with self._locks[lane]:
            if outlook := self._known(lane, run_id):
                return outlook
            begin = time.monotonic()
            outlook = await self._read(lane)
            self._lanes[lane] = _Reading(outlook, begin, time.monotonic() - begin)
            return outlook

    def _known(self, lane: str, run_id: UUID) -> LaneOutlook | None:
        """Return what was read, if it is not too old: for a new run as little as leaves nine tenths of the time for other things."""
        reading = self._lanes.get(lane)
        if reading is None:
            return None
        limit = self._max_age if run_id in reading.outlook else min(self._max_age, 10 * reading.took)
        return reading.outlook if reading.age <= limit else None

    async def _read(self, lane: str) -> LaneOutlook:
        async with self._database.pool.acquire() as connection:
            speed = await connection.fetchval(SQL["fleet_speed"], lane)
            rows = await connection.fetch(SQL["open_runs"], lane)
        return LaneOutlook(
            speed=speed,
            served={row["owner"]: row["served"] for row in rows},
            runs=[_open_run(row) for row in rows],
        )


@dataclass(frozen=True, slots=True)
class _Reading:
    """A lane as it was; when that was begun to be read, and how long it took, in seconds."""

    outlook: LaneOutlook
    begun: float
    took: float

    @property
    def age(self) -> float:
        return time.monotonic() - self.begun


def _open_run(row: Row) -> OpenRun:
    total, done, each = total_ms(row), row["done_samples"] / SAMPLE_RATE, row["channels"]
    last = speakers_cost(total / 1000) if total is not None and row["diarize"] else 0.0
    return OpenRun(
        id=row["id"],
        owner=row["owner"],
        priority=row["priority"],
        small=row["small"],
        waits=row["status"] == RunStatus.QUEUED,
        served=done * each,
        left=None if total is None else max(0.0, total / 1000 - done) * each + last,
    )
