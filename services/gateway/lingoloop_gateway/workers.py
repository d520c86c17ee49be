"""Workers, as operators see and steer them. What is wanted of them is stored: one that starts later obeys it too."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any
from uuid import UUID

from lingoloop_common.errors import Problem
from lingoloop_common.store.database import Database
from lingoloop_common.store.queries import load_queries
from lingoloop_gateway.runs import iso

SQL = load_queries(__package__, "workers.sql")

JOBS_LIMIT = 1_000
"""Ids of jobs in an answer."""


class Wanted(StrEnum):
    """What a worker is told: take work, or finish what is in flight and take no more."""

    RUNNING = "running"
    STOPPED = "stopped"


def worker_state(wanted: str, busy: int) -> str:
    """Return `running`, `draining` (told to stop, still at work) or `stopped`."""
    if wanted == Wanted.RUNNING:
        return "running"
    return "draining" if busy else "stopped"


class Workers:
    """The fleet."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def want(self, wanted: Wanted, worker_id: UUID | None) -> None:
        """Tell all workers, or one, to take work or to take no more; raise Problem `not_found` for one that is gone."""
        if worker_id is None:
            await self._database.pool.execute(SQL["want_all"], wanted)
        elif await self._database.pool.fetchval(SQL["want_one"], worker_id, wanted) is None:
            raise Problem("not_found", "there is no such worker, or it is gone")

    async def status(self, message: str | None = None) -> dict[str, Any]:
        """Return the document's shape: a message for people, the fleet as one, and each worker."""
        async with self._database.pool.acquire() as connection, connection.transaction():
            wanted = await connection.fetchval(SQL["fleet_wanted"])
            rows = await connection.fetch(SQL["workers"])
            jobs = await connection.fetch(SQL["jobs_in_work"], JOBS_LIMIT)
        workers = [_describe(row) for row in rows]
        taking = sum(worker["state"] == "running" for worker in workers)
        return {
            "message": message or _say(wanted, len(workers), taking),
            "status": {
                "isRunning": taking > 0,
                "processingJobs": [str(job["job_id"]) for job in jobs],
                "processingCount": len(jobs),
            },
            "workers": workers,
        }


def _say(wanted: str, alive: int, taking: int) -> str:
    if not alive:
        told = "will take work" if wanted == Wanted.RUNNING else "will wait until work is started again"
        return f"no worker is alive; one that starts {told}"
    return f"{taking} of {alive} workers take work"


def _describe(row: Mapping[str, Any]) -> dict[str, Any]:
    engine, _, model = row["lane"].partition(".")
    return {
        "id": str(row["id"]),
        "state": worker_state(row["wanted"], row["busy"]),
        "engine": engine,
        "model": model or None,
        "slots": row["slots"],
        "busy": row["busy"],
        "lastSeen": iso(row["last_seen"]),
    }
