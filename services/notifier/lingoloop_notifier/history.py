"""What a stream begins with, and what it missed: read from PostgreSQL."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol
from uuid import UUID

from lingoloop_common.contracts import events
from lingoloop_common.contracts.events import RunDone, RunInit, RunState, Snapshot
from lingoloop_common.contracts.states import RunStatus
from lingoloop_common.contracts.transcript import Segment
from lingoloop_common.errors import Problem
from lingoloop_common.store.database import Connection, Database
from lingoloop_common.store.forecast import Forecasts
from lingoloop_common.store.queries import load_queries
from lingoloop_common.store.runs import total_ms
from lingoloop_common.tracing import Span

SQL = load_queries(__package__, "history.sql")

INIT_SEGMENTS = 1_000
SNAPSHOT_RUNS = 500
PAGE = 500


class Stored(NamedTuple):
    """An event as stored: its number in the stream, its type, the frame's JSON.

    Of one that has just come, when it happened, and the step of its trace that ends when it is written.
    """

    number: int
    type: str
    data: bytes
    at: float | None = None
    step: Span | None = None


@dataclass(frozen=True, slots=True)
class Opening:
    """A stream's first frame and the number of the last event that it covers; `last_frame` if nothing follows."""

    covers: int
    event: str
    data: bytes
    last_frame: bytes | None = None


class History(Protocol):
    """One stream's past."""

    async def opening(self) -> Opening:
        """Return the whole state now; raise Problem `not_found` when it is not the caller's to see."""

    async def after(self, number: int) -> list[Stored] | None:
        """Return up to a page of events after `number`, or None when they are not kept any more."""


class RunHistory:
    """One run's stream, as its owner may see it."""

    def __init__(self, database: Database, forecasts: Forecasts, run_id: UUID, owner: str) -> None:
        self._database, self._forecasts = database, forecasts
        self._run_id, self._owner = run_id, owner

    async def opening(self) -> Opening:
        """Return `init`, and `done` too if the run has ended."""
        async with _snapshot(self._database) as connection:
            run = await connection.fetchrow(SQL["run_now"], self._run_id, self._owner)
            if run is None:
                raise Problem("not_found", "there is no such run")
            rows = await connection.fetch(SQL["segments_so_far"], self._run_id, INIT_SEGMENTS + 1)
        state = await self._forecasts.state(run)
        init = RunInit(
            **state,
            filename=run["filename"],
            duration_ms=total_ms(run),
            segments=[
                Segment(
                    index=row["index"],
                    start=row["start_s"],
                    end=row["end_s"],
                    text=row["text"],
                    confidence=row["confidence"],
                    channel=row["channel"],
                    speaker=row["speaker"],
                )
                for row in rows[:INIT_SEGMENTS]
            ],
            truncated=len(rows) > INIT_SEGMENTS,
        )
        done = events.encode(RunDone(**state)) if RunStatus(run["status"]).is_final else None
        return Opening(run["seq"], "init", events.encode(init), done)

    async def after(self, number: int) -> list[Stored] | None:
        """Return the run's events after `number`; None when the run was deleted."""
        rows = await self._database.pool.fetch(
            SQL["run_events_after"], self._run_id, self._owner, number, PAGE
        )
        if not rows and not await self._database.pool.fetchval(SQL["run_exists"], self._run_id, self._owner):
            return None
        return _without_gap(rows, number)


class OwnerHistory:
    """The stream of all runs of an owner."""

    def __init__(self, database: Database, forecasts: Forecasts, owner: str) -> None:
        self._database, self._forecasts, self._owner = database, forecasts, owner

    async def opening(self) -> Opening:
        """Return the `snapshot` of the runs that are under way."""
        async with _snapshot(self._database) as connection:
            last = await connection.fetchval(SQL["owner_last"], self._owner)
            rows = await connection.fetch(SQL["open_runs"], self._owner, SNAPSHOT_RUNS)
        items = [RunState(**await self._forecasts.state(row)) for row in rows]
        return Opening(last, "snapshot", events.encode(Snapshot(items=items)))

    async def after(self, number: int) -> list[Stored] | None:
        """Return the owner's events after `number`; None when some went with a recording that was deleted."""
        last = await self._database.pool.fetchval(
            SQL["owner_last"], self._owner
        )  # first: what comes next is no gap
        rows = await self._database.pool.fetch(SQL["owner_events_after"], self._owner, number, PAGE)
        if not rows and number < last:
            return None
        return _without_gap(rows, number)


@contextlib.asynccontextmanager
async def _snapshot(database: Database) -> AsyncIterator[Connection]:
    """Several reads of one moment: the number that a frame carries must be that of the state it shows."""
    async with (
        database.pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        yield connection


def _without_gap(rows: "list[dict[str, object]]", number: int) -> list[Stored] | None:
    if rows and rows[0]["number"] != number + 1:
        return None
    return [Stored(int(str(row["number"])), str(row["type"]), str(row["data"]).encode()) for row in rows]
