"""Claims: a token becomes a unit of work, and every way in which a claim ends (design, rules 1 to 4)."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from lingoloop_common import metrics
from lingoloop_common.contracts.events import ErrorCause
from lingoloop_common.contracts.states import RunStatus, UnitState
from lingoloop_common.contracts.transcript import SEGMENTS
from lingoloop_common.contracts.units import SUSPECT, UnitKind, after_failure, after_loss
from lingoloop_common.errors import WorkError
from lingoloop_common.store.database import Database
from lingoloop_common.store.queries import load_queries
from lingoloop_common.store.runs import Change, Fenced, change_run, change_runs, fail_unit, lock_run
from lingoloop_transcriber.claim import Claim, Result
from lingoloop_transcriber.fence import ended_before, lock_held_run
from lingoloop_transcriber.group_commit import GroupCommit
from lingoloop_transcriber.ledger import wake

SQL = load_queries(__package__, "claim.sql") | load_queries(__package__, "finish.sql")

log = structlog.get_logger(__name__)

PATIENCE = 3600.0
"""Seconds for which a unit is put off because its engine's server is busy, counted from the first refusal of its own."""

LOCKED_PAUSE = 0.02
"""Seconds until a claim that met only locked units tries again (rule 1)."""


class Claims:
    """The writes of one worker, named by its id, for the units of its lane.

    Those that each unit takes, its claim and its result, go to the database together with those of other slots.
    """

    def __init__(self, database: Database, worker_id: UUID, lane: str) -> None:
        self._database, self._worker_id, self._lane = database, worker_id, lane
        self._claiming = GroupCommit(self._claim_units)
        self._finishing = GroupCommit(self._finish_chunks)

    async def claim_unit(self, message_id: UUID, *, redelivered: bool) -> Claim | None:
        """Turn a token into the unit that is the fairest to do now, or into its own if that is still its to do.

        Returns:
            None when no unit of the lane is ready, or the token is a copy: it is surplus.
        """
        while True:
            try:
                row = await self._claiming.ask((message_id, redelivered))
            except asyncpg.UniqueViolationError:
                # The token got its unit in this moment: mine, if the answer of my first claim was lost before it was
                # committed; else another's, and this is a copy of the token.
                if await self._database.pool.fetchval(SQL["token_is_mine"], message_id, self._worker_id):
                    continue
                return None
            if row["id"] is not None:
                # What the claim's own snapshot shows of a chunk never changes. A plan's ledger does, and a unit that was
                # taken back may be another's again by now: those are read afresh.
                held: Mapping[str, Any] | None = row
                if row["afresh"]:
                    held = await self._database.pool.fetchrow(
                        SQL["describe_unit"], row["id"], self._worker_id, message_id
                    )
                if row["bound_to"] not in (None, self._worker_id):
                    metrics.UNITS_TAKEN_BACK.labels(self._lane).inc()
                    named = {"run_id": str(row["run_id"]), "unit_id": str(row["id"])}
                    log.warning("took a unit back from a worker that vanished", **named)
                if row["bound_to"] is None:
                    metrics.UNIT_WAIT_SECONDS.labels(self._lane, row["kind"]).observe(row["waited"])
                if held is not None:
                    return Claim.from_row(held)
            elif row["bound_to"] or not await self._database.pool.fetchval(SQL["any_ready"], self._lane):
                return None
            await asyncio.sleep(LOCKED_PAUSE * random.uniform(0.5, 1.5))  # noqa: S311  (jitter, not a secret)

    async def give_up_if_lost_too_often(self, claim: Claim) -> bool:
        """End a unit whose holders vanished again and again; return whether it was ended."""
        if after_loss(claim.lost).state is not UnitState.FAILED:
            return False
        message = f"{claim.lost} workers vanished while they worked on it"
        await self._fail(claim, ErrorCause(code="worker_lost", message=message), failures=claim.failures)
        return True

    async def begin_turn(self, claim: Claim) -> None:
        """Say that the turn of a suspect has come: if its holder vanishes before, that is no loss of its own.

        Raises:
            Fenced: the unit is another's by now.
        """
        if await self._database.pool.fetchval(SQL["begin_turn"], claim.unit_id, claim.attempt) is None:
            raise Fenced

    async def start_run(self, claim: Claim) -> None:
        """Say that the run is being processed, when this is its first claim."""
        if claim.run_status is not RunStatus.QUEUED:
            return
        async with self._database.pool.acquire() as connection, connection.transaction():
            run = await lock_held_run(connection, claim)
            if run["status"] == RunStatus.QUEUED:
                await change_run(connection, run, Change(starts=True))

    async def finish_chunk(self, result: Result) -> bool:
        """Store a chunk's segments once; return whether this closed the run.

        Raises:
            Fenced: the unit is another's by now.
        """
        return await self._finishing.ask(result)

    async def report_failure(
        self, claim: Claim, error: WorkError, *, retry_delays: tuple[float, ...], max_retries: int
    ) -> UnitState:
        """Count a failure: the unit waits for a retry, or ends for good; return its state.

        Raises:
            Fenced: the unit is another's by now.
        """
        failures = claim.failures + 1
        verdict = after_failure(
            failures, permanent=error.is_permanent, retry_delays=retry_delays, max_retries=max_retries
        )
        if verdict.state is UnitState.FAILED:
            await self._fail(claim, ErrorCause(code=error.code, message=error.message), failures=failures)
        else:
            await self._delay(claim, error, verdict.delay)
        return verdict.state

    async def put_off(self, claim: Claim, seconds: float, *, refused: bool) -> bool:
        """Hand the unit back until the engine's server takes more, uncounted; False when it has waited too long for that.

        It is False, too, when the unit is another's by now. `refused`: the server said so to this unit itself.
        """
        put_off = await self._database.pool.fetchval(
            SQL["put_off_unit"], claim.unit_id, claim.attempt, seconds, refused, PATIENCE
        )
        return put_off is not None

    async def hand_back(self, claim: Claim) -> None:
        """Make the unit ready again, uncounted. Commit first, then reject the token: it needs no new one."""
        await self._database.pool.execute(SQL["hand_back"], claim.unit_id, claim.attempt)

    async def _claim_units(self, tokens: Sequence[tuple[UUID, bool]]) -> Sequence[Mapping[str, Any]]:
        # The pool's connection runs this as one statement, and so as one transaction: no lock outlives it.
        ids, redelivered = zip(*tokens, strict=True)
        return await self._database.pool.fetch(
            SQL["claim_units"], self._lane, ids, self._worker_id, redelivered, SUSPECT
        )

    async def _finish_chunks(self, results: Sequence[Result]) -> Sequence[bool | Fenced]:
        """Store results in one transaction; those of one run are one change of it, with one event."""
        async with self._database.pool.acquire() as connection, connection.transaction():
            rows = await connection.fetch(
                SQL["finish_chunks"],
                [result.claim.run_id for result in results],
                [result.claim.unit_id for result in results],
                [result.claim.attempt for result in results],
                [result.engine_ms for result in results],
                [SEGMENTS.dump_json(result.segments).decode() for result in results],
                [result.voices or None for result in results],
            )
            changed = [row for row in rows if row["ended"]]
            changes = [(row, _chunks_done([results[place - 1] for place in row["ended"]])) for row in changed]
            runs = await change_runs(connection, changes) if changes else []
            slots = max(result.slots for result in results)
            closed: dict[int, bool] = {}
            for row, run in zip(changed, runs, strict=True):
                found = [language for place in row["ended"] if (language := results[place - 1].language)]
                if found and run["language"] is None:
                    await connection.execute(SQL["note_language"], run["id"], found[0])
                run = await wake(connection, run, slots)  # noqa: PLW2901
                closed |= dict.fromkeys(row["ended"], False)
                closed[row["ended"][-1]] = RunStatus(run["status"]).is_final
            return [
                closed[place] if place in closed else await ended_before(connection, result.claim)
                for place, result in enumerate(results, 1)
            ]

    async def _delay(self, claim: Claim, error: WorkError, delay: float) -> None:
        delayed = await self._database.pool.fetchval(
            SQL["delay_unit"], claim.unit_id, claim.attempt, delay, error.code, error.message
        )
        if delayed is None:
            raise Fenced

    async def _fail(self, claim: Claim, cause: ErrorCause, *, failures: int) -> None:
        async with self._database.pool.acquire() as connection, connection.transaction():
            run = await lock_run(connection, claim.run_id)
            run = await fail_unit(
                connection,
                run,
                unit_id=claim.unit_id,
                attempt=claim.attempt,
                failures=failures,
                lost=claim.lost,
                cause=cause,
            )
            if claim.kind in (UnitKind.CHUNK, UnitKind.OPERATION):
                await wake(connection, run, slots=0)


def _chunks_done(results: Sequence[Result]) -> Change:
    """Return the change that chunks of one run make together."""
    segments = [segment for result in results for segment in result.segments]
    return Change(
        units_ended=len(results),
        chunks_done=len(results),
        done_samples=sum(result.claim.samples - result.counted for result in results),
        segments=sorted(segments, key=lambda segment: segment.index),
        traceparent=results[-1].traceparent,
    )
