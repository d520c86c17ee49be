"""Imports in the database: what a part is of, and how a claim of one ends. All is fenced by its attempt, as for other units."""

from typing import Any
from uuid import UUID

from lingoloop_common import tracing
from lingoloop_common.contracts.units import plan_cost
from lingoloop_common.errors import WorkError
from lingoloop_common.store.database import Connection, Database
from lingoloop_common.store.ids import new_id
from lingoloop_common.store.queries import load_queries
from lingoloop_common.store.runs import SQL as RUN_SQL
from lingoloop_common.store.runs import Change, Fenced, Row, change_run, lock_run
from lingoloop_common.store.usage import lock_owner, no_room, usage
from lingoloop_transcriber.claim import Claim
from lingoloop_transcriber.fence import check_held, end_unit

SQL = load_queries(__package__, "imports.sql")


class Imports:
    """The writes for units that fetch a recording."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, claim: Claim) -> Row:
        """Return what is still to be fetched; raise Fenced when the recording was deleted."""
        row = await self._database.pool.fetchrow(SQL["import_of_run"], claim.run_id)
        if row is None:
            raise Fenced("the recording was deleted")
        return dict(row)

    async def note(self, claim: Claim, row: Row, *, owner_storage: int, **answer: Any) -> None:
        """Write down of what a part is the beginning: `validator`, `total`, `content_type`, `filename`.

        From then on its total takes room in its owner's storage, of which there are `owner_storage` bytes; 0: any.

        Raises:
            Fenced: another attempt fetches it, or it was cancelled.
            WorkError: `storage_quota`.
        """
        columns = (answer[name] for name in ("validator", "total", "content_type", "filename"))
        async with self._database.pool.acquire() as connection, connection.transaction():
            await _take_room(connection, row, answer["total"] or 0, owner_storage)
            noted = await connection.fetchval(
                SQL["note_answer"], claim.unit_id, claim.attempt, row["part"], *columns
            )
            if noted is None:
                raise Fenced

    async def renew(self, claim: Claim, audio_id: UUID) -> Row:
        """Let go of what has come, for the server has another file by now; return the row that begins anew; raise Fenced."""
        async with self._database.pool.acquire() as connection, connection.transaction():
            await check_held(connection, claim)
            await connection.execute(RUN_SQL["drop_parts"], [audio_id], True)
        return await self.get(claim)

    async def put_off(self, claim: Claim, seconds: float) -> None:
        """Hand the unit back for a while, uncounted."""
        await self._database.pool.execute(SQL["put_off"], claim.unit_id, claim.attempt, seconds)

    async def stored(self, row: Row) -> int:
        """Return how many bytes its owner has stored beside it."""
        return (await usage(self._database.pool, row["owner"], row["audio_id"])).stored_bytes

    async def finish(self, claim: Claim, row: Row, *, size: int, sha256: bytes, owner_storage: int) -> None:
        """End the import: its recording is whole, and its plan is next; `owner_storage` as for `note`.

        Raises:
            Fenced: another attempt fetches it, or it was cancelled.
            LookupError: the recording was deleted.
            WorkError: `storage_quota`; nobody had told how large it would be.
        """
        audio_id = row["audio_id"]
        async with self._database.pool.acquire() as connection, connection.transaction():
            await _take_room(connection, row, size, owner_storage)
            if await connection.fetchval(SQL["hold_audio"], audio_id) is None:
                raise LookupError("the recording was deleted")
            run = await lock_run(connection, claim.run_id)
            if not await end_unit(connection, claim):
                return
            cost = plan_cost(small=False)
            await connection.execute(
                SQL["fetched"], audio_id, size, sha256, claim.unit_id, new_id(), cost, tracing.headers()
            )
            await change_run(connection, run, Change())


async def _take_room(connection: Connection, row: Row, size: int, owner_storage: int) -> None:
    """Let nobody else take the room that an import needs, until the transaction ends; raise WorkError where there is none."""
    await lock_owner(connection, row["owner"])
    has = await usage(connection, row["owner"], row["audio_id"])
    if text := no_room(owner_storage, has.stored_bytes, size):
        raise WorkError("storage_quota", text)
