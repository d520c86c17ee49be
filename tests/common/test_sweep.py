"""The sweep puts right what a crash, a purge or a lost message left behind."""

import asyncio
from typing import Any

import pytest

from lingoloop_common import metrics
from lingoloop_common import sweep as module
from lingoloop_common.broker import Delivery
from lingoloop_common.relay import Relay
from lingoloop_common.store.database import Database
from lingoloop_common.sweep import LOCK, Sweep
from tests.common.brokers import FaultyBroker
from tests.rows import add_run, add_token, add_unit, add_worker
from tests.waiting import Inbox, eventually

LANE = "simulated"


@pytest.fixture
def broker() -> FaultyBroker:
    return FaultyBroker()


@pytest.fixture
def relay(database: Database, broker: FaultyBroker) -> Relay:
    return Relay(database, broker)


@pytest.fixture
def sweep(database: Database, broker: FaultyBroker, relay: Relay) -> Sweep:
    """Its relay is not started: what is written to the outbox stays there to be counted."""
    return Sweep(database, broker, relay)


async def tokens(database: Database, lane: str = LANE) -> int:
    count: int = await database.pool.fetchval("SELECT count(*) FROM outbox WHERE lane = $1", lane)
    return count


async def states(database: Database) -> list[str]:
    return [row["state"] for row in await database.pool.fetch("SELECT state FROM unit ORDER BY id")]


async def due(database: Database, run: Any, seconds: float) -> None:
    unit = await add_unit(database.pool, run, state="waiting")
    await database.pool.execute(
        "UPDATE unit SET due_at = now() + make_interval(secs => $2) WHERE id = $1", unit, seconds
    )


# --- later work (rule 6)


async def test_due_units_turn_ready_with_one_token_each(database: Database, sweep: Sweep) -> None:
    run = await add_run(database.pool, units=0)
    for seconds in (-1, -60, 60):
        await due(database, run, seconds)
    await add_unit(database.pool, run, kind="plan", state="waiting")  # withheld, not due
    await sweep.sweep()
    assert await states(database) == ["ready", "ready", "waiting", "waiting"]
    assert await tokens(database) == 2
    await sweep.sweep()
    assert await tokens(database) == 2


async def test_two_sweepers_at_once_release_a_unit_once(database: Database, broker: FaultyBroker) -> None:
    run = await add_run(database.pool, units=0)
    for _ in range(20):
        await due(database, run, -1)
    sweeps = [Sweep(database, broker, Relay(database, broker)) for _ in range(4)]
    await asyncio.gather(*(sweep.sweep() for sweep in sweeps))
    assert await tokens(database) == 20


async def test_only_one_sweeps_at_a_time(database: Database, sweep: Sweep) -> None:
    run = await add_run(database.pool, units=0)
    await due(database, run, -1)
    async with database.pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
        await sweep.sweep()
        assert await states(database) == ["waiting"]
    await sweep.sweep()
    assert await states(database) == ["ready"]


# --- workers that vanished (rules 3 and 7)


@pytest.mark.parametrize("lease", [-1, None])
async def test_units_of_a_worker_without_a_lease_come_back(
    database: Database, sweep: Sweep, lease: float | None
) -> None:
    gone, alive = await add_worker(database.pool, lease=lease), await add_worker(database.pool)
    lost = await add_run(database.pool, units=2, state="running", holder=gone, lost=3)
    kept = await add_run(database.pool, units=1, state="running", holder=alive)
    await sweep.sweep()
    rows = await database.pool.fetch("SELECT * FROM unit WHERE run_id = $1", lost.run_id)
    for row in rows:
        assert (row["state"], row["lost"], row["holder"], row["message_id"]) == ("ready", 4, None, None)
        assert (row["failures"], row["attempt"]) == (0, 1)
    assert await tokens(database) == 2
    row = await database.pool.fetchrow("SELECT * FROM unit WHERE run_id = $1", kept.run_id)
    assert row is not None
    assert (row["state"], row["holder"], row["lost"]) == ("running", alive, 0)
    await sweep.sweep()
    assert await tokens(database) == 2


async def test_units_of_a_worker_that_nobody_knows_come_back(database: Database, sweep: Sweep) -> None:
    await add_run(database.pool, state="running")
    await sweep.sweep()
    assert await states(database) == ["ready"]


