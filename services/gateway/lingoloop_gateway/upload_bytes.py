"""The bytes of uploads that come in several requests: more at an upload's end, parts made one, and at last a recording."""

from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import TypeVar
from uuid import UUID

from lingoloop_common.blobs import (
    BlobBusy,
    BlobChanged,
    BlobMissing,
    Blobs,
    BlobTooLarge,
    Stored,
    audio_blob,
    upload_blob,
    upload_folder,
)
from lingoloop_common.errors import Problem
from lingoloop_common.lifecycle import to_its_end
from lingoloop_common.store.ids import new_id
from lingoloop_gateway.running_sums import RunningSums
from lingoloop_gateway.tus import Checksum

T = TypeVar("T")


class UploadBytes:
    """All uploads' bytes; how far each is, they alone say. What the storage cannot do is raised as a Problem."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs, self._sums = blobs, RunningSums()

    async def begin(self, upload_id: UUID) -> None:
        """Make room for an upload."""
        await _told(self._blobs.begin(upload_blob(upload_id)))

    async def forget(self, upload_id: UUID) -> None:
        """Delete what has come of an upload that is not in the database."""
        await to_its_end(self._blobs.delete_below(upload_folder(upload_id)))

    async def length(self, upload_id: UUID) -> int | None:
        """Return how many bytes have come; None where there is nothing, or not yet of one that is made of parts."""
        for name in (upload_blob(upload_id), audio_blob(upload_id)):  # published, and not yet a run
            try:
                return await self._blobs.length(name)
            except BlobMissing:
                pass
        return None

    async def append(
        self,
        upload_id: UUID,
        parts: AsyncIterator[bytes],
        *,
        offset: int,
        limit: int,
        checksum: Checksum | None,
    ) -> int:
        """Add bytes at the end, and return how many there are then; what came before an error stays.

        With a checksum, all or none of them are added.

        Raises:
            Problem: `conflict` when it does not end at `offset`, `locked` when bytes come by another request, `too_large`,
                `checksum_mismatch`, `storage_full`, `not_found`.
        """
        if checksum is not None:
            return await self._append_checked(upload_id, parts, offset, limit, checksum)
        return await _told(self._append(upload_id, parts, offset, limit))

    async def join(self, upload_id: UUID, parts: Sequence[UUID], lengths: Sequence[int]) -> None:
        """Make an upload of parts: the first becomes it, the others are added. Goes on where it was broken off."""
        await _told(self._join(upload_id, parts, lengths))

    async def publish(self, upload_id: UUID, length: int, owner: str) -> Stored:
        """Give an upload that is whole the name of a recording, if it has not got it; return what is stored.

        What another gateway took, or this one before it was started again, is read once more for its SHA-256, which its last
        request waits for, as it does for parts that are joined: 2 to 5 s for 1 GB on two busy cores.
        """
        published = audio_blob(upload_id)
        await _told(self._blobs.publish(upload_blob(upload_id), published, labels={"owner": owner}))
        running = self._sums.take(upload_id, most=length)
        if running.size < length:
            await _told(self._blobs.tell(running, published, start=running.size, end=length))
        return Stored(running.size, await running.digest())

    async def _append(self, upload_id: UUID, parts: AsyncIterator[bytes], offset: int, limit: int) -> int:
        name, running = upload_blob(upload_id), self._sums.take(upload_id, most=offset)
        try:
            if running.size < offset:  # it was another gateway, or before a restart
                await self._blobs.tell(running, name, start=running.size, end=offset)
            return await self._blobs.append(name, parts, offset=offset, limit=limit, digest=running)
        finally:
            self._sums.keep(upload_id, running)

    async def _append_checked(
        self, upload_id: UUID, parts: AsyncIterator[bytes], offset: int, limit: int, checksum: Checksum
    ) -> int:
        piece, digest = f"{upload_folder(upload_id)}/{new_id()}", checksum.begin()
        try:
            await _told(self._blobs.begin(piece))
            await _told(self._blobs.append(piece, parts, offset=0, limit=limit - offset, digest=digest))
            if digest.digest() != checksum.value:
                raise Problem("checksum_mismatch", f"the bytes have another {checksum.algorithm}")
            return await _told(self._append(upload_id, self._blobs.read(piece), offset, limit))
        finally:
            await to_its_end(self._blobs.remove(piece))

    async def _join(self, upload_id: UUID, parts: Sequence[UUID], lengths: Sequence[int]) -> None:
        if await self.length(upload_id) == sum(lengths):
            return
        name, first = upload_blob(upload_id), upload_blob(parts[0])
        await self._blobs.take_over(first, name)
        running = self._sums.take(parts[0], most=lengths[0])
        self._sums.keep(upload_id, running)
        end = 0
        for part, length in zip(parts, lengths, strict=True):
            start, end = end, end + length
            have = await self._blobs.length(name)
            if have < end:
                source = name if part == parts[0] else upload_blob(part)
                rest = self._blobs.read(source, start=have - start, end=length)
                await self._append(upload_id, rest, have, end)


async def _told(work: Awaitable[T]) -> T:
    """Do something to the storage; raise a Problem for what it says."""
    try:
        return await work
    except BlobBusy:
        raise Problem("locked", "another request brings bytes of this upload right now") from None
    except BlobChanged as error:
        raise Problem("conflict", f"the upload ends at {error.length}; ask for Upload-Offset") from None
    except BlobTooLarge as error:
        raise Problem("too_large", f"the upload may have {error}") from None
    except BlobMissing:
        raise Problem("not_found", "there is no such upload") from None
    except ConnectionError:
        raise
    except OSError as error:
        raise Problem("storage_full", f"the upload cannot be stored: {error.strerror}") from error
