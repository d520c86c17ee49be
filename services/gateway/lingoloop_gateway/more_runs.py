"""More runs over a recording that is there already."""

from lingoloop_common.blobs import BlobMissing, Blobs
from lingoloop_common.errors import Problem
from lingoloop_common.lifecycle import to_its_end
from lingoloop_common.relay import Relay
from lingoloop_common.store.database import Connection, Database
from lingoloop_common.store.ids import new_id
from lingoloop_common.store.queries import load_queries
from lingoloop_common.store.runs import Row
from lingoloop_common.store.usage import lock_owner
from lingoloop_gateway.accepted import Accepted, bound, claimed, reused
from lingoloop_gateway.content import NOT_FETCHED
from lingoloop_gateway.idempotency import Once
from lingoloop_gateway.lanes import Lanes
from lingoloop_gateway.new_runs import add_run
from lingoloop_gateway.options import AgainOptions
from lingoloop_gateway.probe import Probe
from lingoloop_gateway.quotas import Quotas
from lingoloop_gateway.sizes import SyncLimits, is_large
from lingoloop_gateway.webhook_urls import tell_end

SQL = load_queries(__package__, "more_runs.sql")


class MoreRuns:
    """Makes further runs."""

    def __init__(
        self,
        *,
        database: Database,
        relay: Relay,
        blobs: Blobs,
        probe: Probe,
        lanes: Lanes,
        quotas: Quotas,
        sync: SyncLimits,
    ) -> None:
        self._database, self._relay, self._lanes = database, relay, lanes
        self._blobs, self._probe = blobs, probe
        self._quotas, self._sync = quotas, sync

    async def transcribe(
        self, owner: str, audio: Row, options: AgainOptions, once: Once | None = None
    ) -> Accepted:
        """Make another run over a recording, or return the one with the same options that has not failed.

        Raises:
            Problem: `not_found` when it was deleted just now, `conflict` when it is still to be fetched; it has not the sound
                that is asked for, is for a lane that does not exist, or finds no room; or `once` has the key of another request.
        """
        if audio["size_bytes"] is None:
            raise Problem("conflict", NOT_FETCHED)
        lane = await self._lanes.named_by(options)
        await self._look(audio, options)
        large = is_large(audio["size_bytes"], audio["duration_ms"], options.model, self._sync)
        accepted = Accepted(audio["id"], new_id(), new_id(), large, once=once)
        return await to_its_end(self._again(owner, audio, options, lane, accepted))

    async def _look(self, audio: Row, options: AgainOptions) -> None:
        """Look whether a recording has the sound that is asked for, if that is not its first track as one."""
        if not (options.track or options.separate):
            return
        try:
            async with self._blobs.local_path(audio["blob"]) as path:
                await self._probe.duration_ms(path, options)
        except BlobMissing:
            raise Problem("not_found", "there is no such audio") from None

    async def _again(
        self, owner: str, audio: Row, options: AgainOptions, lane: str, accepted: Accepted
    ) -> Accepted:
        async with self._database.pool.acquire() as connection, connection.transaction():
            placed = await self._place(connection, owner, audio, options, lane, accepted)
        self._relay.tell()
        return placed

    async def _place(
        self,
        connection: Connection,
        owner: str,
        audio: Row,
        options: AgainOptions,
        lane: str,
        accepted: Accepted,
    ) -> Accepted:
        await lock_owner(connection, owner)
        if before := await claimed(connection, accepted):
            return before
        if not await connection.fetchval(SQL["hold_audio"], audio["id"], owner):
            raise Problem("not_found", "there is no such audio")
        if not options.force:
            same = await connection.fetchrow(SQL["same_run"], audio["id"], lane, options.asked())
            if same is not None:
                await tell_end(connection, owner, options.webhook_url, same["id"])
                return await bound(connection, reused(accepted, same))
        await self._quotas.check(
            connection,
            owner,
            audio["id"],
            more_bytes=0,
            size_bytes=audio["size_bytes"],
            duration_ms=audio["duration_ms"],
        )
        await add_run(connection, owner, options, lane, accepted)
        return await bound(connection, accepted)
