"""Lifetimes: recordings that are kept no longer are deleted with all that came of them, each against a receipt."""

import time

import structlog

from lingoloop_common.store.database import Database
from lingoloop_common.store.queries import load_queries
from lingoloop_gateway.deletions import Deletions

log = structlog.get_logger(__name__)

SQL = load_queries(__package__, "lifetimes.sql")

BATCH = 100
"""Recordings that are looked up at once; each is deleted in a transaction of its own."""

PAUSE = 600.0
"""Seconds between looks: a lifetime is counted in days."""


class Lifetimes:
    """Knows for how many days after its last run's end a recording is kept: of each owner's own, else `days`; 0: for good."""

    def __init__(self, database: Database, deletions: Deletions, days: int) -> None:
        self._database, self._deletions, self._days = database, deletions, days
        self._look_at = 0.0

    async def drop_expired(self) -> None:
        """Delete all recordings that are kept no longer, if it is time to look again."""
        if time.monotonic() < self._look_at:
            return
        while await self._drop_batch():
            pass
        self._look_at = time.monotonic() + PAUSE

    async def _drop_batch(self) -> int:
        """Return how many were deleted: what another gateway deletes meanwhile, or somebody begins anew, is not counted."""
        rows = await self._database.pool.fetch(SQL["expired_audios"], self._days, BATCH)
        deleted = 0
        for row in rows:
            deleted += await self._deletions.expire(row["id"], row["owner"], self._days)
        if deleted:
            log.info("deleted recordings that are kept no longer", recordings=deleted)
        return deleted
