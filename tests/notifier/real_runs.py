"""Runs whose changes a test makes as a transcriber does: in the database, with the relay sending the events."""

from lingoloop_common.contracts.transcript import Segment
from lingoloop_common.relay import Relay
from lingoloop_common.store.database import Database
from lingoloop_common.store.runs import Change, change_run, lock_run
from tests.rows import AddedRun, add_run


class RealRuns:
    """Adds runs and changes them; each change makes an event."""

    def __init__(self, database: Database, relay: Relay) -> None:
        self._database, self._relay = database, relay

    async def add(self, owner: str, chunks: int) -> AddedRun:
        """Add a run, with its first event."""
        async with self._database.pool.acquire() as connection, connection.transaction():
            run = await add_run(connection, owner=owner, units=chunks)
            await change_run(connection, await lock_run(connection, run.run_id), Change())
        self._relay.tell()
        return run

    async def finish_chunk(self, run: AddedRun, text: str = "words") -> None:
        """Finish the next chunk; the last one ends the run."""
        async with self._database.pool.acquire() as connection, connection.transaction():
            row = await lock_run(connection, run.run_id)
            index = row["chunks_done"]
            segment = Segment(index=index * 1000, start=index, end=index + 1.0, text=text, confidence=0.9)
            await connection.execute(
                "INSERT INTO segment (run_id, index, start_s, end_s, text, confidence) VALUES ($1, $2, $3, $4, $5, 0.9)",
                run.run_id,
                segment.index,
                segment.start,
                segment.end,
                text,
            )
            change = Change(units_ended=1, chunks_done=1, done_samples=16_000, segments=[segment])
            await change_run(connection, row, change)
        self._relay.tell()

    async def change(self, run: AddedRun) -> None:
        """Write an event in which nothing is new."""
        await self._change(run, Change())

    async def finish(self, run: AddedRun) -> int:
        """End a run, whatever is left of it; return the number of its last event."""
        left = await self._database.pool.fetchval(
            "SELECT units_left FROM transcript_run WHERE id = $1", run.run_id
        )
        return await self._change(run, Change(units_ended=left))

    async def _change(self, run: AddedRun, change: Change) -> int:
        async with self._database.pool.acquire() as connection, connection.transaction():
            row = await change_run(connection, await lock_run(connection, run.run_id), change)
        self._relay.tell()
        return int(row["seq"])
