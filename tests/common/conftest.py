"""A migrated database, open."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from lingoloop_common.store.database import Database
from lingoloop_common.store.migrate import migrate


@pytest.fixture
async def migrated_url(database_url: str) -> str:
    """A fresh database with all tables."""
    connection = await asyncpg.connect(database_url)
    await migrate(connection)
    await connection.close()
    return database_url


@pytest.fixture
async def database(migrated_url: str) -> AsyncIterator[Database]:
    """A fresh database with all tables, connected."""
    database = Database(migrated_url, pool_max=10, startup_timeout=5, exclusive=False)
    await database.start()
    yield database
    await database.stop()
