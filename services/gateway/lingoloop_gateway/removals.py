"""Removals: blobs whose rows are gone are deleted, also when the process that began it died."""

import asyncio
from collections.abc import Sequence

import structlog

from lingoloop_common.blobs import Blobs
from lingoloop_common.faults import told
from lingoloop_common.lifecycle import background, end_task
from lingoloop_common.store.database import BROKEN, Database
from lingoloop_common.store.queries import load_queries

log = structlog.get_logger(__name__)

SQL = load_queries(__package__, "removals.sql")

PAUSE = 5.0
"""Seconds between passes."""

BATCH = 100
"""Blobs, or folders of them, that are deleted before the database is told."""

PUT_OFF = 60.0
"""Seconds until what could not be deleted is tried again."""


class Removals:
    """Runs in every gateway. Each removal is idempotent, so two that do the same one are no harm."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database, self._blobs = database, blobs
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to look for what is due."""
        self._task = background(self._run(), name="removals")

    async def stop(self) -> None:
        """End; what was not deleted stays due."""
        await end_task(self._task)

    async def remove(self, names: Sequence[str]) -> None:
        """Delete blobs whose removal is written down; those that cannot be deleted now are tried again later."""
        removed, left = [], []
        for name in names:
            try:
                await self._blobs.remove(name)
                removed.append(name)
            except OSError as error:
                left.append(name)
                log.warning("a blob cannot be deleted; will try again", blob=name, error=error.strerror)
        await self._database.pool.execute(SQL["end_removals"], removed)
        if left:
            await self._database.pool.execute(SQL["put_off_removals"], left, PUT_OFF)

    async def remove_due(self) -> None:
        """Do one pass: delete all that is due."""
        while rows := await self._database.pool.fetch(SQL["due_removals"], BATCH):
            await self.remove([row["name"] for row in rows])

    async def _run(self) -> None:
        while True:
            try:
                await self.remove_due()
            except Exception as error:
                unknown = not isinstance(error, BROKEN)
                log.warning(
                    "removals failed; will try again",
                    error=told(error),
                    exc_info=unknown,
                )
            await asyncio.sleep(PAUSE)
