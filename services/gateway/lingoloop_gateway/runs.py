"""Reads runs for their owner, in the shapes of the contract."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from lingoloop_common.contracts.events import RunState
from lingoloop_common.contracts.transcript import SEGMENTS_PER_CHUNK
from lingoloop_common.errors import Problem
from lingoloop_common.store.database import Database
from lingoloop_common.store.forecast import Forecasts
from lingoloop_common.store.queries import load_queries
from lingoloop_common.store.runs import Row, total_ms
from lingoloop_gateway.cursors import cursor_after, read_cursor
from lingoloop_gateway.lanes import engine_of
from lingoloop_gateway.rewording import reworded

SQL = load_queries(__package__, "runs.sql")

PAGE = 500


class Runs:
    """One owner's runs; every query names the owner, so another's id finds nothing."""

    def __init__(self, database: Database, forecasts: Forecasts) -> None:
        self._database, self._forecasts = database, forecasts

    async def get(self, run_id: UUID, owner: str) -> Row:
        """Return a run's row, with its recording's name and size; raise Problem `not_found`."""
        row = await self._database.pool.fetchrow(SQL["run_by_id"], run_id, owner)
        if row is None:
            raise Problem("not_found", "there is no such run")
        return dict(row)

    async def has_ended(self, run_id: UUID) -> bool:
        """Whether a run has succeeded or failed (or is gone)."""
        return await self._database.pool.fetchval(SQL["run_ended"], run_id) is not False

    async def progress(self, run_id: UUID, owner: str) -> dict[str, Any]:
        """Return the document's progress shape; raise Problem `not_found`."""
        run = await self._database.pool.fetchrow(SQL["run_progress"], run_id, owner)
        if run is None:
            raise Problem("not_found", "there is no such run")
        return {
            **await self._state(run),
            "audio": {
                "id": str(run["audio_id"]),
                "filename": run["filename"],
                "durationMs": total_ms(run),
                "sizeBytes": run["size_bytes"],
            },
            "jobs": [describe_job(job) for job in run["jobs"]],
            "createdAt": iso(run["created_at"]),
            "completedAt": iso(run["completed_at"]),
        }

    async def describe(self, run: Row) -> dict[str, Any]:
        """Return a run as `GET /api/runs/{id}` shows it."""
        return {
            "id": str(run["id"]),
            **await self._state(run),
            "filename": run["filename"],
            "durationMs": total_ms(run),
            "sizeBytes": run["size_bytes"],
            **engine_of(run["lane"]),
            "language": run["language"],
            "options": run["options"],
            "speakers": run["speakers"],
            "edited": run["edited"],
            "metadata": run["metadata"],
            "createdAt": iso(run["created_at"]),
            "updatedAt": iso(run["updated_at"]),
            "completedAt": iso(run["completed_at"]),
        }

    async def page(
        self, owner: str, *, statuses: list[str] | None, cursor: str | None, limit: int
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Return runs, the newest first, and the cursor of the next page, None after the last.

        Raises:
            Problem: `invalid_value` for a cursor that no page gave.
        """
        before = read_cursor(cursor) if cursor else (None, None)
        rows = await self._database.pool.fetch(SQL["runs_page"], owner, statuses, *before, limit + 1)
        items = [await self.describe(row) for row in rows[:limit]]
        return items, cursor_after(rows[limit - 1]) if len(rows) > limit else None

    async def _state(self, run: Row) -> dict[str, Any]:
        """Return a run's state as JSON fields; what is not known yet is null."""
        return RunState(**await self._forecasts.state(run)).model_dump(mode="json", by_alias=True)

    async def segments(
        self, run_id: UUID, owner: str, *, after: int, limit: int, original: bool = False
    ) -> list[dict[str, Any]]:
        """Return a page of segments with an index beyond `after`, in time order; `original`: without people's edits."""
        rows = await self._database.pool.fetch(SQL["segments_page"], run_id, owner, after, limit, original)
        return [describe_segment(row) for row in rows]

    async def segments_in_order(self, run_id: UUID, owner: str, *, after: int) -> list[dict[str, Any]]:
        """Return up to `PAGE` segments beyond `after` that no later result can come before."""
        rows = await self._database.pool.fetch(
            SQL["segments_in_order"], run_id, owner, after, PAGE, SEGMENTS_PER_CHUNK
        )
        return [describe_segment(row) for row in rows]

    async def all_segments(
        self, run_id: UUID, owner: str, *, original: bool = False
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield all segments in time order, a page at a time; raise Problem when the run is deleted meanwhile."""
        after = -1
        while page := await self.segments(run_id, owner, after=after, limit=PAGE, original=original):
            for segment in page:
                yield segment
            after = page[-1]["index"]
        await self.get(run_id, owner)  # else an end for want of a run would look like the transcript's


def describe_job(job: Sequence[Any]) -> dict[str, Any]:
    """Return a job in the document's shape, from its columns in the order of `run_progress`."""
    job_id, job_type, status, retry_count, created_at, updated_at, error_message = job
    return {
        "id": str(job_id),
        "jobType": job_type,
        "status": status,
        "retryCount": retry_count,
        "createdAt": iso(created_at),
        "updatedAt": iso(updated_at),
        "errorMessage": error_message,
    }


def describe_segment(row: Row) -> dict[str, Any]:
    """Return a segment with its words; of a person's edit the speaker, and that there is one."""
    segment = {
        "index": row["index"],
        "start": row["start_s"],
        "end": row["end_s"],
        "text": row["text"],
        "confidence": row["confidence"],
        "words": [
            {name: word[name] for name in ("word", "start", "end", "confidence")} for word in row["words"]
        ],
    }
    if row["new_text"] is not None:
        segment |= {"text": row["new_text"], "words": reworded(row["new_text"], segment)}
    if row["channel"] is not None:
        segment["channel"] = row["channel"]
    if row["speaker"] is not None:
        segment["speaker"] = row["speaker"]
    if row["speaker_name"] is not None:
        segment["speakerName"] = row["speaker_name"]
    if row["edited"]:
        segment["edited"] = True
    return segment


def iso(moment: datetime | None) -> str | None:
    """Return a point in time as ISO 8601; the database's are in UTC."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z") if moment else None


def iso_of_seconds(seconds: float) -> str | None:
    """Return a point in time, in seconds since 1970, as ISO 8601."""
    return iso(datetime.fromtimestamp(seconds, UTC))
