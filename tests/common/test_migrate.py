"""Migrations: applied once, by one of many, and never over a history that does not fit."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator

import asyncpg
import pytest
from structlog.testing import capture_logs

from lingoloop_common.store import migrate as module
from lingoloop_common.store.database import Database
from lingoloop_common.store.migrate import Migrated, Migration, MigrationError, migrate, migrations
from tests.waiting import eventually


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


def names() -> list[str]:
    return [migration.name for migration in migrations()]


async def test_an_empty_database_gets_all_migrations_in_order(
    connection: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    assert await migrate(connection) == names() == sorted(names())
    assert await connection.fetchval("SELECT count(*) FROM transcript_run") == 0


async def test_a_second_time_applies_nothing(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    await migrate(connection)
    assert await migrate(connection) == []


async def test_of_several_at_once_one_applies(database_url: str) -> None:
    connections = [await asyncpg.connect(database_url) for _ in range(4)]
    applied = await asyncio.gather(*(migrate(connection) for connection in connections))
    assert sorted(applied) == [[], [], [], names()]
    for connection in connections:
        await connection.close()


async def test_a_changed_file_is_refused(
    connection: "asyncpg.Connection[asyncpg.Record]", monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrate(connection)
    first = migrations()[0]
    changed = [Migration(first.number, first.name, first.text + "\n"), *migrations()[1:]]
    monkeypatch.setattr(module, "migrations", lambda: changed)
    with pytest.raises(MigrationError, match=f"{first.name} was changed"):
        await migrate(connection)


async def test_a_newer_database_is_refused(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    await migrate(connection)
    await connection.execute("INSERT INTO migration (number, name, checksum) VALUES (9999, 'later', 'x')")
    with pytest.raises(MigrationError, match="has migration 9999, which this program does not know"):
        await migrate(connection)


async def test_a_migration_that_fails_leaves_nothing_and_blocks_nobody(
    connection: "asyncpg.Connection[asyncpg.Record]", monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrate(connection)
    broken = [*migrations(), Migration(9998, "9998_broken", "CREATE TABLE half (); SELECT 1 / 0")]
    monkeypatch.setattr(module, "migrations", lambda: broken)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(connection)
    assert await connection.fetchval("SELECT to_regclass('half')") is None
    monkeypatch.undo()
    assert await migrate(connection) == []


@pytest.fixture
async def busy_table(
    connection: "asyncpg.Connection[asyncpg.Record]", database_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A session whose transaction reads a table that the next migration alters."""
    await migrate(connection)
    one_more = Migration(9998, "9998_more", "CREATE TABLE other (); ALTER TABLE job ADD COLUMN more int")
    more = [*migrations(), one_more]
    monkeypatch.setattr(module, "migrations", lambda: more)
    monkeypatch.setattr(module, "LOCK_MS", 100)
    monkeypatch.setattr(module, "PAUSE", 0.3)
    reader = await asyncpg.connect(database_url)
    await reader.execute("BEGIN; SELECT FROM job")
    yield reader
    await reader.close()


