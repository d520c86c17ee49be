"""Deliveries are written once and with the end of a run, released within their endpoint's room, and set going again."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any
from uuid import UUID

import orjson
import pytest

from lingoloop_common.broker.memory import MemoryBroker
from lingoloop_common.contracts.events import ErrorCause
from lingoloop_common.contracts.webhooks import AT_ONCE, LANE
from lingoloop_common.relay import Relay
from lingoloop_common.store.database import Connection, Database
from lingoloop_common.store.runs import Change, change_run, lock_run
from lingoloop_common.store.webhooks import announce, resume, send_again
from lingoloop_common.sweep import Sweep
from tests.rows import AddedRun, add_endpoint, add_run
from tests.waiting import eventually


@pytest.fixture
async def database(module_database_url: str) -> AsyncIterator[Database]:
    """The module's database, emptied of what earlier tests left."""
    database = Database(module_database_url, pool_max=10, startup_timeout=5, exclusive=False)
    await database.start()
    await database.pool.execute("TRUNCATE webhook_endpoint, run_event, outbox, transcript_run CASCADE")
    yield database
    await database.stop()


async def within(database: Database, act: Callable[[Connection], Awaitable[Any]]) -> Any:
    """Do something in a transaction of its own."""
    async with database.pool.acquire() as connection, connection.transaction():
        return await act(connection)


async def end(database: Database, run: AddedRun) -> None:
    """End a run's only unit."""

    async def change(connection: Connection) -> None:
        await change_run(connection, await lock_run(connection, run.run_id), Change(units_ended=1))

    await within(database, change)


async def tokens(database: Database) -> int:
    count: int = await database.pool.fetchval("SELECT count(*) FROM outbox WHERE lane = $1", LANE)
    return count


async def states(database: Database) -> list[str]:
    rows = await database.pool.fetch("SELECT state FROM webhook_delivery ORDER BY created_at, id")
    return [row["state"] for row in rows]


async def withheld(database: Database, count: int) -> UUID:
    """Return an endpoint that was paused, and from which so many deliveries are withheld."""
    endpoint = await add_endpoint(database.pool, every_run=False)
    for _ in range(count):
        run = await add_run(database.pool)
        await end(database, run)
        await within(database, partial(announce, run_id=run.run_id, endpoint_id=endpoint))
    await database.pool.execute(
        "UPDATE webhook_delivery SET state = 'waiting', tries = 3, failing_since = now()"
    )
    await database.pool.execute("UPDATE webhook_endpoint SET paused_at = now(), paused_because = 'it failed'")
    await database.pool.execute("DELETE FROM outbox")
    return endpoint


async def test_an_endpoint_named_after_the_end_is_told_once(database: Database) -> None:
    endpoint = await add_endpoint(database.pool, every_run=False)
    run = await add_run(database.pool)
    await database.pool.execute("UPDATE audio SET metadata = $1", {"order": "7, ä"})
    await end(database, run)
    assert await states(database) == []
    told = [await within(database, lambda c: announce(c, run.run_id, endpoint)) for _ in range(2)]
    assert told == [True, False]
    assert await states(database) == ["ready"]
    assert await tokens(database) == 1
    row = await database.pool.fetchrow("SELECT * FROM webhook_delivery")
    assert row is not None
    done = await database.pool.fetchrow("SELECT * FROM outbox WHERE lane IS NULL ORDER BY id DESC LIMIT 1")
    assert done is not None
    assert str(row["event_id"]) == done["headers"]["cloudEvents_id"]
    state = orjson.loads(done["body"])
    del state["event"]
    assert orjson.loads(row["body"]) == {
        "type": "lingoloop.run.done.v1",
        "timestamp": done["headers"]["cloudEvents_time"],
        "data": {**state, "metadata": {"order": "7, ä"}},
    }
    assert row["id"].version == 7


async def test_an_endpoint_named_before_the_end_waits_for_it(database: Database) -> None:
    endpoint = await add_endpoint(database.pool, every_run=False)
    run = await add_run(database.pool)
    assert await within(database, lambda c: announce(c, run.run_id, endpoint)) is False
    assert await states(database) == []
    assert await database.pool.fetchval("SELECT count(*) FROM run_webhook") == 1


async def test_nobody_else_s_endpoint_is_told(database: Database) -> None:
    endpoint = await add_endpoint(database.pool, owner="bob", every_run=False)
    run = await add_run(database.pool, owner="ann")
    await end(database, run)
    assert await within(database, lambda c: announce(c, run.run_id, endpoint)) is False
    assert await states(database) == []


async def test_a_resumed_endpoint_is_told_as_much_as_it_has_room_for(database: Database) -> None:
    endpoint = await withheld(database, AT_ONCE + 2)
    await within(database, lambda c: resume(c, endpoint))
    assert await states(database) == ["ready"] * AT_ONCE + ["waiting"] * 2
    assert await tokens(database) == AT_ONCE
    row = await database.pool.fetchrow("SELECT * FROM webhook_endpoint")
    assert row is not None
    assert (row["paused_at"], row["paused_because"], row["failing_since"]) == (None, None, None)
    assert await database.pool.fetchval("SELECT sum(tries) FROM webhook_delivery") == 0


