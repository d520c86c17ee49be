"""What an owner may have stored and queued: looked at before bytes come, while they come, and where they are accepted."""

import contextlib
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from uuid import UUID

from lingoloop_common.errors import Problem
from lingoloop_common.keys import Queryable
from lingoloop_common.store.database import Connection, Database
from lingoloop_common.store.queries import load_queries
from lingoloop_common.store.usage import Usage, no_room, usage

SQL = load_queries(__package__, "quotas.sql")

FORM = 4 * 2**20
"""Bytes that a form may have beside its file: a declared length may be beyond the limit by as much."""

COME_BACK = 60
"""Seconds until a full queue is worth another look. How fast it empties is the fleet's to say, which may grow meanwhile; to be
refused costs no upload; and OpenAI's clients wait no longer."""

BYTES_A_MS = 16
"""Of a recording whose length nobody knows yet: 128 kbit/s."""

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class OwnerLimits:
    """What each owner may have: bytes in storage, milliseconds of audio that wait; 0: no limit."""

    storage_bytes: int
    queued_ms: int


NO_LIMITS = OwnerLimits(0, 0)


def check_storage(limits: OwnerLimits, stored: int, more: int) -> None:
    """Raise Problem `storage_quota` where bytes find no room beside those that are stored. Pure."""
    if text := no_room(limits.storage_bytes, stored, more):
        raise Problem("storage_quota", text)


def check_queue(limits: OwnerLimits, queued_ms: int, more_ms: int) -> None:
    """Raise Problem `queue_quota` where audio finds no room in the queue; a single recording always does. Pure."""
    if limits.queued_ms and queued_ms and queued_ms + more_ms > limits.queued_ms:
        raise Problem(
            "queue_quota",
            f"{queued_ms / HOUR_MS:.1f} h of your audio wait already, and {limits.queued_ms / HOUR_MS:g} h may;"
            " come back when some of it is done",
            retryAfter=COME_BACK,
        )


class Room:
    """Room for the bytes of one upload while they come."""

    def __init__(self, limits: OwnerLimits, stored: int, incoming: Counter[str], owner: str) -> None:
        self._limits, self._stored, self._incoming, self._owner = limits, stored, incoming, owner
        self.taken = 0

    async def watch(self, parts: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        """Pass bytes on; raise Problem `storage_quota` when they and the others that come find no room."""
        async for part in parts:
            self.taken += len(part)
            self._incoming[self._owner] += len(part)
            check_storage(self._limits, self._stored, self._incoming[self._owner])
            yield part


class Quotas:
    """Holds what owners have, and what comes, against the limits."""

    def __init__(self, database: Database, limits: OwnerLimits) -> None:
        self._database, self._limits = database, limits
        self._incoming: Counter[str] = Counter()

    @contextlib.asynccontextmanager
    async def room(self, owner: str, declared: int | None, key: str | None = None) -> AsyncIterator[Room]:
        """Make room for an upload, before its body is read; one that comes again by its key has as much as the first.

        Args:
            owner: whose it is.
            declared: the length of the request's body, if it says so.
            key: its `Idempotency-Key`.

        Raises:
            Problem: `storage_quota` or `queue_quota`.
        """
        limits = self._limits
        has = await _usage(self._database.pool, owner, limits)
        taken = has.stored_bytes + self._incoming[owner]
        if key and (first := await self._database.pool.fetchval(SQL["first_size"], owner, key)):
            # It will make nothing, so neither limit may keep its answer from it.
            limits = OwnerLimits(limits.storage_bytes and max(limits.storage_bytes, taken + first), 0)
        check_storage(limits, taken, max(1, (declared or 0) - FORM))
        check_queue(limits, has.queued_ms, 1)
        room = Room(limits, has.stored_bytes, self._incoming, owner)
        try:
            yield room
        finally:
            self._incoming[owner] -= room.taken
            if not self._incoming[owner]:
                del self._incoming[owner]

    async def check(
        self,
        connection: Connection,
        owner: str,
        audio_id: UUID,
        *,
        more_bytes: int,
        size_bytes: int,
        duration_ms: int | None,
    ) -> None:
        """Let a run be accepted, in its transaction, which has called `lock_owner`.

        Args:
            connection: the transaction's.
            owner: whose it is.
            audio_id: the recording's; what its upload has taken already is not counted.
            more_bytes: what is stored for it, 0 when that was there already.
            size_bytes: the recording's size.
            duration_ms: its length, if that is known.

        Raises:
            Problem: `storage_quota` or `queue_quota`.
        """
        has = await _usage(connection, owner, self._limits, audio_id)
        check_storage(self._limits, has.stored_bytes, more_bytes)
        check_queue(
            self._limits, has.queued_ms, size_bytes // BYTES_A_MS if duration_ms is None else duration_ms
        )


async def _usage(database: Queryable, owner: str, limits: OwnerLimits, audio_id: UUID | None = None) -> Usage:
    return Usage(0, 0) if limits == NO_LIMITS else await usage(database, owner, audio_id)
