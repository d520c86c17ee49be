"""Indexing: runs become searchable soon after they begin (by name) and end (by text), whoever ended them."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import structlog

from lingoloop_common.contracts.transcript import SEGMENTS_PER_CHUNK
from lingoloop_common.faults import told
from lingoloop_common.lifecycle import background, end_task
from lingoloop_common.store.database import BROKEN, Connection, Database
from lingoloop_common.store.queries import load_queries
from lingoloop_common.store.runs import Row
from lingoloop_gateway.search_words import JoinedText, fold, vector

log = structlog.get_logger(__name__)

SQL = load_queries(__package__, "indexing.sql")

PAUSE = 1.0
"""Seconds between passes."""

BLOCK = 10 * SEGMENTS_PER_CHUNK
"""Indexes in a block: ten chunks, three to five minutes, a few hundred words."""

NAME = -1
"""The block that holds the recording's name."""

STUCK_LIMIT = 1_000
"""Runs that cannot be indexed, remembered so that they keep no others waiting; then all are tried again."""


Reader: TypeAlias = "Connection | asyncpg.Pool[Any]"


class Indexing:
    """Runs in every gateway, each at another run. It is not part of a chunk's end: that would slow all work."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._stuck: set[UUID] = set()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to look for what is due."""
        self._task = background(self._run(), name="indexing")

    async def stop(self) -> None:
        """End; a run that is cut off stays due."""
        await end_task(self._task)

    async def index_due(self) -> None:
        """Do one pass: index all that is due."""
        while await self._index_one():
            pass

    async def _index_one(self) -> bool:
        async with self._database.pool.acquire() as connection, connection.transaction():
            run = await connection.fetchrow(SQL["due_run"], list(self._stuck))
            if run is None:
                return False
            try:
                # A savepoint: what cannot be stored must not end the transaction that locks the run.
                async with connection.transaction():
                    await _index_run(connection, run)
            except BROKEN:
                raise
            except Exception as error:
                log.error("a run cannot be indexed", run_id=str(run["id"]), error=type(error).__name__)
                if len(self._stuck) >= STUCK_LIMIT:
                    self._stuck.clear()
                self._stuck.add(run["id"])
        return True

    async def _run(self) -> None:
        while True:
            try:
                await self.index_due()
            except Exception as error:
                unknown = not isinstance(error, BROKEN)
                log.warning(
                    "indexing failed; will try again",
                    error=told(error),
                    exc_info=unknown,
                )
            await asyncio.sleep(PAUSE)


async def _index_run(connection: Connection, run: Row) -> None:
    await connection.execute(SQL["store_block"], run["id"], NAME, vector(run["owner"], fold(run["filename"])))
    blocks = [row[0] for row in await connection.fetch(SQL["blocks_of_run"], run["id"], BLOCK)]
    await index_blocks(connection, run["id"], run["owner"], blocks)
    await connection.execute(SQL["end_indexing"], run["id"])


async def index_blocks(connection: Connection, run_id: UUID, owner: str, blocks: Iterable[int]) -> None:
    """Store the words of blocks of a run that this transaction has locked. One at a time: others get their turns."""
    for block in blocks:
        [segments] = await read_blocks(connection, [(run_id, block)])
        words = vector(owner, JoinedText([segment["text"] for segment in segments]).text)
        await connection.execute(SQL["store_block"], run_id, block, words)


async def read_blocks(connection: Reader, blocks: Sequence[tuple[UUID, int]]) -> list[list[Row]]:
    """Return the segments of each of the blocks, and the one after them: rows with `index`, `start_s`, `text`."""
    found: list[list[Row]] = [[] for _ in blocks]
    rows = await connection.fetch(
        SQL["block_texts"], [run_id for run_id, _ in blocks], [block for _, block in blocks], BLOCK
    )
    for row in rows:
        found[row["place"]].append(row)
    return found
