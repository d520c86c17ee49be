"""Uploads: bytes to storage, a look at what they are, and one transaction that makes the run."""

from collections.abc import AsyncIterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from lingoloop_common.blobs import BlobTooLarge, FolderBlobs, Stored, audio_blob
from lingoloop_common.contracts.units import UnitKind, lane_name, plan_cost
from lingoloop_common.errors import Problem
from lingoloop_common.lifecycle import to_its_end
from lingoloop_common.names import clean_content_type, clean_filename
from lingoloop_common.outbound import check_url
from lingoloop_common.relay import Relay
from lingoloop_common.store.database import Connection, Database
from lingoloop_common.store.ids import new_id
from lingoloop_common.store.queries import load_queries
from lingoloop_common.store.runs import SQL as RUN_SQL
from lingoloop_common.store.runs import Change, Row, change_run, lock_run
from lingoloop_gateway.accepted import Accepted, bound, claimed, made_before, reused
from lingoloop_gateway.content import NOT_FETCHED
from lingoloop_gateway.idempotency import IdempotencyKeys, Once
from lingoloop_gateway.options import AgainOptions, ImportOptions, RunOptions, UploadOptions
from lingoloop_gateway.probe import Probe
from lingoloop_gateway.quotas import Quotas, lock_owner
from lingoloop_gateway.sizes import SyncLimits, is_large

SQL = load_queries(__package__, "uploads.sql")


@dataclass(frozen=True, slots=True)
class UploadRules:
    """What the settings say about uploads."""

    sync: SyncLimits
    max_bytes: int
    max_duration_ms: int
    default_engine: str
    default_model: str | None


@dataclass(frozen=True, slots=True)
class Received:
    """An upload whose bytes are in storage; it is dropped unless it is accepted."""

    audio_id: UUID
    filename: str
    content_type: str
    stored: Stored