async def test_a_migration_that_waits_for_a_table_keeps_nobody_waiting_behind_it(
    connection: "asyncpg.Connection[asyncpg.Record]",
    database_url: str,
    busy_table: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    migrating = asyncio.create_task(migrate(connection))
    others = await asyncpg.connect(database_url)
    try:
        end = asyncio.get_running_loop().time() + 1.5
        while asyncio.get_running_loop().time() < end:
            await others.fetch("SELECT FROM job", timeout=1)
            await asyncio.sleep(0.02)
        assert not migrating.done()
        await busy_table.execute("COMMIT")
        assert await asyncio.wait_for(migrating, 10) == ["9998_more"]
        await others.fetch("SELECT more FROM job")
    finally:
        await others.close()


@pytest.mark.usefixtures("busy_table")
async def test_a_migration_gives_up_on_a_table_that_stays_in_use_and_leaves_nothing(
    connection: "asyncpg.Connection[asyncpg.Record]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TRIES", 2)
    with pytest.raises(MigrationError, match="9998_more got no lock"):
        await migrate(connection)
    assert await connection.fetchval("SELECT to_regclass('other')") is None


async def test_a_migration_that_meets_a_service_across_two_tables_tries_again(
    connection: "asyncpg.Connection[asyncpg.Record]", database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrate(connection)
    two = Migration(9998, "9998_two", "ALTER TABLE unit ADD one int; ALTER TABLE job ADD two int")
    more = [*migrations(), two]
    monkeypatch.setattr(module, "migrations", lambda: more)
    monkeypatch.setattr(module, "PAUSE", 0.1)
    # It is the one that PostgreSQL breaks off, also where the service comes later than it is looked for.
    await connection.execute("SET deadlock_timeout = '300ms'")
    service, watch = await asyncpg.connect(database_url), await asyncpg.connect(database_url)
    try:
        await service.execute("SET deadlock_timeout = '1min'")
        await service.execute("BEGIN; SELECT FROM job")
        migrating = asyncio.create_task(migrate(connection))
        waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'job'::regclass AND NOT granted)"
        await eventually(lambda: watch.fetchval(waits))
        await service.execute("SELECT FROM unit; COMMIT")
        assert await asyncio.wait_for(migrating, 20) == ["9998_two"]
    finally:
        await service.close()
        await watch.close()


async def test_the_document_s_statements_run_as_written(
    connection: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    await migrate(connection)
    await connection.fetch(
        "SELECT * FROM job WHERE job_type = 'transcribe_long' AND status = 'queued' ORDER BY created_at ASC"
    )
    await connection.fetch("SELECT * FROM transcript_run WHERE status = 'queued'")
    indexes = {
        row["indexname"]: row["indexdef"] for row in await connection.fetch("SELECT * FROM pg_indexes")
    }
    assert indexes["idx_job_status_created"].endswith("(status, created_at)")
    assert indexes["idx_run_status"].endswith("(status)")


async def start_over(url: str, patience: float = 0.1) -> None:
    """Start as a service does: the database, then a look at its tables."""
    database = Database(url, pool_max=2, startup_timeout=5, exclusive=False)
    await database.start()
    try:
        await Migrated(database, patience).start()
    finally:
        await database.stop()


async def test_a_service_starts_only_over_all_the_tables_it_knows(
    database_url: str, connection: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    with pytest.raises(MigrationError, match=r"lacks 0001_spine, .*run `lingoloop migrate`"):
        await start_over(database_url)
    await migrate(connection)
    await start_over(database_url)
    await connection.execute("DELETE FROM migration WHERE number = 2")
    with pytest.raises(MigrationError, match="lacks 0002_control:"):
        await start_over(database_url)


async def test_a_service_waits_for_the_migrations_that_somebody_applies(
    database_url: str, connection: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    with capture_logs() as said:
        service = asyncio.create_task(start_over(database_url, patience=60))
        await eventually(lambda: any(line["event"].startswith("waiting for migrations") for line in said))
    await migrate(connection)
    await asyncio.wait_for(service, 10)


async def test_a_service_goes_on_over_a_newer_database_while_others_are_replaced(
    database_url: str, connection: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await migrate(connection)
    await connection.execute("INSERT INTO migration (number, name, checksum) VALUES (9999, '9999_next', 'x')")
    await start_over(database_url)


def run_alone(**settings: str) -> "subprocess.CompletedProcess[str]":
    """The module by itself, as images and clusters run it."""
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    command = [sys.executable, "-m", "lingoloop_common.store.migrate"]
    return subprocess.run(
        command, env={**environment, **settings}, capture_output=True, text=True, check=False
    )


def test_by_itself_it_prints_what_it_applied_and_the_next_time_nothing(database_url: str) -> None:
    done = run_alone(DATABASE_URL=database_url)
    assert (done.returncode, done.stdout.split()) == (0, names()), done.stderr
    assert (again := run_alone(DATABASE_URL=database_url)).returncode == 0
    assert again.stdout == ""


def test_by_itself_it_says_in_a_line_why_it_cannot() -> None:
    unset, away = run_alone(), run_alone(DATABASE_URL="postgresql://lingoloop@127.0.0.1:1/lingoloop")
    assert (unset.returncode, unset.stderr) == (2, "migrate: DATABASE_URL is not set\n")
    assert away.returncode == 1
    assert away.stderr.startswith("migrate: ")
    assert "Traceback" not in away.stderr
