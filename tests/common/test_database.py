"""The pool, and the guard that keeps the one-process mode and a fleet apart."""

import asyncio
import contextlib
from collections.abc import Callable

import asyncpg
import pytest

from lingoloop_common import lifecycle
from lingoloop_common.store import database as module
from lingoloop_common.store.database import BROKEN, GUARD, Database, DatabaseInUse, DatabaseRefuses
from tests.servers import free_port
from tests.servers.postgres import PostgresServer
from tests.waiting import eventually


def make(url: str, *, exclusive: bool = False) -> Database:
    return Database(url, pool_max=2, startup_timeout=5, exclusive=exclusive)


async def test_services_share_a_database(database_url: str) -> None:
    first, second = make(database_url), make(database_url)
    await first.start()
    await second.start()
    await second.check()
    await first.stop()
    await second.stop()


@pytest.mark.parametrize(("first", "second"), [(False, True), (True, False), (True, True)])
async def test_the_one_process_mode_shares_with_nobody(database_url: str, first: bool, second: bool) -> None:
    user, other = make(database_url, exclusive=first), make(database_url, exclusive=second)
    await user.start()
    with pytest.raises(DatabaseInUse, match="another process uses this database"):
        await other.start()
    await other.stop()
    await user.check()
    await user.stop()
    await other.start()  # free again at once
    await other.stop()


async def test_json_goes_in_and_out_as_values(database: Database) -> None:
    value = {"a": [1, 2.5, None, "ü"], "b": {"c": True}}
    assert await database.pool.fetchval("SELECT $1::jsonb", value) == value


async def test_a_query_cut_off_at_any_moment_leaves_no_transaction_open(database_url: str) -> None:
    database = Database(database_url, pool_max=1, startup_timeout=5, exclusive=False)
    await database.start()
    try:
        for number in range(200):  # each a statement that is not prepared yet, cut off a step later
            query = asyncio.create_task(database.pool.fetchval(f"SELECT $1::int + {number}", 1))
            for _ in range(number % 40):
                await asyncio.sleep(0)
            query.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await query
            async with (
                database.pool.acquire() as connection,
                connection.transaction(isolation="repeatable_read"),
            ):
                assert await connection.fetchval("SHOW transaction_isolation") == "repeatable read"
    finally:
        await database.stop()


async def test_a_database_that_cannot_be_reached_is_a_time_out() -> None:
    url = f"postgresql://lingoloop@127.0.0.1:{free_port()}/none"
    with pytest.raises(TimeoutError, match="DATABASE_URL"):
        await Database(url, pool_max=2, startup_timeout=0.1, exclusive=False).start()


@pytest.mark.slow
async def test_a_wrong_name_is_said_so_at_once(database_url: str) -> None:
    url = database_url.replace(database_url.rsplit("/", 1)[1].split("?", maxsplit=1)[0], "nosuch")
    database = Database(url, pool_max=2, startup_timeout=30, exclusive=False)
    with pytest.raises(DatabaseRefuses, match=r'DATABASE_URL.*"nosuch" does not exist'):
        await database.start()


async def test_a_database_that_went_away_fails_the_check_and_is_used_again_when_it_is_back(
    private_postgres: Callable[[], PostgresServer],
) -> None:
    server = private_postgres()
    database = make(server.url)
    await database.start()
    server.kill()
    with pytest.raises(BROKEN):
        await database.check()
    server.start()

    async def answers() -> bool:
        try:
            await database.check()
        except BROKEN:
            return False
        return True

    await eventually(answers)
    await database.stop()


async def held(server: PostgresServer) -> int:
    connection = await asyncpg.connect(server.url)
    try:
        locks: int = await connection.fetchval(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = $1 AND granted", GUARD
        )
    finally:
        await connection.close()
    return locks


async def test_the_guard_is_taken_again_after_the_database_restarted(
    private_postgres: Callable[[], PostgresServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GUARD_LOOK", 0.1)
    server = private_postgres()
    service = make(server.url)
    await service.start()
    server.kill()
    server.start()

    async def is_held() -> bool:
        return await held(server) == 1

    await eventually(is_held)
    with pytest.raises(DatabaseInUse):
        await make(server.url, exclusive=True).start()
    await service.stop()
    assert await held(server) == 0


async def test_a_process_whose_guard_another_took_meanwhile_ends(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GUARD_LOOK", 0.05)
    monkeypatch.setattr(module, "GUARD_PATIENCE", 0.1)
    ends: list[str] = []
    monkeypatch.setattr(lifecycle, "_end_process_if_failed", lambda task: ends.append(repr(task.exception())))
    service = make(database_url)
    await service.start()
    taker, killer = await asyncpg.connect(database_url), await asyncpg.connect(database_url)
    taking = asyncio.create_task(taker.execute("SELECT pg_advisory_lock($1)", GUARD))  # next in the queue

    async def waits() -> bool:
        count: int = await killer.fetchval(
            "SELECT count(*) FROM pg_locks WHERE objid = $1 AND NOT granted", GUARD
        )
        return count == 1

    await eventually(waits)
    await killer.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE objid = $1 AND granted", GUARD)
    await taking
    await eventually(lambda: ends)
    assert "another process uses this database" in ends[0]
    await taker.close()
    await killer.close()
    await service.stop()
