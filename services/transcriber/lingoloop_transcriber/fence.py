"""The fence: only the attempt that holds a unit writes for it (design, rule 3)."""

from typing import Literal

from lingoloop_common.store.database import Connection
from lingoloop_common.store.queries import load_queries
from lingoloop_common.store.runs import Fenced, Row, lock_run
from lingoloop_transcriber.claim import Claim

SQL = load_queries(__package__, "fence.sql")


async def lock_held_run(connection: Connection, claim: Claim) -> Row:
    """Lock the run of a unit that is still held, and return it.

    Raises:
        Fenced: the unit is another's by now.
    """
    run = await lock_run(connection, claim.run_id)
    await check_held(connection, claim)
    return run


async def check_held(connection: Connection, claim: Claim) -> None:
    """Keep a unit until the transaction ends.

    Raises:
        Fenced: it is another's by now.
    """
    if await connection.fetchrow(SQL["still_mine"], claim.unit_id, claim.attempt) is None:
        raise Fenced


async def end_unit(connection: Connection, claim: Claim) -> bool:
    """End a unit; False when this very attempt had ended it before.

    Raises:
        Fenced: it is another's by now.
    """
    if await connection.fetchval(SQL["end_unit"], claim.unit_id, claim.attempt) is not None:
        return True
    if isinstance(before := await ended_before(connection, claim), Fenced):
        raise before
    return False


async def ended_before(connection: Connection, claim: Claim) -> Literal[False] | Fenced:
    """Return False when this very attempt had ended the unit (a commit whose answer was lost), else what to raise."""
    return False if await connection.fetchval(SQL["ended_by_me"], claim.unit_id, claim.attempt) else Fenced()
