"""Orphans: blobs that nothing in the database stands for, as a process leaves that dies between storing and committing."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta

import structlog

from lingoloop_common.blobs import Blobs, Found
from lingoloop_common.lifecycle import background, end_task
from lingoloop_common.store.database import BROKEN, Database
from lingoloop_common.store.queries import load_queries

log = structlog.get_logger(__name__)

SQL = load_queries(__package__, "orphans.sql")

FIRST, PAUSE = 3_600.0, 86_400.0
"""Seconds until the first pass, so that one who is started again and again need not list all; and between passes."""

OLD = timedelta(days=1)
"""Whatever is under way is younger, or has a row."""

MOST = 1_000
"""Orphans that are removed in a pass."""

FEW = 10
"""Recordings that may be orphans, whatever the number of others."""

ROOT = re.compile(
    r"((audio|uploads|imports|chunks|operations|writing)/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}))(?:/.*)?"
)
"""The names of our blobs; what else lies in the store is not ours."""


def believable(known: int, orphans: int) -> bool:
    """Whether so many recordings can be orphans, or the database is another one's, or older than the storage. Pure."""
    return orphans == 0 or (known > 0 and orphans <= max(FEW, known // 10))


class Orphans:
    """Looks for them once a day, in every gateway; two at once do the same."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database, self._blobs = database, blobs
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to wait for the first pass."""
        self._task = background(self._run(), name="orphans")

    async def stop(self) -> None:
        """End."""
        await end_task(self._task)

    async def remove(self, *, now: datetime) -> int:
        """Remove orphans that were written last more than a day before `now`; return how many.

        None is removed when it is not believable that they are: then an operator is told.

        Raises:
            OSError: the storage cannot be listed, or something cannot be removed.
        """
        orphans: list[str] = []
        known = lost = 0
        async for page in self._old(now - OLD):
            found = await self._of_nobody(page)
            known += sum(root.startswith("audio/") for root in page) - sum(
                root.startswith("audio/") for root in found
            )
            lost += sum(root.startswith("audio/") for root in found)
            orphans += found[: MOST - len(orphans)]
        if not believable(known, lost):
            log.error(
                "many recordings in the storage are not in the database; is it the right one? Nothing is removed",
                known=known,
                unknown=lost,
            )
            return 0
        for root in orphans:
            await self._blobs.remove(root)
        if orphans:
            log.info("removed what nothing stood for", blobs=len(orphans))
        return len(orphans)

    async def _of_nobody(self, roots: Iterable[str]) -> list[str]:
        kinds, ids = zip(*(root.split("/") for root in roots), strict=True)
        rows = await self._database.pool.fetch(SQL["orphans"], kinds, ids)
        return [f"{row['kind']}/{row['id']}" for row in rows]

    async def _old(self, before: datetime) -> AsyncIterator[list[str]]:
        """Yield the roots below which nothing was written since `before`, a page at a time."""
        newest: dict[str, datetime] = {}
        async for page in self._blobs.found():
            for root, modified in _roots(page):
                newest[root] = max(modified, newest.get(root, modified))
            # What lies below one root comes together: all but the last are complete.
            if roots := [root for root in list(newest)[:-1] if newest[root] < before]:
                yield roots
            newest = dict(list(newest.items())[-1:])
        if roots := [root for root in newest if newest[root] < before]:
            yield roots

    async def _run(self) -> None:
        await asyncio.sleep(FIRST)
        while True:
            try:
                await self.remove(now=datetime.now(UTC))
            except Exception as error:
                unknown = not isinstance(error, BROKEN)
                log.warning(
                    "orphans were not looked for; will try again",
                    error=type(error).__name__,
                    exc_info=unknown,
                )
            await asyncio.sleep(PAUSE)


def _roots(page: Iterable[Found]) -> Iterable[tuple[str, datetime]]:
    for found in page:
        if match := ROOT.fullmatch(found.name):
            yield match.group(1), found.modified
