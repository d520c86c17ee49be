"""The backlog: what waits and what is worked on, lane by lane, now and during the last day."""

from collections import defaultdict
from typing import Any

from lingoloop_common.store.database import Database
from lingoloop_common.store.queries import load_queries
from lingoloop_gateway.runs import iso

SQL = load_queries(__package__, "backlog.sql")


class Backlog:
    """Reads what is now, and what the sweep has noted each minute."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def lanes(self, *, minutes: int) -> dict[str, Any]:
        """Return all lanes by name, each with its history of so many minutes, the oldest first."""
        rows = await self._database.pool.fetch(SQL["backlog_now"])
        samples = await self._database.pool.fetch(SQL["backlog_history"], minutes)
        history: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for sample in samples:
            history[sample["lane"]].append({"at": iso(sample["at"]), **_depth(sample)})
        return {
            "lanes": [{"lane": row["lane"], **_depth(row), "history": history[row["lane"]]} for row in rows]
        }


def _depth(row: Any) -> dict[str, Any]:
    return {"ready": row["ready"], "running": row["running"], "secondsWaiting": round(row["seconds_waiting"])}
