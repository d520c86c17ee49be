"""What an owner has stored and queued. Counted in the database: nothing has to be kept in step."""

from dataclasses import dataclass
from uuid import UUID

from lingoloop_common.keys import Queryable
from lingoloop_common.store.database import Connection
from lingoloop_common.store.queries import load_queries

SQL = load_queries(__package__, "usage.sql")

ACCEPTING = 0x11600D
"""Advisory lock's first key; the second is the owner's hash. Owners who share one wait for each other, and no more."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What an owner has: bytes in storage, milliseconds of audio that wait."""

    stored_bytes: int
    queued_ms: int


async def lock_owner(connection: Connection, owner: str) -> None:
    """Let one transaction at a time accept something for an owner, or delete it."""
    await connection.execute(SQL["lock_owner"], ACCEPTING, owner)


async def usage(database: Queryable, owner: str, but: UUID | None = None) -> Usage:
    """Return what an owner has, but for what has come so far of the recording `but`."""
    row = await database.fetchrow(SQL["usage"], owner, but)
    return Usage(row["stored_bytes"], row["queued_ms"])


def no_room(limit: int, stored: int, more: int) -> str | None:
    """Return what to tell an owner where bytes find no room beside those that are stored, None where they do. Pure.

    A limit of 0 is none.
    """
    if limit and more and stored + more > limit:
        return (
            f"your recordings may have {limit} bytes together, and {stored} are taken;"
            " delete some, or ask for more room"
        )
    return None