async def test_two_who_resume_at_once_release_no_more_than_there_is_room_for(database: Database) -> None:
    endpoint = await withheld(database, 3 * AT_ONCE)
    await asyncio.gather(*(within(database, lambda c: resume(c, endpoint)) for _ in range(4)))
    assert (await states(database)).count("ready") == AT_ONCE == await tokens(database)


async def test_what_ended_is_sent_again_and_what_is_under_way_is_not(database: Database) -> None:
    await withheld(database, 1)
    delivery = await database.pool.fetchval("SELECT id FROM webhook_delivery")
    for state, again in [
        ("waiting", True),
        ("delivered", True),
        ("failed", True),
        ("ready", False),
        ("sending", False),
    ]:
        await database.pool.execute("UPDATE webhook_delivery SET state = $1, tries = 7", state)
        await database.pool.execute("DELETE FROM outbox")
        assert await within(database, lambda c: send_again(c, delivery)) is again
        assert await states(database) == ["ready" if again else state]
        assert await tokens(database) == int(again)
        assert await database.pool.fetchval("SELECT tries FROM webhook_delivery") == (0 if again else 7)


# --- with a run's end


async def told(database: Database) -> list[tuple[str, str]]:
    """Return which endpoint is told of which run, by url and owner."""
    rows = await database.pool.fetch(
        "SELECT e.url, d.owner FROM webhook_delivery d JOIN webhook_endpoint e ON e.id = d.endpoint_id ORDER BY e.url"
    )
    return [(row["url"], row["owner"]) for row in rows]


async def test_a_run_s_end_is_told_to_its_owner_s_endpoints_and_to_those_it_named(database: Database) -> None:
    for url, owner, every_run in [
        ("every", "ann", True),
        ("both", "ann", True),
        ("named", "ann", False),
        ("silent", "ann", False),
        ("other", "bob", True),
    ]:
        await add_endpoint(database.pool, url=url, owner=owner, every_run=every_run)
    run = await add_run(database.pool, owner="ann", units=2)
    await database.pool.execute(
        "INSERT INTO run_webhook SELECT $1, id FROM webhook_endpoint WHERE url IN ('named', 'both')",
        run.run_id,
    )
    await end(database, run)  # the first of two units
    assert await told(database) == []
    assert await tokens(database) == 0
    await end(database, run)
    assert await told(database) == [("both", "ann"), ("every", "ann"), ("named", "ann")]
    assert await tokens(database) == 3
    done = await database.pool.fetchval(
        "SELECT message_id FROM outbox WHERE lane IS NULL ORDER BY id DESC LIMIT 1"
    )
    ids = await database.pool.fetch("SELECT DISTINCT event_id FROM webhook_delivery")
    assert [row["event_id"] for row in ids] == [done]


async def test_an_end_that_is_rolled_back_is_told_to_nobody(database: Database) -> None:
    await add_endpoint(database.pool)
    run = await add_run(database.pool)
    async with database.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await change_run(connection, await lock_run(connection, run.run_id), Change(units_ended=1))
        assert await connection.fetchval("SELECT count(*) FROM webhook_delivery") == 1
        await transaction.rollback()
    assert await states(database) == []
    assert await tokens(database) == 0
    await end(database, run)
    assert await states(database) == ["ready"]


async def test_a_failure_and_what_came_of_its_retry_are_two_messages(database: Database) -> None:
    await add_endpoint(database.pool)
    run = await add_run(database.pool)
    cause = ErrorCause(code="engine_failed", message="out of order")

    async def change(what: Change) -> None:
        async def act(connection: Connection) -> None:
            await change_run(connection, await lock_run(connection, run.run_id), what)

        await within(database, act)

    await change(Change(units_ended=1, units_failed=1, error=cause))
    await change(Change(retries=True, units_ended=-1, units_failed=-1, replaces_error=True))
    await change(Change(units_ended=1))
    await change(Change())  # it has ended: this tells nothing new
    rows = await database.pool.fetch("SELECT event_id, body FROM webhook_delivery ORDER BY id")
    data = [orjson.loads(row["body"])["data"] for row in rows]
    assert [(one["status"], one.get("error")) for one in data] == [
        ("failed", {"code": "engine_failed", "message": "out of order"}),
        ("succeeded", None),
    ]
    assert len({row["event_id"] for row in rows}) == 2


async def test_an_endpoint_deleted_in_this_moment_keeps_no_run_from_its_end(database: Database) -> None:
    await add_endpoint(database.pool, url="stays")
    endpoint = await add_endpoint(database.pool, url="goes")
    run = await add_run(database.pool)
    async with database.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("DELETE FROM webhook_endpoint WHERE id = $1", endpoint)
        ending = asyncio.create_task(end(database, run))

        async def waits() -> bool:
            sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            return bool(await database.pool.fetchval(sql))

        await eventually(waits)
        await transaction.commit()
    await ending
    assert await told(database) == [("stays", "ann")]


