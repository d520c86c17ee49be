"""Rule 13: a one-process server begins by taking back what the process before it held."""

import asyncio
import sys
from pathlib import Path

import pytest

from lingoloop.one_process import FreshStart
from lingoloop_common.broker.memory import MemoryBroker
from lingoloop_common.lifecycle import running
from lingoloop_common.plumbing import connect
from lingoloop_common.relay import Relay
from lingoloop_common.settings import Settings
from lingoloop_common.store.database import Database, DatabaseInUse
from lingoloop_common.sweep import Sweep
from lingoloop_transcriber.claims import Claims
from tests.rows import add_worker
from tests.rules.workshop import LANE, Workshop, claimed, simulated_slots
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]


async def left_behind(shop: Workshop) -> None:
    """A process was killed: a unit runs under a lease that still lasts, another is ready, and no token is left."""
    await shop.add_run(units=2)
    async with shop.database.pool.acquire() as connection:
        worker_id = await add_worker(connection, lease=3600)
    await claimed(Claims(shop.database, worker_id, LANE))


async def fresh_start(shop: Workshop, *, alone: bool) -> int:
    """Start on what was left behind; return how many tokens are written before anything takes work."""
    broker = MemoryBroker()
    # The relay does not run yet: a sweep beside it may count a token twice, in the outbox and in the queue.
    fresh = FreshStart(Sweep(shop.database, broker, Relay(shop.database, broker)), alone=alone)
    async with running([broker, fresh]):
        return await shop.tokens()


async def test_a_fresh_start_ends_all_leases_and_writes_the_tokens_that_memory_forgot(shop: Workshop) -> None:
    await left_behind(shop)
    assert await fresh_start(shop, alone=True) == 2
    rows = await shop.database.pool.fetch("SELECT state, lost FROM unit ORDER BY lost")
    assert [tuple(row) for row in rows] == [("ready", 0), ("ready", 1)]
    assert await shop.value("SELECT count(*) FROM worker WHERE lease_until IS NOT NULL") == 0


async def test_a_process_beside_a_fleet_leaves_the_leases_of_others_alone(shop: Workshop) -> None:
    await left_behind(shop)
    await fresh_start(shop, alone=False)
    assert await shop.value("SELECT count(*) FROM unit WHERE state = 'running'") == 1


def database(url: str, *, exclusive: bool) -> Database:
    return Database(url, pool_max=2, startup_timeout=5, exclusive=exclusive)


@pytest.mark.parametrize(
    ("first", "second"), [(True, True), (True, False), (False, True)], ids=["two of them", "before", "after"]
)
async def test_a_queue_in_memory_shares_its_database_with_nobody(
    migrated_url: str, first: bool, second: bool
) -> None:
    async with running([database(migrated_url, exclusive=first)]):
        with pytest.raises(DatabaseInUse, match="one-process"):
            await database(migrated_url, exclusive=second).start()
    async with running([database(migrated_url, exclusive=second)]):
        pass


async def test_services_of_a_fleet_share_a_database(migrated_url: str) -> None:
    async with running([database(migrated_url, exclusive=False), database(migrated_url, exclusive=False)]):
        pass


async def test_memory_asks_for_the_database_alone(migrated_url: str, shop: Workshop) -> None:
    settings = Settings.model_validate({"database_url": migrated_url, "broker_url": "memory://"})
    with pytest.raises(DatabaseInUse):
        await connect(settings).database.start()


SLOT_AND_WAIT = """
import asyncio
from tests.rules.workshop import simulated_slots

async def main():
    slots = simulated_slots(2, seconds_each=60)
    await slots.start()
    print(*slots.pids, flush=True)
    async with slots.borrow() as slot:
        await slot.ask({"do": "chunk", "index": 0, "start": 0, "stop": 16000, "language": None, "channels": None, "options": {}})

asyncio.run(main())
"""


async def test_slots_end_when_their_parent_was_killed_also_in_the_middle_of_a_chunk() -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SLOT_AND_WAIT, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    pids = (await parent.stdout.readline()).decode().split()
    assert len(pids) == 2
    parent.kill()
    await parent.wait()
    await eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), seconds=5)


async def test_a_slot_is_spawned_anew_not_forked() -> None:
    slots = simulated_slots(1)
    async with running([slots]):
        [pid] = slots.pids
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        assert command[1:3] == [b"-m", b"lingoloop_transcriber.slot"]
