"""Operations in the database: what an attempt finds of one, and how it ends. All is fenced by the attempt, as for other units."""

from dataclasses import dataclass
from uuid import UUID

from lingoloop_common.store.database import Connection, Database
from lingoloop_common.store.ids import new_id
from lingoloop_common.store.queries import load_queries
from lingoloop_common.store.runs import Change, Fenced, Row, change_run, lock_run
from lingoloop_transcriber.claim import Claim

SQL = load_queries(__package__, "operations.sql")


@dataclass(frozen=True, slots=True)
class Pending:
    """An operation is under way, or is by now: it is to be looked at again in `pause` seconds.

    Attributes:
        samples: of its chunk, those that it has done.
        counted: those of them that the run has counted before.
    """

    claim: Claim
    name: str
    pause: float
    samples: int
    counted: int


class OperationRows:
    """The writes for units that operations do, and for operations that units left."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def hold(self, claim: Claim) -> Row:
        """Return the unit's operation.

        Its key is `id`; `age` is in seconds; `part` is how many parts of the recording are before it; `counted_samples` are
        those of its chunk that progress has counted; the others are the table's.

        Raises:
            Fenced: the unit is another's by now.
        """
        row = await self._database.pool.fetchrow(
            SQL["hold_operation"], claim.unit_id, claim.attempt, new_id()
        )
        if row is None:
            raise Fenced
        return dict(row)

    async def wait(self, pending: Pending) -> None:
        """End the attempt until the operation is looked at again, and count the progress that it has made; may be repeated.

        Raises:
            Fenced: the unit is another's by now.
        """
        claim, more = pending.claim, pending.samples - pending.counted
        async with self._database.pool.acquire() as connection, connection.transaction():
            run = await lock_run(connection, claim.run_id) if more > 0 else None
            if not await self._end_attempt(connection, pending):
                return
            if run is not None:
                await connection.execute(SQL["count_samples"], claim.unit_id, pending.samples)
                await change_run(connection, run, Change(done_samples=more))

    async def give_up(self, claim: Claim) -> None:
        """Let go of the unit's operation: the next attempt begins another."""
        await self._database.pool.execute(SQL["give_up_operation"], claim.unit_id, claim.attempt)

    async def take_left(self, lane: str, seconds: float) -> list[Row]:
        """Return operations that nobody needs any more (`id`, `name`, `begins`, `age`); for `seconds` nobody else is given them."""
        return [dict(row) for row in await self._database.pool.fetch(SQL["take_left"], lane, seconds)]

    async def forget(self, key: UUID) -> None:
        """Delete the row of an operation that has left nothing behind."""
        await self._database.pool.execute(SQL["forget_operation"], key)

    async def _end_attempt(self, connection: Connection, pending: Pending) -> bool:
        """End it; False when this very attempt had done so before."""
        mine = (pending.claim.unit_id, pending.claim.attempt)
        if await connection.fetchval(SQL["wait"], *mine, pending.name, pending.pause) is not None:
            return True
        if await connection.fetchval(SQL["waits_already"], *mine):
            return False
        raise Fenced