async def test_the_eleventh_loss_fails_unit_and_run(database: Database, sweep: Sweep) -> None:
    gone = await add_worker(database.pool, lease=-1)
    await add_run(database.pool, state="running", holder=gone, lost=10)
    counter = metrics.UNITS_ENDED.labels(LANE, "chunk", "failed")._value
    before = counter.get()
    await sweep.sweep()
    assert counter.get() == before + 1
    unit = await database.pool.fetchrow("SELECT * FROM unit")
    letter = await database.pool.fetchrow("SELECT * FROM dead_letter")
    run = await database.pool.fetchrow("SELECT * FROM transcript_run")
    assert unit is not None
    assert letter is not None
    assert run is not None
    assert (unit["state"], unit["lost"], unit["holder"], unit["message_id"]) == ("failed", 11, None, None)
    assert (letter["unit_id"], letter["error_code"]) == (unit["id"], "worker_lost")
    assert letter["error_message"] == "11 workers vanished while they worked on it"
    assert (run["status"], run["error_code"]) == ("failed", "worker_lost")
    assert await tokens(database) == 0


async def test_the_tenth_loss_does_not(database: Database, sweep: Sweep) -> None:
    await add_run(database.pool, state="running", lost=9)
    await sweep.sweep()
    assert await states(database) == ["ready"]


async def test_a_plan_that_waited_for_the_lost_chunk_goes_on(database: Database, sweep: Sweep) -> None:
    run = await add_run(database.pool, state="running", lost=10)
    await database.pool.execute("UPDATE transcript_run SET planned = false")
    await add_unit(database.pool, run, kind="plan", state="waiting")
    await sweep.sweep()
    assert await states(database) == ["failed", "ready"]
    assert await tokens(database) == 1


async def test_before_a_one_process_server_takes_work_all_leases_end(
    database: Database, sweep: Sweep
) -> None:
    holder = await add_worker(database.pool, lease=60)
    await add_run(database.pool, state="running", holder=holder)
    await sweep.end_all_leases()
    await sweep.sweep()
    assert await states(database) == ["ready"]


async def test_a_lane_s_last_worker_is_never_forgotten(database: Database, sweep: Sweep) -> None:
    day = 86_400.0
    await add_worker(database.pool, lease=None, seen=3 * day)
    last = await add_worker(database.pool, lease=None, seen=2 * day)
    other = await add_worker(database.pool, lane="whisper.base", lease=None, seen=9 * day)
    recent = await add_worker(database.pool, lane="google", lease=None, seen=100)
    alive = await add_worker(database.pool, lane="google", lease=10)
    await sweep.sweep()
    rows = await database.pool.fetch("SELECT id FROM worker")
    assert {row["id"] for row in rows} == {last, other, recent, alive}


# --- tokens (rule 7)


async def test_tokens_are_refilled_when_the_shortage_is_seen_twice_running(
    database: Database, sweep: Sweep
) -> None:
    await add_run(database.pool, units=3)
    await sweep.sweep()
    assert await tokens(database) == 0
    await sweep.sweep()
    assert await tokens(database) == 3


async def test_tokens_in_the_outbox_are_not_missing(database: Database, sweep: Sweep) -> None:
    await add_run(database.pool, units=3)
    for _ in range(2):
        await add_token(database.pool)
    for _ in range(4):
        await sweep.sweep()
    assert await tokens(database) == 3


async def test_tokens_in_the_queue_are_not_missing(
    database: Database, sweep: Sweep, relay: Relay, broker: FaultyBroker
) -> None:
    await add_run(database.pool, units=3)
    for _ in range(3):
        await add_token(database.pool)
    await relay.send_batch()
    for _ in range(3):
        await sweep.sweep()
    assert await tokens(database) == 0
    await broker.recreate(LANE)  # purged
    for _ in range(3):
        await sweep.sweep()
    assert await tokens(database) == 3


