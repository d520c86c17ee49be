"""Uploads: bytes to storage, a look at what they are, and one transaction that makes the run."""

from collections.abc import AsyncIterable
from dataclasses import dataclass
from uuid import UUID

from lingoloop_common.blobs import Blobs, BlobTooLarge, Stored, audio_blob
from lingoloop_common.errors import Problem
from lingoloop_common.lifecycle import to_its_end
from lingoloop_common.names import clean_content_type, clean_filename
from lingoloop_common.relay import Relay
from lingoloop_common.store.database import Connection, Database
from lingoloop_common.store.ids import new_id
from lingoloop_common.store.queries import load_queries
from lingoloop_common.store.usage import lock_owner
from lingoloop_gateway.accepted import Accepted, bound, claimed, made_before, reused
from lingoloop_gateway.idempotency import IdempotencyKeys, Once
from lingoloop_gateway.lanes import Lanes
from lingoloop_gateway.new_runs import add_run
from lingoloop_gateway.options import UploadOptions
from lingoloop_gateway.probe import Probe
from lingoloop_gateway.quotas import Quotas
from lingoloop_gateway.sizes import SyncLimits, is_large
from lingoloop_gateway.webhook_urls import tell_end

SQL = load_queries(__package__, "uploads.sql")


@dataclass(frozen=True, slots=True)
class UploadRules:
    """What the settings say about uploads."""

    sync: SyncLimits
    max_bytes: int
    max_duration_ms: int


@dataclass(frozen=True, slots=True)
class Received:
    """An upload whose bytes are in storage; it is dropped unless it is accepted."""

    audio_id: UUID
    filename: str
    content_type: str
    stored: Stored


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found out of a received upload; `duration_ms` as its container says it, if it does."""

    lane: str
    duration_ms: int | None


class Uploads:
    """Takes recordings."""

    def __init__(
        self,
        *,
        database: Database,
        relay: Relay,
        blobs: Blobs,
        probe: Probe,
        lanes: Lanes,
        rules: UploadRules,
        quotas: Quotas,
        keys: IdempotencyKeys,
    ) -> None:
        self._database, self._relay, self._blobs, self._probe = database, relay, blobs, probe
        self._lanes, self._rules, self._quotas, self._keys = lanes, rules, quotas, keys

    async def receive(
        self, parts: AsyncIterable[bytes], *, filename: str, content_type: str, owner: str
    ) -> Received:
        """Stream an upload to storage.

        Raises:
            Problem: `too_large`, `bad_request` for an empty one, or `storage_full`.
        """
        audio_id = new_id()
        try:
            stored = await self._blobs.write_stream(
                audio_blob(audio_id), parts, limit=self._rules.max_bytes, labels={"owner": owner}
            )
        except BlobTooLarge:
            raise Problem("too_large", f"an upload may have {self._rules.max_bytes} bytes") from None
        except ConnectionError:
            raise
        except OSError as error:
            raise Problem("storage_full", f"the recording cannot be stored: {error.strerror}") from error
        received = Received(audio_id, filename, content_type, stored)
        if stored.size == 0:
            await self.drop(received)
            raise Problem("not_audio", "the file is empty")
        return received

    async def drop(self, received: Received) -> None:
        """Forget an upload that is not accepted."""
        await self._blobs.delete(audio_blob(received.audio_id))

    async def accept(
        self, owner: str, received: Received, options: UploadOptions, once: Once | None = None
    ) -> Accepted:
        """Make a run of a received upload, or drop it and return the run that the same bytes and options have already.

        Raises:
            Problem: it is not a recording, too long, for a lane that does not exist, or finds no room; or `once` has the
                key of another request.
        """
        try:
            known = await self._keys.find(once) if once else None
            if known and once:
                await self.drop(received)
                return made_before(known, once)
            examined = await self.examine(received, options)
        except BaseException:
            await self.drop(received)
            raise
        # A client that goes away now leaves a whole run: whether a commit that was cut short happened, nobody could say.
        return await to_its_end(self._store(owner, received, options, examined, once))

    async def examine(self, received: Received, options: UploadOptions) -> Examined:
        """Look at a received upload.

        Raises:
            Problem: it is not a recording, has not the sound that is asked for, is too long, or for a lane that does not exist.
        """
        lane = await self._lanes.named_by(options)
        return Examined(lane, await self._duration(received, options))

    async def place(
        self,
        connection: Connection,
        owner: str,
        received: Received,
        options: UploadOptions,
        examined: Examined,
        once: Once | None = None,
    ) -> Accepted:
        """Write an audio and its run, or find the run that the same bytes and options have already.

        In the caller's transaction. After it, `settle` has to be called.

        Raises:
            Problem: there is no room, or `once` has the key of another request.
        """
        stored = received.stored
        large = is_large(stored.size, examined.duration_ms, options.model, self._rules.sync)
        wanted = Accepted(received.audio_id, new_id(), new_id(), large, once=once)
        await lock_owner(connection, owner)
        if found := await self._found(connection, owner, stored, options, examined, wanted):
            await connection.execute(SQL["remove_bytes"], audio_blob(received.audio_id))
            return found
        await self._quotas.check(
            connection,
            owner,
            wanted.audio_id,
            more_bytes=stored.size,
            size_bytes=stored.size,
            duration_ms=examined.duration_ms,
        )
        await connection.execute(
            SQL["insert_audio"],
            wanted.audio_id,
            owner,
            clean_filename(options.filename or received.filename),
            clean_content_type(received.content_type),
            stored.size,
            stored.sha256,
            examined.duration_ms,
            audio_blob(wanted.audio_id),
            options.metadata or {},
        )
        await add_run(connection, owner, options, examined.lane, wanted)
        return await bound(connection, wanted)

    async def _found(
        self,
        connection: Connection,
        owner: str,
        stored: Stored,
        options: UploadOptions,
        examined: Examined,
        wanted: Accepted,
    ) -> Accepted | None:
        """Return the run that there is already, given to the request before, or of the same bytes and options."""
        if before := await claimed(connection, wanted):
            return before
        if options.force:
            return None
        asked = (stored.sha256, stored.size, examined.lane, options.asked())
        same = await connection.fetchrow(SQL["same_upload"], owner, *asked)
        if same is None:
            return None
        await tell_end(connection, owner, options.webhook_url, same["id"])
        return await bound(connection, reused(wanted, same))

    async def settle(self, received: Received, accepted: Accepted) -> None:
        """Let what was written be sent, and drop bytes of which no run was made."""
        self._relay.tell()
        if accepted.audio_id != received.audio_id:
            await self.drop(received)

    async def _store(
        self,
        owner: str,
        received: Received,
        options: UploadOptions,
        examined: Examined,
        once: Once | None,
    ) -> Accepted:
        try:
            async with self._database.pool.acquire() as connection, connection.transaction():
                accepted = await self.place(connection, owner, received, options, examined, once)
        except BaseException:
            # The commit may have happened and only its answer be lost: a run must never lose its recording.
            if not await self._database.pool.fetchval(SQL["audio_exists"], received.audio_id):
                await self.drop(received)
            raise
        await self.settle(received, accepted)
        return accepted

    async def _duration(self, received: Received, options: UploadOptions) -> int | None:
        async with self._blobs.local_path(audio_blob(received.audio_id)) as path:
            duration_ms = await self._probe.duration_ms(path, options)
        if duration_ms is not None and duration_ms > self._rules.max_duration_ms:
            limit = self._rules.max_duration_ms // 1000
            raise Problem(
                "too_long", f"the recording is {duration_ms // 1000} s long; {limit} s is the limit"
            )
        return duration_ms
