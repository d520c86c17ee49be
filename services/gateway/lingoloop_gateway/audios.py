"""An owner's recordings: list them, look at one."""

from typing import Any
from uuid import UUID

from lingoloop_common.errors import Problem
from lingoloop_common.store.database import Database
from lingoloop_common.store.queries import load_queries
from lingoloop_common.store.runs import Row
from lingoloop_gateway.cursors import cursor_after, read_cursor
from lingoloop_gateway.runs import iso

SQL = load_queries(__package__, "audios.sql")

RUNS_SHOWN = 100
"""Runs that an audio names at most, the newest."""


class Audios:
    """One owner's recordings; every query names the owner, so another's id finds nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, audio_id: UUID, owner: str) -> Row:
        """Return an audio's row, with its runs; raise Problem `not_found`."""
        row = await self._database.pool.fetchrow(SQL["audio_by_id"], audio_id, owner, RUNS_SHOWN)
        if row is None:
            raise Problem("not_found", "there is no such audio")
        return dict(row)

    async def page(
        self, owner: str, *, cursor: str | None, limit: int
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Return audios, the newest first, and the cursor of the next page, None after the last.

        Raises:
            Problem: `invalid_value` for a cursor that no page gave.
        """
        before = read_cursor(cursor) if cursor else (None, None)
        rows = await self._database.pool.fetch(SQL["audios_page"], owner, *before, limit + 1, RUNS_SHOWN)
        items = [describe_audio(row) for row in rows[:limit]]
        return items, cursor_after(rows[limit - 1]) if len(rows) > limit else None


def describe_audio(audio: Row) -> dict[str, Any]:
    """Return an audio as `GET /api/audios/{id}` shows it; what nobody knows yet of one is null."""
    return {
        "id": str(audio["id"]),
        "filename": audio["filename"],
        "contentType": audio["content_type"],
        "sizeBytes": audio["size_bytes"],
        "durationMs": audio["length_ms"],
        "sha256": audio["sha256"].hex() if audio["sha256"] else None,
        "metadata": audio["metadata"],
        "createdAt": iso(audio["created_at"]),
        "runs": audio["runs"],
    }
