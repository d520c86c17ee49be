"""Those who watch a play: how busy the slots are, who waits, what is said to be left, and what came true."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from lingoloop_common.lifecycle import end_task
from lingoloop_common.store.forecast import Forecasts
from tests.simulation.measures import Look
from tests.simulation.stage import Stage

BACKLOG = """
SELECT (SELECT count(*) FROM unit WHERE state = 'ready') AS ready,
       (SELECT COALESCE(sum(ceil(a.duration_ms / 20000.0) - r.chunks_done), 0)::int
        FROM transcript_run r JOIN audio a ON a.id = r.audio_id WHERE r.completed_at IS NULL) AS left,
       ARRAY(SELECT DISTINCT r.owner FROM transcript_run r
             WHERE r.completed_at IS NULL
               AND (NOT r.planned OR EXISTS (SELECT FROM unit u WHERE u.run_id = r.id AND u.state = 'ready'))
       ) AS owners
"""
"""Owners with a backlog: with audio that nobody has begun, be it cut or not."""

AT_A_QUARTER = """
SELECT r.*, a.duration_ms, now() AS now FROM transcript_run r JOIN audio a ON a.id = r.audio_id
WHERE r.status = 'processing' AND r.done_samples >= a.duration_ms * 4 AND NOT r.id = ANY($1)
"""


@dataclass(frozen=True, slots=True)
class Said:
    """What was said to be left of a run, and when."""

    at: datetime
    seconds: int | None


@dataclass(slots=True)
class Watch:
    """What was seen."""

    stage: Stage
    looks: list[Look] = field(default_factory=list)
    backlogs: list[tuple[float, list[str]]] = field(default_factory=list)
    said: dict[UUID, Said] = field(default_factory=dict)
    _ready: int = 0
    _left: int = 0

    async def look_at_slots(self) -> None:
        """Look each 50 ms, in this process: nothing is asked of the database."""
        while True:
            settled = [member for member in self.stage.members if member.settled]
            busy, slots = sum(member.busy for member in settled), sum(member.slots for member in settled)
            self.looks.append(Look(time.monotonic(), busy, slots, self._ready, self._left))
            await asyncio.sleep(0.05)

    async def look_at_backlog(self) -> None:
        """Look four times a second at what waits."""
        while True:
            row = (await self.stage.fetch(BACKLOG))[0]
            self._ready, self._left = row["ready"], row["left"]
            self.backlogs.append((time.monotonic(), row["owners"]))
            await asyncio.sleep(0.25)

    async def ask_at_a_quarter(self) -> None:
        """Ask for each run once how long it will take, as soon as a quarter of it is done."""
        forecasts = Forecasts(self.stage.shop.database, max_age=0.5)
        while True:
            for row in await self.stage.fetch(AT_A_QUARTER, list(self.said)):
                state = await forecasts.state(row)
                self.said[row["id"]] = Said(row["now"], state["estimated_time_remaining"])
            await asyncio.sleep(0.25)

    async def came_true(self) -> list[tuple[float, float]]:
        """Return what was said and what it was, in seconds, of the runs that have ended; those too short to say left out.

        What is said are whole seconds, so of less than four of them nothing can be asked for.
        """
        ended: list[Any] = await self.stage.fetch(
            "SELECT id, completed_at FROM transcript_run WHERE completed_at IS NOT NULL"
        )
        pairs = []
        for row in ended:
            said = self.said.get(row["id"])
            if said is None:
                continue
            true = (row["completed_at"] - said.at).total_seconds()
            if true >= 4:
                pairs.append((float("inf") if said.seconds is None else float(said.seconds), true))
        return pairs


@contextlib.asynccontextmanager
async def watching(stage: Stage) -> AsyncIterator[Watch]:
    """Watch for as long as the block lasts."""
    watch = Watch(stage)
    tasks = [
        asyncio.create_task(look)
        for look in (watch.look_at_slots(), watch.look_at_backlog(), watch.ask_at_a_quarter())
    ]
    try:
        yield watch
    finally:
        for task in tasks:
            await end_task(task)
    for task in tasks:
        if not task.cancelled():
            task.result()
