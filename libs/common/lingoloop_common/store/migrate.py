"""Migrations: numbered `.sql` files, each applied once, in order, in a transaction of its own."""

import asyncio
import hashlib
import os
import sys
from dataclasses import dataclass
from importlib.resources import files

import asyncpg
import structlog

from lingoloop_common.log import configure_logging
from lingoloop_common.store.database import Connection, Database

log = structlog.get_logger(__name__)

LOCK = 0x11600A

LOCK_MS = 2_000
"""How long a migration waits for a table's lock: whoever asks for the table after it waits as long."""

TRIES, PAUSE = 60, 2.0
"""How often a migration tries to get its locks, and seconds in between."""


class MigrationError(RuntimeError):
    """The database's history does not fit this program."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of `migrations/`: its number, name, text, and the checksum that is remembered."""

    number: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text: an applied file must never change."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def migrations() -> list[Migration]:
    """Return all migrations in order."""
    folder = files(__package__).joinpath("migrations")
    found = [
        Migration(int(file.name[:4]), file.name.removesuffix(".sql"), file.read_text(encoding="utf-8"))
        for file in folder.iterdir()
        if file.name.endswith(".sql")
    ]
    return sorted(found, key=lambda migration: migration.number)


async def migrate(connection: Connection) -> list[str]:
    """Apply what is missing and return the names of what was applied.

    Several processes may call this at once: one applies, the others wait. They poll for the lock, since a
    session that waits inside `pg_advisory_lock` holds a snapshot and would block CREATE INDEX CONCURRENTLY.

    Raises:
        MigrationError: an applied file was changed since, the database is newer than this program, or a table is in use for
            minutes by somebody who lets nobody alter it.
    """
    while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    try:
        return await _apply(connection)
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", LOCK)


class Migrated:
    """A part that starts only over a database with all tables that this program knows.

    It waits for them like for the database itself: where a fleet is updated in one go, somebody is making them. A newer database is
    no fault: while services are replaced one by one, those of the version before go on.
    """

    def __init__(self, database: Database, patience: float) -> None:
        self._database, self._patience = database, patience

    async def start(self) -> None:
        """Look, for so many seconds.

        Raises:
            MigrationError: migrations were not applied.
        """
        loop = asyncio.get_running_loop()
        end, said = loop.time() + self._patience, False
        while lacking := await self._lacking():
            if loop.time() >= end:
                raise MigrationError(
                    f"the database lacks {', '.join(lacking)}: run `lingoloop migrate` first"
                )
            if not said:
                log.warning("waiting for migrations; `lingoloop migrate` applies them", lacking=lacking)
                said = True
            await asyncio.sleep(0.5)

    async def _lacking(self) -> list[str]:
        async with self._database.pool.acquire() as connection:
            done = await connection.fetchval("SELECT to_regclass('migration') IS NOT NULL")
            rows = await connection.fetch("SELECT number FROM migration") if done else []
        applied = {row["number"] for row in rows}
        return [migration.name for migration in migrations() if migration.number not in applied]

    async def stop(self) -> None:
        """Nothing is open."""


async def _apply(connection: Connection) -> list[str]:
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS migration"
        " (number int PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied_at timestamptz DEFAULT now())"
    )
    applied = {row["number"]: row for row in await connection.fetch("SELECT * FROM migration")}
    known = migrations()
    newer = sorted(set(applied) - {migration.number for migration in known})
    if newer:
        raise MigrationError(
            f"the database has migration {newer[-1]:04}, which this program does not know: update it"
        )
    done = []
    for migration in known:
        if row := applied.get(migration.number):
            if row["checksum"] != migration.checksum:
                raise MigrationError(f"{migration.name} was changed after it was applied to this database")
            continue
        await _apply_one(connection, migration)
        log.info("migration applied", name=migration.name)
        done.append(migration.name)
    return done


async def _apply_one(connection: Connection, migration: Migration) -> None:
    """Apply a migration under services that work: it gets its locks quickly, or lets go of all and tries again."""
    for _ in range(TRIES):
        try:
            async with connection.transaction():
                await connection.execute(f"SET LOCAL lock_timeout = {LOCK_MS}")
                await connection.execute(migration.text)
                await connection.execute(
                    "INSERT INTO migration (number, name, checksum) VALUES ($1, $2, $3)",
                    migration.number,
                    migration.name,
                    migration.checksum,
                )
            return
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            log.warning("a migration waits for a table that is in use; will try again", name=migration.name)
        await asyncio.sleep(PAUSE)
    raise MigrationError(
        f"{migration.name} got no lock on a table: who holds it for so long, a dump? Try again later"
    )


async def migrate_at(url: str) -> list[str]:
    """Apply what a database lacks and return the names of what was applied; raises as `migrate` does."""
    connection = await asyncpg.connect(url)
    try:
        return await migrate(connection)
    finally:
        await connection.close()


def main() -> int:
    """`python -m lingoloop_common.store.migrate`: `lingoloop migrate`, where the command line is not installed."""
    if not (url := os.environ.get("DATABASE_URL")):
        print("migrate: DATABASE_URL is not set", file=sys.stderr)
        return 2
    configure_logging(level=os.environ.get("LOG_LEVEL") or "WARNING")
    try:
        for name in asyncio.run(migrate_at(url)):
            print(name)
    except (MigrationError, OSError, asyncpg.PostgresError) as error:
        print(f"migrate: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
