"""Uploads: bytes to storage, a look at what they are, and one transaction that makes the run."""

from collections.abc import AsyncIterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from lingoloop_common.blobs import BlobTooLarge, FolderBlobs, Stored, audio_blob
from lingoloop_common.contracts.units import UnitKind, lane_name, plan_cost
from lingoloop_common.errors import Problem
from lingoloop_common.lifecycle import to_its_end
from lingoloop_common.relay import Relay
from lingoloop_common.store.database import Connection, Database
from lingoloop_common.store.ids import new_id
from lingoloop_common.store.queries import load_queries
from lingoloop_common.store.runs import SQL as RUN_SQL
from lingoloop_common.store.runs import Change, Row, change_run, lock_run
from lingoloop_gateway.names import clean_content_type, clean_filename
from lingoloop_gateway.options import AgainOptions, RunOptions, UploadOptions
from lingoloop_gateway.probe import Probe
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
class Accepted:
    """A run that exists from now on, whatever happens."""

    audio_id: UUID
    run_id: UUID
    job_id: UUID
    large: bool
    reused: bool = False
    """It was there already, with the same options."""


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
        self, *, database: Database, relay: Relay, blobs: FolderBlobs, probe: Probe, rules: UploadRules
    ) -> None:
        self._database, self._relay, self._blobs, self._probe = database, relay, blobs, probe
        self._rules = rules

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

    async def accept(self, owner: str, received: Received, options: UploadOptions) -> Accepted:
        """Make a run of a received upload, or drop it.

        Raises:
            Problem: it is not a recording, too long, or for a lane that does not exist.
        """
        try:
            examined = await self.examine(received, options)
        except BaseException:
            await self.drop(received)
            raise
        # A client that goes away now leaves a whole run: whether a commit that was cut short happened, nobody could say.
        return await to_its_end(self._store(owner, received, options, examined))

    async def examine(self, received: Received, options: UploadOptions) -> Examined:
        """Look at a received upload.

        Raises:
            Problem: it is not a recording, too long, or for a lane that does not exist.
        """
        lane = await self.lane(options)
        return Examined(lane, await self._duration(received))

    async def insert(
        self,
        connection: Connection,
        owner: str,
        received: Received,
        options: UploadOptions,
        examined: Examined,
    ) -> Accepted:
        """Write an audio and its run, in the caller's transaction; tell the relay after it."""
        large = is_large(received.stored.size, examined.duration_ms, options.model, self._rules.sync)
        accepted = Accepted(received.audio_id, new_id(), new_id(), large)
        await connection.execute(
            SQL["insert_audio"],
            accepted.audio_id,
            owner,
            clean_filename(options.filename or received.filename),
            clean_content_type(received.content_type),
            received.stored.size,
            received.stored.sha256,
            examined.duration_ms,
            audio_blob(accepted.audio_id),
        )
        await self._add_run(connection, owner, options, examined.lane, accepted)
        return accepted

    async def transcribe(self, owner: str, audio: Row, options: AgainOptions) -> Accepted:
        """Make another run over a recording, or return the one with the same options that has not failed.

        Raises:
            Problem: `not_found` when it was deleted just now, or it is for a lane that does not exist.
        """
        lane = await self.lane(options)
        large = is_large(audio["size_bytes"], audio["duration_ms"], options.model, self._rules.sync)
        return await to_its_end(self._again(owner, audio["id"], options, lane, large=large))

    async def _again(
        self, owner: str, audio_id: UUID, options: AgainOptions, lane: str, *, large: bool
    ) -> Accepted:
        async with self._database.pool.acquire() as connection, connection.transaction():
            if not await connection.fetchval(SQL["hold_audio"], audio_id, owner):
                raise Problem("not_found", "there is no such audio")
            if not options.force:
                same = await connection.fetchrow(SQL["same_run"], audio_id, lane, options.asked())
                if same is not None:
                    return Accepted(audio_id, same["id"], same["job_id"], large, reused=True)
            accepted = Accepted(audio_id, new_id(), new_id(), large)
            await self._add_run(connection, owner, options, lane, accepted)
        self._relay.tell()
        return accepted

    async def _store(
        self, owner: str, received: Received, options: UploadOptions, examined: Examined
    ) -> Accepted:
        try:
            async with self._database.pool.acquire() as connection, connection.transaction():
                accepted = await self.insert(connection, owner, received, options, examined)
        except BaseException:
            # The commit may have happened and only its answer be lost: a run must never lose its recording.
            if not await self._database.pool.fetchval(SQL["audio_exists"], received.audio_id):
                await self.drop(received)
            raise
        self._relay.tell()
        return accepted

    @property
    def default_lane(self) -> str:
        """The lane of uploads that name none."""
        return lane_name(self._rules.default_engine, self._rules.default_model)

    async def known_lanes(self) -> dict[str, datetime]:
        """Return the lanes that a worker has ever announced, each with a time at which one did."""
        rows = await self._database.pool.fetch(SQL["known_lanes"])
        return {row["lane"]: row["since"] for row in rows}

    async def lane(self, options: RunOptions) -> str:
        """Return the lane that options name; raise Problem for one that does not exist."""
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

    async def _add_run(
        self, connection: Connection, owner: str, options: RunOptions, lane: str, accepted: Accepted
    ) -> None:
        """Write a run over an audio that is there: its job, its plan, the plan's token, its first event."""
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
            UnitKind.PLAN,
            not accepted.large,
            options.priority,
            0.0,
            plan_cost(small=not accepted.large),
        )
        await connection.execute(RUN_SQL["insert_token"], lane)
        await connection.execute(RUN_SQL["activate_owner"], lane, owner)
        await change_run(connection, await lock_run(connection, accepted.run_id), Change())
