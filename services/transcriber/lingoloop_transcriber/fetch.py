"""Fetches recordings from where clients say they are, in slices: no worker is at one for long, and what came is kept."""

import asyncio
import contextlib
import hashlib
import math
from collections.abc import AsyncIterator

from aiohttp import ClientResponse

from lingoloop_common.blobs import BlobBusy, BlobChanged, BlobMissing, Blobs, BlobTooLarge, import_blob
from lingoloop_common.errors import WorkError
from lingoloop_common.names import clean_content_type, clean_filename
from lingoloop_common.outbound import CallFailed, Outbound, Refused, body_of
from lingoloop_common.store.runs import Fenced, Row
from lingoloop_common.store.usage import no_room
from lingoloop_transcriber.answers import Answer, Body, conditions, name_in, read_answer
from lingoloop_transcriber.claim import Claim
from lingoloop_transcriber.imports import Imports

SLICE = 60.0
"""Seconds after which a transfer that can go on in the middle is handed back."""

PAUSE = 1.0
"""Seconds until it goes on, here or elsewhere: others that wait for a place have a chance."""

LEAST = 2**18
"""Bytes that a slice must bring not to be taken for a failure."""

RESTARTS = 3
"""How often an import begins anew before it is given up."""


class Fetcher:
    """Carries out import units of recordings of at most `largest` bytes, an owner's at most `owner_storage` together (0: any)."""

    def __init__(
        self, imports: Imports, blobs: Blobs, outbound: Outbound, *, largest: int, owner_storage: int
    ) -> None:
        self._imports, self._blobs, self._outbound = imports, blobs, outbound
        self._largest, self._owner_storage = largest, owner_storage

    async def fetch(self, claim: Claim) -> None:
        """Go on where the part ends, until the file or the slice does; then the plan is ready, or the unit put off.

        Raises:
            WorkError: the server refuses or fails, or what it sends cannot be kept.
            Fenced: another attempt fetches it, or it was cancelled or deleted.
        """
        row = await self._imports.get(claim)
        part = import_blob(row["part"])
        try:
            length = await self._blobs.length(part)
        except BlobMissing:
            if await self._is_published(claim):  # and the database was not told
                await self._finish(claim, row, None)
                return
            await self._blobs.begin(part)
            length = 0
        if length and length == row["total"]:
            await self._finish(claim, row, None)
            return
        try:
            async with self._outbound.get(row["url"], conditions(length, row["validator"])) as response:
                await self._take(claim, row, response, length)
        except Refused as error:
            raise WorkError("import_refused", str(error)) from error
        except CallFailed as error:
            raise WorkError("import_failed", str(error)) from error

    async def _take(self, claim: Claim, row: Row, response: ClientResponse, length: int) -> None:
        """Add an answer's body to what is there, or begin anew with it."""
        answer = read_answer(response.status, response.headers, position=length, validator=row["validator"])
        if length and answer.body is not Body.REST:
            row, length = await self._begin_anew(claim, row), 0
            if answer.body is Body.OTHER:
                raise WorkError("import_failed", "the server has another file by now")
        total = answer.total if answer.total is not None else row["total"]
        if total is not None and total > self._largest:
            raise self._too_large()
        if length == 0:
            await self._note(claim, row, response, answer)
        digest = None if length else hashlib.sha256()
        seconds = SLICE if answer.has_ranges and not row["restarts"] else math.inf
        end = await self._append(row, _slice(response, seconds), length, answer, digest)
        if end == total or (total is None and response.content.at_eof()):
            if end == 0:
                raise WorkError("not_audio", "the file is empty")
            await self._finish(claim, row, digest)
        elif end - length < LEAST:
            raise WorkError("import_failed", "the server sends too little")
        else:
            await self._imports.put_off(claim, PAUSE)

    async def _begin_anew(self, claim: Claim, row: Row) -> Row:
        if row["restarts"] >= RESTARTS:
            raise WorkError(
                "import_refused", "the server cannot go on where it broke off, or its file changes"
            )
        row = await self._imports.renew(claim, row["audio_id"])
        await self._blobs.begin(import_blob(row["part"]))
        return row

    async def _note(self, claim: Claim, row: Row, response: ClientResponse, answer: Answer) -> None:
        name = name_in(response.headers)
        await self._imports.note(
            claim,
            row,
            owner_storage=self._owner_storage,
            validator=answer.validator,
            total=answer.total,
            content_type=clean_content_type(response.headers.get("Content-Type", "")),
            filename=clean_filename(name) if name else None,
        )

    async def _append(
        self,
        row: Row,
        parts: AsyncIterator[bytes],
        length: int,
        answer: Answer,
        digest: "hashlib._Hash | None",
    ) -> int:
        """Return where the part ends now. Where the server can go on, a line that broke off is a slice's end like another."""
        part = import_blob(row["part"])
        stored = await self._imports.stored(row)
        room = max(0, self._owner_storage - stored) if self._owner_storage else self._largest
        limit = min(self._largest, room)
        try:
            return await self._blobs.append(part, parts, offset=length, limit=limit, digest=digest)
        except BlobTooLarge:
            if text := no_room(self._owner_storage, stored, limit + 1):
                raise WorkError("storage_quota", text) from None
            raise self._too_large() from None
        except (BlobBusy, BlobChanged) as error:
            raise WorkError("storage_failed", "another worker is still at it") from error
        except BlobMissing:
            raise Fenced("what came was let go of meanwhile") from None
        except CallFailed:
            end = await self._blobs.length(part)
            if answer.validator is None or end - length < LEAST:
                raise
            return end
        except OSError as error:
            raise WorkError("storage_failed", f"the recording cannot be stored: {error.strerror}") from error

    async def _finish(self, claim: Claim, row: Row, digest: "hashlib._Hash | None") -> None:
        """Make the part the recording; without a digest of all of it, it is read once more."""
        part, final = import_blob(row["part"]), claim.audio_blob
        await self._blobs.publish(part, final, labels={"owner": row["owner"], "run": str(claim.run_id)})
        size = await self._blobs.length(final)
        if digest is None:
            digest = hashlib.sha256()
            await self._blobs.tell(digest, final, start=0, end=size)
        try:
            await self._imports.finish(
                claim, row, size=size, sha256=digest.digest(), owner_storage=self._owner_storage
            )
        except WorkError:
            await self._blobs.delete(final)  # before it is reported: a later try may publish another
            raise
        except LookupError:
            await self._blobs.delete(final)  # of a recording that was deleted nothing may stay
            raise Fenced("the recording was deleted") from None

    async def _is_published(self, claim: Claim) -> bool:
        try:
            return await self._blobs.length(claim.audio_blob) > 0
        except BlobMissing:
            return False

    def _too_large(self) -> WorkError:
        return WorkError("too_large", f"a recording may have {self._largest} bytes")


async def _slice(response: ClientResponse, seconds: float) -> AsyncIterator[bytes]:
    """Yield a body for so many seconds."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    async with contextlib.aclosing(body_of(response)) as parts:
        async for part in parts:
            yield part
            if loop.time() >= end:
                return
