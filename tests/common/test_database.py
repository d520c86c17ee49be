"""The pool, and the guard that keeps the one-process mode and a fleet apart."""

from collections.abc import Callable

import pytest

from lingoloop_common.store.database import BROKEN, Database, DatabaseInUse, DatabaseRefuses
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
