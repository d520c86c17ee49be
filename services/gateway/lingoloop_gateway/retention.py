"""Retention: events of runs that ended long ago are dropped; the runs and their words stay."""

from lingoloop_common.store.database import Database
from lingoloop_common.store.queries import load_queries

SQL = load_queries(__package__, "retention.sql")

BATCH = 10_000
"""Events dropped in one transaction."""


class Retention:
    """Knows for how many hours after a run's end its events are kept."""

    def __init__(self, database: Database, hours: int) -> None:
        self._database, self._hours = database, hours

    async def drop_expired(self) -> None:
        """Drop all events that are kept no longer; a client that asks for them is given the whole state instead."""
        while await self._database.pool.fetchval(SQL["drop_events"], self._hours, BATCH) == BATCH:
            pass
