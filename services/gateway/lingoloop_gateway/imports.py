"""Imports: recordings that are somewhere else, for a worker to fetch."""

from lingoloop_common.blobs import audio_blob
from lingoloop_common.contracts.units import UnitKind
from lingoloop_common.lifecycle import to_its_end
from lingoloop_common.names import clean_filename
from lingoloop_common.outbound import check_url
from lingoloop_common.relay import Relay
from lingoloop_common.store.database import Database
from lingoloop_common.store.ids import new_id
from lingoloop_common.store.queries import load_queries
from lingoloop_common.store.usage import lock_owner
from lingoloop_gateway.accepted import Accepted, bound, claimed
from lingoloop_gateway.idempotency import Once
from lingoloop_gateway.lanes import Lanes
from lingoloop_gateway.new_runs import add_run
from lingoloop_gateway.options import ImportOptions
from lingoloop_gateway.quotas import Quotas

SQL = load_queries(__package__, "imports.sql")


class Imports:
    """Makes runs of recordings that are still to be fetched."""

    def __init__(self, *, database: Database, relay: Relay, lanes: Lanes, quotas: Quotas) -> None:
        self._database, self._relay, self._lanes, self._quotas = database, relay, lanes, quotas

    async def expect(self, owner: str, options: ImportOptions, once: Once | None = None) -> Accepted:
        """Make a run of a recording that a worker is to fetch; how large it is, nobody knows before.

        Raises:
            Problem: it is for a lane that does not exist, or the queue is full; or `once` has the key of another request.
        """
        lane = await self._lanes.named_by(options)
        wanted = Accepted(new_id(), new_id(), new_id(), large=True, once=once)
        return await to_its_end(self._store(owner, options, lane, wanted))

    async def _store(self, owner: str, options: ImportOptions, lane: str, wanted: Accepted) -> Accepted:
        name = clean_filename(options.filename or check_url(options.url).name)
        async with self._database.pool.acquire() as connection, connection.transaction():
            await lock_owner(connection, owner)
            if before := await claimed(connection, wanted):
                return before
            await self._quotas.check(
                connection, owner, wanted.audio_id, more_bytes=1, size_bytes=0, duration_ms=0
            )
            await connection.execute(
                SQL["insert_import"],
                wanted.audio_id,
                owner,
                name,
                audio_blob(wanted.audio_id),
                options.url,
                options.filename is not None,
                options.metadata or {},
            )
            await add_run(connection, owner, options, lane, wanted, begins_with=UnitKind.IMPORT)
            await bound(connection, wanted)
        self._relay.tell()
        return wanted