async def test_a_named_endpoint_is_told_once_whoever_comes_first(database: Database) -> None:
    """The end of a run, and the equal upload that names an endpoint, at the same time."""
    endpoint = await add_endpoint(database.pool, every_run=False)
    for _ in range(10):
        run = await add_run(database.pool)
        name = partial(announce, run_id=run.run_id, endpoint_id=endpoint)
        await asyncio.gather(end(database, run), within(database, name))
    assert await states(database) == ["ready"] * 10 == ["ready"] * await tokens(database)


# --- the sweep


@pytest.fixture
def sweep(database: Database) -> Sweep:
    """Its relay is not started: what is written to the outbox stays there to be counted."""
    broker = MemoryBroker()
    return Sweep(database, broker, Relay(database, broker))


async def some(database: Database, count: int) -> None:
    """Add deliveries of an endpoint, without tokens."""
    await add_endpoint(database.pool)
    for _ in range(count):
        await end(database, await add_run(database.pool))
    await database.pool.execute("DELETE FROM outbox")


async def set_row(database: Database, place: int, state: str, due: float | None) -> None:
    """Give a delivery a state, and a time it is due at, in seconds from now."""
    await database.pool.execute(
        "UPDATE webhook_delivery SET state = $2, due_at = now() + make_interval(secs => $3)"
        " WHERE id = (SELECT id FROM webhook_delivery ORDER BY created_at, id OFFSET $1 LIMIT 1)",
        place,
        state,
        due,
    )


async def test_what_is_due_and_what_no_sender_ended_turns_ready_with_a_token_each(
    database: Database, sweep: Sweep
) -> None:
    await some(database, 6)
    for place, (state, due) in enumerate(
        [
            ("waiting", -1),
            ("waiting", 60),
            ("sending", -1),
            ("sending", 60),
            ("delivered", None),
            ("waiting", None),
        ]
    ):
        await set_row(database, place, state, due)
    for _ in range(2):
        await sweep.sweep()
        assert await states(database) == ["ready", "waiting", "ready", "sending", "delivered", "waiting"]
        assert await tokens(database) == 2
    assert await database.pool.fetchval("SELECT count(*) FROM webhook_delivery WHERE due_at IS NOT NULL") == 2


async def test_lost_tokens_are_written_again(database: Database, sweep: Sweep) -> None:
    await some(database, 3)
    await set_row(database, 0, "sending", 60)
    await sweep.sweep()
    assert await tokens(database) == 0
    await sweep.sweep()
    assert await tokens(database) == 2


async def test_what_is_withheld_and_forgotten_is_set_going(database: Database, sweep: Sweep) -> None:
    """Those it waited for were deleted with their runs."""
    await some(database, AT_ONCE + 1)
    for place in range(AT_ONCE + 1):
        await set_row(database, place, "waiting", None)
    await sweep.sweep()
    assert await states(database) == ["ready"] * AT_ONCE + ["waiting"]
    assert await tokens(database) == AT_ONCE


async def test_to_a_paused_endpoint_nothing_is_set_going(database: Database, sweep: Sweep) -> None:
    await withheld(database, 2)
    for _ in range(3):
        await sweep.sweep()
    assert await states(database) == ["waiting"] * 2
    assert await tokens(database) == 0


async def test_what_was_told_is_forgotten_after_thirty_days(database: Database, sweep: Sweep) -> None:
    await some(database, 10)
    cases = [(state, due) for state, due in STATES for _ in range(2)]
    for place, (state, due) in enumerate(cases):
        await set_row(database, place, state, due)
    await database.pool.execute(
        "UPDATE webhook_delivery SET created_at = created_at - make_interval(days => CASE WHEN place % 2 = 0 THEN 31 ELSE 29 END)"
        " FROM (SELECT id, row_number() OVER (ORDER BY created_at, id) - 1 AS place FROM webhook_delivery) placed"
        " WHERE placed.id = webhook_delivery.id"
    )
    await database.pool.execute("UPDATE webhook_endpoint SET paused_at = now()")
    await sweep.sweep()
    left = Counter(await states(database))
    assert left == {"delivered": 1, "failed": 1, "ready": 2, "sending": 2, "waiting": 1}


STATES: list[tuple[str, float | None]] = [
    ("delivered", None),
    ("failed", None),
    ("ready", None),
    ("sending", 60),
    ("waiting", None),
]


async def test_before_a_one_process_server_takes_work_all_claims_end(
    database: Database, sweep: Sweep
) -> None:
    await some(database, 1)
    await set_row(database, 0, "sending", 60)
    await sweep.end_all_leases()
    await sweep.sweep()
    assert await states(database) == ["ready"]
