"""Deletions: a recording goes with all that came of it, and a receipt stays."""

from typing import Any
from uuid import UUID

import structlog

from lingoloop_common.blobs import audio_blob, chunks_folder
from lingoloop_common.contracts.events import ErrorCause
from lingoloop_common.contracts.states import RunStatus
from lingoloop_common.errors import Problem
from lingoloop_common.faults import told
from lingoloop_common.relay import Relay
from lingoloop_common.store.database import BROKEN, Database
from lingoloop_common.store.ids import new_id
from lingoloop_common.store.queries import load_queries
from lingoloop_common.store.runs import Row
from lingoloop_common.store.usage import lock_owner
from lingoloop_gateway.control import CANCELED, cancel_runs
from lingoloop_gateway.removals import Removals
from lingoloop_gateway.runs import iso

log = structlog.get_logger(__name__)

SQL = load_queries(__package__, "deletions.sql")

DELETED = ErrorCause(code=CANCELED.code, message="the recording was deleted")

LATE = 60.0
"""Seconds in which a worker that does not know yet may still store something; two would do if none ever hung."""


class Deletions:
    """Deletes recordings, on their owner's behalf or because they are kept no longer."""

    def __init__(self, database: Database, relay: Relay, removals: Removals) -> None:
        self._database, self._relay, self._removals = database, relay, removals

    async def delete(self, audio_id: UUID, owner: str) -> Row:
        """Delete an audio and all that came of it; return the receipt.

        What runs is cancelled first: whoever follows it is told its end, and its workers are fenced.

        Raises:
            Problem: `not_found`, also the second time.
        """
        receipt = await self._delete(audio_id, owner)
        if receipt is None:
            raise Problem("not_found", "there is no such audio")
        return receipt

    async def expire(self, audio_id: UUID, owner: str, days: int) -> bool:
        """Delete an audio and all that came of it, if it is kept no longer; return whether it was.

        Args:
            audio_id: which.
            owner: whose.
            days: for which it is kept after its last run's end, unless its owner has a number of days of their own.
        """
        return await self._delete(audio_id, owner, kept_days=days) is not None

    async def _delete(self, audio_id: UUID, owner: str, *, kept_days: int | None = None) -> Row | None:
        """Return the receipt; None if there is no such audio, or `kept_days` say that it is kept."""
        expires = kept_days is not None
        async with self._database.pool.acquire() as connection, connection.transaction():
            # An endpoint that is resumed or deleted takes its deliveries in another order than their runs do.
            await lock_owner(connection, owner)
            audio = await connection.fetchrow(SQL["lock_audio"], audio_id, owner)
            if audio is None:
                return None
            runs = await connection.fetch(SQL["lock_runs"], audio_id)
            if expires and not await connection.fetchval(SQL["is_expired"], audio_id, owner, kept_days):
                return None
            under_way = [dict(run) for run in runs if not RunStatus(run["status"]).is_final]
            if under_way:
                await cancel_runs(connection, under_way, DELETED)
            blobs = {audio_blob(audio_id): 0.0 if audio["whole"] else LATE}
            blobs |= {chunks_folder(run["id"]): LATE for run in runs}
            receipt = await connection.fetchrow(
                SQL["delete_audio"],
                audio_id,
                [run["id"] for run in runs],
                new_id(),
                list(blobs),
                list(blobs.values()),
                expires,
            )
            assert receipt is not None  # the audio is locked
        self._relay.tell()
        try:
            await self._removals.remove(list(blobs))
        except BROKEN as error:  # deleted all the same; the next pass removes them once more
            log.warning("removals are left to a later pass", error=told(error))
        return dict(receipt)


def describe_receipt(receipt: Row) -> dict[str, Any]:
    """Return a receipt as a deletion is answered with it."""
    return {
        "id": str(receipt["id"]),
        "audioId": str(receipt["audio_id"]),
        "owner": receipt["owner"],
        "runs": receipt["runs"],
        "segments": receipt["segments"],
        "events": receipt["events"],
        "sizeBytes": receipt["size_bytes"],
        "sha256": receipt["sha256"].hex() if receipt["sha256"] else None,
        "deletedAt": iso(receipt["deleted_at"]),
    }
