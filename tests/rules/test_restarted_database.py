"""PostgreSQL goes away while a chunk is being finished, and comes back: the result is kept, once."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lingoloop_common.blobs import FolderBlobs
from lingoloop_common.broker.memory import MemoryBroker
from lingoloop_common.lifecycle import running
from lingoloop_common.relay import Relay
from lingoloop_common.store.database import Database
from tests.conftest import make_tables
from tests.ledger import check_ledger
from tests.rules.workshop import LANE, HandSlots, Workshop
from tests.servers.postgres import PostgresServer
from tests.waiting import eventually


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_a_result_outlives_a_restart(
    private_postgres: Callable[[], PostgresServer], tmp_path: Path, how: str
) -> None:
    server = private_postgres()
    make_tables(server.url)
    broker = MemoryBroker()
    database = Database(server.url, pool_max=8, startup_timeout=10, exclusive=False)
    relay, blobs = Relay(database, broker), FolderBlobs(tmp_path / "blobs")
    shop = Workshop(database, broker, relay, blobs, tmp_path)
    slots = HandSlots(1)
    async with running([blobs, database, broker, relay, *shop.transcriber(slots).parts]):
        run = await shop.add_run(units=2)
        await shop.send_tokens(2)
        call = await slots.call()
        getattr(server, how)()
        call.finish()  # while there is no database
        server.start()
        (await slots.call()).finish()
        await eventually(lambda: shop.run_ended(run.run_id))
        await check_ledger(server.url, str(run.run_id))
        units = await database.pool.fetch("SELECT attempt, failures, lost FROM unit")
        assert {tuple(unit) for unit in units} == {(1, 0, 0)}
        assert await shop.value("SELECT count(*) FROM segment") == 2

        async def nothing_is_left() -> bool:
            return not await shop.value("SELECT count(*) FROM outbox") and not await broker.depth(LANE)

        await eventually(nothing_is_left)
