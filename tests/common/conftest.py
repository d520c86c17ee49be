"""A migrated database, open."""

from collections.abc import AsyncIterator

import pytest

from lingoloop_common.store.database import Database


@pytest.fixture
async def database(migrated_url: str) -> AsyncIterator[Database]:
    """A fresh database with all tables, connected."""
    database = Database(migrated_url, pool_max=10, startup_timeout=5, exclusive=False)
    await database.start()
    yield database
    await database.stop()