class Uploads:
    """Takes recordings."""

    def __init__(
        self,
        *,
        database: Database,
        relay: Relay,
        blobs: FolderBlobs,
        probe: Probe,
        rules: UploadRules,
        quotas: Quotas,
        keys: IdempotencyKeys,
    ) -> None:
        self._database, self._relay, self._blobs, self._probe = database, relay, blobs, probe
        self._rules, self._quotas, self._keys = rules, quotas, keys

    async def receive(self, parts: AsyncIterable[bytes], *, filename: str, content_type: str) -> Received:
        """Stream an upload to storage.

        Raises:
            Problem: `too_large`, `bad_request` for an empty one, or `storage_full`.
        """
        audio_id = new_id()
        try:
            stored = await self._blobs.write_stream(audio_blob(audio_id), parts, limit=self._rules.max_bytes)
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
            lane = await self._lane(options)
            duration_ms = await self._duration(received)
        except BaseException:
            await self.drop(received)
            raise
        large = is_large(received.stored.size, duration_ms, options.model, self._rules.sync)
        accepted = Accepted(received.audio_id, new_id(), new_id(), large, once=once)
        # A client that goes away now leaves a whole run: whether a commit that was cut short happened, nobody could say.
        return await to_its_end(self._store(owner, received, options, lane, duration_ms, accepted))

    async def expect(self, owner: str, options: ImportOptions, once: Once | None = None) -> Accepted:
        """Make a run of a recording that a worker is to fetch; how large it is, nobody knows before.

        Raises:
            Problem: it is for a lane that does not exist, or the queue is full; or `once` has the key of another request.
        """
        lane = await self._lane(options)
        wanted = Accepted(new_id(), new_id(), new_id(), large=True, once=once)
        return await to_its_end(self._store_import(owner, options, lane, wanted))

    async def transcribe(
        self, owner: str, audio: Row, options: AgainOptions, once: Once | None = None
    ) -> Accepted:
        """Make another run over a recording, or return the one with the same options that has not failed.

        Raises:
            Problem: `not_found` when it was deleted just now, `conflict` when it is still to be fetched; it is for a lane that
                does not exist, or finds no room; or `once` has the key of another request.
        """
        if audio["size_bytes"] is None:
            raise Problem("conflict", NOT_FETCHED)
        lane = await self._lane(options)
        large = is_large(audio["size_bytes"], audio["duration_ms"], options.model, self._rules.sync)
        accepted = Accepted(audio["id"], new_id(), new_id(), large, once=once)
        return await to_its_end(self._again(owner, audio, options, lane, accepted))

    async def _again(
        self, owner: str, audio: Row, options: AgainOptions, lane: str, accepted: Accepted
    ) -> Accepted:
        async with self._database.pool.acquire() as connection, connection.transaction():
            await lock_owner(connection, owner)
            if before := await claimed(connection, accepted):
                return before
            if not await connection.fetchval(SQL["hold_audio"], audio["id"], owner):
                raise Problem("not_found", "there is no such audio")
            if not options.force:
                same = await connection.fetchrow(SQL["same_run"], audio["id"], lane, options.asked())
                if same is not None:
                    return await bound(connection, reused(accepted, same))
            await self._quotas.check(
                connection,
                owner,
                more_bytes=0,
                size_bytes=audio["size_bytes"],
                duration_ms=audio["duration_ms"],
            )
            await self._add_run(connection, owner, options, lane, accepted)
            await bound(connection, accepted)
        self._relay.tell()
        return accepted

    async def _store(
        self,
        owner: str,
        received: Received,
        options: UploadOptions,
        lane: str,
        duration_ms: int | None,
        wanted: Accepted,
    ) -> Accepted:
        try:
            async with self._database.pool.acquire() as connection, connection.transaction():
                await lock_owner(connection, owner)
                accepted = await claimed(connection, wanted)
                if accepted is None:
                    accepted = await self._same(connection, owner, received, options, lane, wanted) or wanted
                    if accepted is wanted:
                        await self._insert(connection, owner, received, options, lane, duration_ms, wanted)
                    await bound(connection, accepted)
        except BaseException:
            # The commit may have happened and only its answer be lost: a run must never lose its recording.
            if not await self._database.pool.fetchval(SQL["audio_exists"], wanted.audio_id):
                await self.drop(received)
            raise
        if accepted is wanted:
            self._relay.tell()
        else:
            await self.drop(received)
        return accepted

    async def _same(
        self,
        connection: Connection,
        owner: str,
        received: Received,
        options: UploadOptions,
        lane: str,
        wanted: Accepted,
    ) -> Accepted | None:
        """Return the run that the same bytes and options have already, and that has not failed."""
        if options.force:
            return None
        stored = received.stored
        same = await connection.fetchrow(
            SQL["same_upload"], owner, stored.sha256, stored.size, lane, options.asked()
        )
        return reused(wanted, same) if same else None

    async def _store_import(
        self, owner: str, options: ImportOptions, lane: str, wanted: Accepted
    ) -> Accepted:
        name = clean_filename(options.filename or check_url(options.url).name)
        async with self._database.pool.acquire() as connection, connection.transaction():
            await lock_owner(connection, owner)
            if before := await claimed(connection, wanted):
                return before
            await self._quotas.check(connection, owner, more_bytes=1, size_bytes=0, duration_ms=0)
            await connection.execute(
                SQL["insert_import"],
                wanted.audio_id,
                owner,
                name,
                audio_blob(wanted.audio_id),
                options.url,
                options.filename is not None,
            )
            await self._add_run(connection, owner, options, lane, wanted, begins_with=UnitKind.IMPORT)
            await bound(connection, wanted)
        self._relay.tell()
        return wanted

    @property
    def default_lane(self) -> str:
        """The lane of uploads that name none."""
        return lane_name(self._rules.default_engine, self._rules.default_model)

    async def known_lanes(self) -> dict[str, datetime]:
        """Return the lanes that a worker has ever announced, each with a time at which one did."""
        rows = await self._database.pool.fetch(SQL["known_lanes"])
        return {row["lane"]: row["since"] for row in rows}

    async def _lane(self, options: RunOptions) -> str:
        engine = options.engine or self._rules.default_engine
        model = (
            None if options.model == "long" else options.model
        )  # the document's word for "large", not a model
        if model is None and engine == self._rules.default_engine:
            model = self._rules.default_model
        try:
            lane = lane_name(engine, model)
        except ValueError as error:
            raise Problem("invalid_value", str(error)) from None
        if not await self._database.pool.fetchval(SQL["lane_known"], lane):
            raise Problem(
                "unknown_lane", f"no worker has ever offered {lane}; start one, or choose another model"
            )
        return lane

    async def _duration(self, received: Received) -> int | None:
        async with self._blobs.local_path(audio_blob(received.audio_id)) as path:
            duration_ms = await self._probe.duration_ms(path)
        if duration_ms is not None and duration_ms > self._rules.max_duration_ms:
            limit = self._rules.max_duration_ms // 1000
            raise Problem(
                "too_long", f"the recording is {duration_ms // 1000} s long; {limit} s is the limit"
            )
        return duration_ms

    async def _insert(
        self,
        connection: Connection,
        owner: str,
        received: Received,
        options: UploadOptions,
        lane: str,
        duration_ms: int | None,
        accepted: Accepted,
    ) -> None:
        size = received.stored.size
        await self._quotas.check(connection, owner, more_bytes=size, size_bytes=size, duration_ms=duration_ms)
        await connection.execute(
            SQL["insert_audio"],
            accepted.audio_id,
            owner,
            clean_filename(options.filename or received.filename),
            clean_content_type(received.content_type),
            size,
            received.stored.sha256,
            duration_ms,
            audio_blob(accepted.audio_id),
        )
        await self._add_run(connection, owner, options, lane, accepted)

    async def _add_run(
        self,
        connection: Connection,
        owner: str,
        options: RunOptions,
        lane: str,
        accepted: Accepted,
        begins_with: UnitKind = UnitKind.PLAN,
    ) -> None:
        """Write a run over an audio that is there: its job, its first unit, the unit's token, its first event."""
        await connection.execute(
            SQL["insert_run"],
            accepted.run_id,
            accepted.audio_id,
            owner,
            lane,
            options.language,
            options.priority,
            {},
            options.asked(),
        )
        job_type = "transcribe_long" if accepted.large else "transcribe_short"
        await connection.execute(
            SQL["insert_job"], accepted.job_id, accepted.run_id, accepted.audio_id, job_type
        )
        await connection.execute(
            RUN_SQL["insert_unit"],
            new_id(),
            accepted.run_id,
            accepted.job_id,
            owner,
            lane,
            begins_with,
            not accepted.large,
            options.priority,
            0.0,
            plan_cost(small=not accepted.large),
        )
        await connection.execute(RUN_SQL["insert_token"], lane)
        await connection.execute(RUN_SQL["activate_owner"], lane, owner)
        await change_run(connection, await lock_run(connection, accepted.run_id), Change())
