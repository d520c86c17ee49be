"""The ledger: what a plan writes, the chunks that it cuts and their order; and when it goes on (design, rule 10)."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from lingoloop_common import tracing
from lingoloop_common.contracts.states import RunStatus
from lingoloop_common.contracts.units import SAMPLE_RATE, UnitKind, chunks_ahead, speakers_cost
from lingoloop_common.store.database import Connection, Database
from lingoloop_common.store.ids import new_id
from lingoloop_common.store.queries import load_queries
from lingoloop_common.store.runs import SQL as RUN_SQL
from lingoloop_common.store.runs import Change, Row, change_run, lock_run
from lingoloop_transcriber.claim import Claim
from lingoloop_transcriber.fence import end_unit, lock_held_run

SQL = load_queries(__package__, "ledger.sql")


class Ledger:
    """The writes of plans."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_chunk(
        self,
        claim: Claim,
        *,
        index: int,
        start: int,
        end: int,
        unit_id: UUID,
        blob: str | None,
        language: str | None,
        channels: Sequence[int] | None = None,
        pairs: bytes | None = None,
        kind: UnitKind = UnitKind.CHUNK,
    ) -> None:
        """Add a chunk [start, end) to the ledger, with its unit and its part of the waveform.

        `language` is the run's, as soon as it is known; `channels` are those that are to be transcribed, each alone.

        Raises:
            Fenced: another attempt plans this run.
        """
        async with self._database.pool.acquire() as connection, connection.transaction():
            await lock_held_run(connection, claim)
            await connection.execute(
                SQL["add_chunk"],
                claim.run_id,
                index,
                start,
                end,
                unit_id,
                claim.unit_id,
                blob,
                language,
                pairs,
                channels,
                kind,
                tracing.headers(),
            )

    async def add_silence(
        self, claim: Claim, *, index: int, start: int, end: int, pairs: bytes | None = None
    ) -> None:
        """Add a chunk of silence to the ledger, with its part of the waveform: done, without a unit.

        Raises:
            Fenced: another attempt plans this run.
        """
        async with self._database.pool.acquire() as connection, connection.transaction():
            run = await lock_held_run(connection, claim)
            await connection.execute(SQL["add_silence"], claim.run_id, index, start, end, pairs)
            ledger = {"planned_samples": end, "chunks_total": run["chunks_total"] + 1}
            await change_run(connection, {**run, **ledger}, Change(chunks_done=1, done_samples=end - start))

    async def note_length(self, claim: Claim, length_ms: int) -> None:
        """Write down how long a recording is, as its container says."""
        await self._database.pool.execute(SQL["note_length"], claim.unit_id, claim.attempt, length_ms)

    async def finish(self, claim: Claim, *, speakers: bool = False) -> bool:
        """End the plan: the ledger is complete; return whether this closed the run, all else having ended already.

        With `speakers` there is one more unit, which tells them apart when nothing else is left.

        Raises:
            Fenced: another attempt plans this run.
        """
        async with self._database.pool.acquire() as connection, connection.transaction():
            run = await lock_run(connection, claim.run_id)
            if not await end_unit(connection, claim):
                return False
            if speakers:
                seconds = run["planned_samples"] / SAMPLE_RATE
                await connection.execute(
                    SQL["add_speakers"], claim.unit_id, new_id(), seconds, speakers_cost(seconds)
                )
            run = await change_run(connection, run, Change(units_ended=0 if speakers else 1, planned=True))
            run = await wake(connection, run, slots=0)
        return RunStatus(run["status"]).is_final

    async def withhold(self, claim: Claim, slots: int) -> bool:
        """Hand the plan back until the work has caught up; False when it has done so already.

        The run's row is locked, and every chunk's end locks it too: none can end unseen in between.

        Raises:
            Fenced: another attempt plans this run.
        """
        async with self._database.pool.acquire() as connection, connection.transaction():
            run = await lock_held_run(connection, claim)
            if has_room(run, slots):
                return False
            await connection.execute(SQL["withhold_plan"], claim.unit_id, claim.attempt)
        return True


async def wake(connection: Connection, run: Row, slots: int) -> Row:
    """Let the plan go on if there is room ahead of the work, or the last unit begin if it is the last; return the run."""
    if not run["planned"]:
        if has_room(run, slots):
            await connection.execute(RUN_SQL["wake_plan"], run["id"])
    elif run["units_left"] == 1 and run["options"].get("diarize"):
        if not run["units_failed"]:
            await connection.execute(SQL["wake_speakers"], run["id"])
        elif await connection.fetchval(
            SQL["give_up_speakers"], run["id"], run["error_code"], run["error_message"]
        ):
            return await change_run(connection, run, Change(units_ended=1, units_failed=1))
    return run


def has_room(run: Mapping[str, Any], slots: int) -> bool:
    """Whether so few chunks are unfinished that the plan should go on: half of what it may be ahead. Pure."""
    return bool(run["units_left"] - 1 <= chunks_ahead(slots, run["chunks_total"]) // 2)
