"""One notifier for a module; each test has owners of its own."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest
import pytest_asyncio

from lingoloop_common.store.migrate import migrate
from tests.notifier.world import HeldBroker, World, running_world
from tests.servers.postgres import PostgresServer


async def migrate_database(url: str) -> None:
    """Make all tables."""
    connection = await asyncpg.connect(url)
    await migrate(connection)
    await connection.close()


@pytest.fixture(scope="module")
def module_database_url(postgres: PostgresServer) -> Iterator[str]:
    """A database with all tables."""
    name = f"test_{uuid.uuid4().hex}"
    url = postgres.create_database(name)
    asyncio.run(migrate_database(url))
    yield url
    postgres.drop_database(name)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_world(module_database_url: str) -> AsyncIterator[World]:
    async with running_world(module_database_url, HeldBroker()) as world:
        yield world


@pytest.fixture
def world(module_world: World) -> Iterator[World]:
    """The module's notifier, with a broker that passes everything on."""
    yield module_world
    module_world.held_broker.mode = "pass"
    module_world.held_broker.binding.set()
