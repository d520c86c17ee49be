"""Control: what people do to runs that exist. Cancel them, try them again, put back what failed for good."""

from collections.abc import Sequence
from uuid import UUID

from lingoloop_common import tracing
from lingoloop_common.contracts import events
from lingoloop_common.contracts.events import ErrorCause
from lingoloop_common.contracts.states import IllegalMove, RunStatus
from lingoloop_common.errors import Problem
from lingoloop_common.log import request_id
from lingoloop_common.relay import Relay
from lingoloop_common.store.database import Connection, Database
from lingoloop_common.store.ids import new_id
from lingoloop_common.store.queries import load_queries
from lingoloop_common.store.runs import SQL as RUN_SQL
from lingoloop_common.store.runs import Change, Fenced, Row, change_run, change_runs, lock_run

SQL = load_queries(__package__, "control.sql")

CANCELED = ErrorCause(code="canceled", message="the run was cancelled")


class Control:
    """Writes to runs on their owner's behalf, or an operator's."""

    def __init__(self, database: Database, relay: Relay) -> None:
        self._database, self._relay = database, relay

    async def cancel(self, run_id: UUID, owner: str) -> None:
        """End a run now: what is under way stops within two seconds, what is finished is kept.

        Raises:
            Problem: `not_found`, or `conflict` when it has ended already.
        """
        async with self._database.pool.acquire() as connection, connection.transaction():
            run = await self._lock(connection, run_id, owner)
            if RunStatus(run["status"]).is_final:
                raise Problem("conflict", f"the run has {run['status']} already; there is nothing to cancel")
            await cancel_runs(connection, [run], CANCELED)
        self._relay.tell()

    async def retry(self, run_id: UUID, owner: str) -> None:
        """Try a failed run again: only what is missing is done.

        Raises:
            Problem: `not_found`, or `conflict` when it has not failed.
        """
        async with self._database.pool.acquire() as connection, connection.transaction():
            await connection.execute(SQL["hold_audio"], run_id)
            run = await self._lock(connection, run_id, owner)
            if run["status"] != RunStatus.FAILED:
                raise Problem(
                    "conflict", f"the run is {run['status']}; only one that failed can be tried again"
                )
            await self._revive(connection, run, None)
        self._relay.tell()

    async def replay(self, run_id: UUID, unit_ids: Sequence[UUID]) -> int:
        """Put back units of a run that failed for good; return how many still had failed."""
        try:
            async with self._database.pool.acquire() as connection, connection.transaction():
                await connection.execute(SQL["hold_audio"], run_id)
                run = await lock_run(connection, run_id)
                # Speakers that are told apart once the rest is there come along with it.
                revived = min(len(unit_ids), await self._revive(connection, run, unit_ids))
        except (Fenced, IllegalMove):  # rolled back: nothing was written
            return 0
        self._relay.tell()
        return revived

    async def _lock(self, connection: Connection, run_id: UUID, owner: str) -> Row:
        if await connection.fetchval(SQL["is_owners"], run_id, owner):
            try:
                return await lock_run(connection, run_id)
            except Fenced:
                pass  # deleted just now
        raise Problem("not_found", "there is no such run")

    async def _revive(self, connection: Connection, run: Row, unit_ids: Sequence[UUID] | None) -> int:
        """Put units back; raise IllegalMove, and leave it to the caller to roll back, when none of them has failed."""
        job_id: UUID | None = await connection.fetchval(SQL["open_job"], run["id"])
        if job_id is None:
            job_id = new_id()
            traceparent = tracing.current().traceparent
            await connection.execute(SQL["another_job"], run["id"], job_id, traceparent, request_id())
        revived: int = await connection.fetchval(SQL["revive_units"], run["id"], unit_ids, job_id)
        if not revived:
            raise IllegalMove("none of these units has failed")
        await connection.execute(SQL["was_not_the_end"], run["id"], events.UPDATED, events.DONE)
        await connection.execute(RUN_SQL["activate_owner"], run["lane"], run["owner"])
        still = await connection.fetchrow(SQL["first_cause"], run["id"])
        cause = ErrorCause(code=still["error_code"], message=still["error_message"]) if still else None
        change = Change(
            retries=True, units_ended=-revived, units_failed=-revived, error=cause, replaces_error=True
        )
        await change_run(connection, run, change)
        return revived


async def cancel_runs(connection: Connection, runs: Sequence[Row], cause: ErrorCause) -> None:
    """End runs under way that this transaction has locked, by their ids: all units first, then all events (lock order)."""
    rows = await connection.fetch(SQL["cancel_units"], [run["id"] for run in runs], cause.code, cause.message)
    ended = {row["run_id"]: row["ended"] for row in rows}
    await connection.execute(RUN_SQL["drop_parts"], [run["audio_id"] for run in runs], False)

    def canceled(units: int) -> Change:
        return Change(units_ended=units, units_failed=units, error=cause, replaces_error=True)

    await change_runs(connection, [(run, canceled(ended.get(run["id"], 0))) for run in runs])