async def test_a_shortage_that_passes_is_not_refilled(
    database: Database, sweep: Sweep, broker: FaultyBroker, relay: Relay
) -> None:
    await add_run(database.pool, units=2)
    await sweep.sweep()  # seen once
    for _ in range(2):
        await add_token(database.pool)
    await relay.send_batch()
    await sweep.sweep()  # passed
    await broker.recreate(LANE)
    await sweep.sweep()  # seen once again
    assert await tokens(database) == 0


async def test_of_two_shortages_the_smaller_is_refilled(database: Database, sweep: Sweep) -> None:
    run = await add_run(database.pool, units=2)
    await sweep.sweep()
    for _ in range(3):
        await add_unit(database.pool, run)
    await sweep.sweep()
    assert await tokens(database) == 2


async def test_surplus_tokens_are_left_alone(database: Database, sweep: Sweep) -> None:
    for _ in range(2):
        await add_token(database.pool)
    for _ in range(3):
        await sweep.sweep()
    assert await tokens(database) == 2


async def test_what_a_crash_left_in_the_outbox_is_sent(
    database: Database, broker: FaultyBroker, relay: Relay, sweep: Sweep
) -> None:
    inbox: Inbox[Delivery] = Inbox()
    await broker.consume(LANE, inbox.put, limit=1)
    message_id = await add_token(database.pool)  # committed, and nobody told the relay
    await relay.start()
    await sweep.sweep()
    assert (await inbox.get()).message_id == message_id
    await relay.stop()


async def test_a_queue_that_does_not_answer_for_long_is_made_again(
    database: Database, broker: FaultyBroker, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_run(database.pool)
    broker.mute = True
    for _ in range(3):
        await sweep.sweep()
    assert broker.recreated == []
    monkeypatch.setattr(module, "MUTE_LIMIT", 0)
    await sweep.sweep()
    assert broker.recreated == [LANE]


async def test_no_queue_is_made_again_because_the_whole_broker_is_away(
    database: Database, broker: FaultyBroker, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_run(database.pool)
    monkeypatch.setattr(module, "MUTE_LIMIT", 0)
    broker.mute = broker.away = True
    await sweep.sweep()
    assert broker.recreated == []
    broker.away = False
    await sweep.sweep()
    assert broker.recreated == [LANE]


async def test_a_queue_that_answers_in_between_is_not_made_again(
    database: Database, broker: FaultyBroker, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_run(database.pool)
    broker.mute = True
    await sweep.sweep()
    broker.mute = False
    await sweep.sweep()
    broker.mute = True
    monkeypatch.setattr(module, "MUTE_LIMIT", 1e-9)
    await sweep.sweep()  # mute since now
    assert broker.recreated == []


async def test_a_sweeper_that_is_started_sweeps_by_itself(database: Database, sweep: Sweep) -> None:
    run = await add_run(database.pool, units=0)
    await due(database, run, -1)
    await sweep.start()

    async def is_ready() -> bool:
        return await states(database) == ["ready"]

    await eventually(is_ready)
    await sweep.stop()


# --- owners (rule 11)


async def served(database: Database) -> dict[str, tuple[float, bool]]:
    rows = await database.pool.fetch("SELECT owner, served, active FROM owner_service")
    return {row["owner"]: (row["served"], row["active"]) for row in rows}


async def test_only_owners_without_open_units_become_idle(database: Database, sweep: Sweep) -> None:
    for owner, state in (("ann", "done"), ("bob", "ready"), ("cyd", "waiting"), ("dan", "failed")):
        await add_run(database.pool, owner=owner, state=state)
    holder = await add_worker(database.pool)
    await add_run(database.pool, owner="eve", state="running", holder=holder)
    await sweep.sweep()
    active = {owner for owner, (_, active) in (await served(database)).items() if active}
    assert active == {"bob", "cyd", "eve"}


# --- keys of requests


async def test_keys_are_forgotten_after_a_day(database: Database, sweep: Sweep) -> None:
    await database.pool.execute(
        "INSERT INTO idempotency_key (owner, key, request, created_at)"
        " SELECT 'ann', age::text, '', now() - make_interval(hours => age) FROM unnest(ARRAY[0, 23, 25, 900]) age"
    )
    await sweep.sweep()
    left = await database.pool.fetch("SELECT key FROM idempotency_key ORDER BY created_at DESC")
    assert [row["key"] for row in left] == ["0", "23"]
