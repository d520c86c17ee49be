"""Deliveries are written once, released within their endpoint's room, and set going again on request."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import orjson

from lingoloop_common.contracts.webhooks import AT_ONCE, LANE
from lingoloop_common.store.database import Connection, Database
from lingoloop_common.store.runs import Change, change_run, lock_run
from lingoloop_common.store.webhooks import announce, resume, send_again
from tests.rows import AddedRun, add_endpoint, add_run


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
        await within(database, lambda connection, run=run: announce(connection, run.run_id, endpoint))  # type: ignore[misc]
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
