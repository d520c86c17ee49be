"""Uploads that come in several requests: how far each is, and the run that it becomes, exactly one whatever dies.

The bytes in storage say how far an upload is. When all have come they get the name of a recording, and one transaction makes
the run and ends the upload; a request that finds all bytes and no run does that again.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from lingoloop_common.blobs import Blobs
from lingoloop_common.errors import Problem
from lingoloop_common.lifecycle import to_its_end
from lingoloop_common.store.database import Connection, Database
from lingoloop_common.store.ids import new_id
from lingoloop_common.store.queries import load_queries
from lingoloop_common.store.runs import Row
from lingoloop_common.store.usage import lock_owner
from lingoloop_gateway.lanes import Lanes
from lingoloop_gateway.quotas import Quotas
from lingoloop_gateway.removals import Removals
from lingoloop_gateway.tus import Checksum, Creation, describe
from lingoloop_gateway.upload_bytes import UploadBytes
from lingoloop_gateway.upload_count import counted
from lingoloop_gateway.uploads import Received, Uploads

SQL = load_queries(__package__, "resumable.sql")

BATCH = 100
"""Expired uploads that are dropped in one transaction."""

HOPELESS = frozenset({"not_audio", "too_long"})
"""Problems of the bytes themselves: the upload is dropped."""


@dataclass(frozen=True, slots=True)
class Became:
    """The run that an upload has become; `reused` if it was there already, of another upload."""

    run_id: UUID
    reused: bool


class Resumable:
    """An owner's uploads; each is a row of `upload`. `expires` is in seconds."""

    def __init__(
        self,
        *,
        database: Database,
        lanes: Lanes,
        quotas: Quotas,
        blobs: Blobs,
        uploads: Uploads,
        removals: Removals,
        max_bytes: int,
        expires: float,
    ) -> None:
        self._database, self._lanes, self._quotas = database, lanes, quotas
        self._bytes, self._uploads = UploadBytes(blobs), uploads
        self._removals, self._max_bytes, self._expires = removals, max_bytes, expires
        self._finishing: dict[UUID, asyncio.Future[Became]] = {}

    async def check(self, creation: Creation) -> None:
        """Look at what an upload shall become; raise Problem for an option that is wrong."""
        if not creation.partial:
            await self._lanes.named_by(describe(creation.metadata).options)

    async def create(self, connection: Connection, owner: str, creation: Creation) -> UUID:
        """Begin a checked upload in the caller's transaction, or find the one of the same parts; return its id.

        Raises:
            Problem: there is no room; the parts are not there, not whole, or not usable any more.
        """
        if creation.parts:
            return await self._create_of_parts(connection, owner, creation)
        upload_id, size = new_id(), creation.length or 1
        # Before the owner's lock, for the disk may be busy with others' uploads.
        await self._bytes.begin(upload_id)
        try:
            await lock_owner(connection, owner)
            await self._quotas.check(
                connection, owner, upload_id, more_bytes=size, size_bytes=0, duration_ms=0
            )
            await connection.execute(
                SQL["insert_upload"],
                upload_id,
                owner,
                creation.length,
                creation.metadata,
                creation.concat,
                None,
                self._expires,
            )
        except BaseException:
            await self._bytes.forget(upload_id)
            raise
        return upload_id

    async def get(self, upload_id: UUID, owner: str) -> Row:
        """Return an upload's row; raise Problem `not_found`, or `gone` when it expired, or its recording was deleted."""
        upload = await self._database.pool.fetchrow(SQL["upload_by_id"], upload_id, owner)
        if upload is None:
            raise Problem("not_found", "there is no such upload")
        if upload["run_id"] is None and upload["expires_at"] <= upload["now"]:
            raise Problem("gone", "the upload has expired; begin it again")
        if upload["run_id"] is not None and not upload["run_there"]:
            raise Problem("gone", "the recording was deleted")
        return dict(upload)

    async def length(self, upload: Row) -> int:
        """Return how many bytes of an upload have come."""
        if upload["run_id"] is not None or upload["final_id"] is not None:
            length: int = upload["length"]
            return length
        have = await self._bytes.length(upload["id"])
        if have is not None:
            return have
        if upload["parts"]:  # not joined yet
            return 0
        raise Problem("not_found", "there is no such upload")

    async def set_length(self, upload: Row, length: int, offset: int) -> None:
        """Write down how long an upload will be.

        Raises:
            Problem: `bad_request` if that is known already, and not the same; `storage_quota`.
        """
        if length < offset:
            raise Problem("bad_request", f"Upload-Length is less than the {offset} bytes that have come")
        if upload["length"] == length:
            return
        async with self._database.pool.acquire() as connection, connection.transaction():
            await lock_owner(connection, upload["owner"])
            await self._quotas.check(
                connection, upload["owner"], upload["id"], more_bytes=length, size_bytes=0, duration_ms=0
            )
            if not await connection.fetchval(SQL["set_length"], upload["id"], length):
                raise Problem("bad_request", "Upload-Length was told before, and may not change")

    async def extend(self, upload: Row) -> datetime:
        """Let an upload live on; return when it expires."""
        moment: datetime = upload["expires_at"]
        if moment - upload["now"] < timedelta(seconds=self._expires * 0.9):
            extended = await self._database.pool.fetchval(SQL["extend_upload"], upload["id"], self._expires)
            return extended or moment
        return moment

    async def append(
        self,
        upload: Row,
        parts: AsyncIterator[bytes],
        *,
        offset: int,
        length: int | None,
        checksum: Checksum | None,
    ) -> int:
        """Add bytes at the end of an upload that is `length` bytes long, if that is known; see `UploadBytes.append`."""
        limit = self._max_bytes if length is None else length
        return await self._bytes.append(upload["id"], parts, offset=offset, limit=limit, checksum=checksum)

    async def finish(self, upload: Row) -> Became | None:
        """Return what an upload has become, all of whose bytes have come; None for one that is a part.

        Goes on to its end if the client goes away. If it is not a recording, the upload is dropped.

        Raises:
            Problem: it cannot become a run.
        """
        if upload["run_id"] is not None:
            return _became(upload)
        if upload["concat"] is not None and upload["parts"] is None:
            return None
        if (finishing := self._finishing.get(upload["id"])) is None:
            finishing = self._finishing[upload["id"]] = asyncio.ensure_future(self._finish_counted(upload))
            finishing.add_done_callback(lambda _: self._finishing.pop(upload["id"], None))
        return await to_its_end(finishing)

    async def _finish_counted(self, upload: Row) -> Became:
        with counted("tus") as count:
            became = await self._finish(upload)
            count.reused = became.reused
        return became

    async def _finish(self, upload: Row) -> Became:
        upload_id, owner = upload["id"], upload["owner"]
        described = describe(upload["metadata"])
        if upload["parts"]:
            lengths = await self._database.pool.fetchval(SQL["part_lengths"], upload["parts"])
            await self._bytes.join(upload_id, upload["parts"], lengths)
        stored = await self._bytes.publish(upload_id, upload["length"], owner)
        received = Received(upload_id, described.filename, described.content_type, stored)
        try:
            if not upload["length"]:
                raise Problem("not_audio", "the file is empty")
            examined = await self._uploads.examine(received, described.options)
        except Problem as problem:
            if problem.code in HOPELESS:
                await self.drop(upload)
            raise
        async with self._database.pool.acquire() as connection, connection.transaction():
            locked = await connection.fetchrow(SQL["lock_upload"], upload_id)
            if locked is None:
                raise Problem("not_found", "the upload was ended meanwhile")
            if locked["run_id"] is not None:
                return _became(locked)
            accepted = await self._uploads.place(connection, owner, received, described.options, examined)
            await connection.execute(SQL["end_upload"], upload_id, accepted.run_id, self._expires)
        await self._uploads.settle(received, accepted)
        return Became(accepted.run_id, accepted.reused)

    async def drop(self, upload: Row) -> None:
        """Forget an upload that has become no run, with its bytes and its parts."""
        names = await self._database.pool.fetch(SQL["drop_uploads"], [upload["id"]])
        await self._removals.remove([row["name"] for row in names])

    async def drop_expired(self) -> None:
        """Forget all uploads that have expired."""
        while True:
            async with self._database.pool.acquire() as connection, connection.transaction():
                ids = [row["id"] for row in await connection.fetch(SQL["expired_uploads"], BATCH)]
                names = await connection.fetch(SQL["drop_uploads"], ids)
            if not ids:
                return
            await self._removals.remove([row["name"] for row in names])

    async def _create_of_parts(self, connection: Connection, owner: str, creation: Creation) -> UUID:
        wanted = list(dict.fromkeys(creation.parts))
        parts = {row["id"]: row for row in await connection.fetch(SQL["lock_parts"], wanted, owner)}
        if set(wanted) - parts.keys():
            raise Problem("not_found", "Upload-Concat names an upload that is not there")
        if any(part["concat"] != "partial" for part in parts.values()):
            raise Problem("bad_request", "Upload-Concat names an upload that is not partial")
        finals = {part["final_id"] for part in parts.values()}
        if finals != {None}:
            before = await connection.fetchrow(SQL["upload_by_id"], finals.pop(), owner)
            if before is None or before["parts"] != list(creation.parts):
                raise Problem("gone", "Upload-Concat names an upload that is part of another already")
            # Asked for again, since the answer was lost.
            found: UUID = before["id"]
            return found
        if not all(part["fresh"] for part in parts.values()):
            raise Problem("gone", "Upload-Concat names an upload that has expired")
        for part in parts.values():
            if await self._bytes.length(part["id"]) != part["length"]:
                raise Problem("conflict", "Upload-Concat names an upload whose bytes have not all come")
        length = sum(parts[part]["length"] for part in creation.parts)
        if length > self._max_bytes:
            raise Problem("too_large", f"an upload may have {self._max_bytes} bytes")
        upload_id = new_id()
        await connection.execute(
            SQL["insert_upload"],
            upload_id,
            owner,
            length,
            creation.metadata,
            creation.concat,
            list(creation.parts),
            self._expires,
        )
        await connection.execute(SQL["use_parts"], wanted, upload_id, self._expires)
        return upload_id


def _became(upload: Row) -> Became:
    # The recording of a run that was made for an upload has the upload's id.
    return Became(upload["run_id"], reused=not upload["audio_there"])
