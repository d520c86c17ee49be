"""One gateway for a module, with or without a transcriber behind it; each test has owners of its own."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from lingoloop_common.store.migrate import migrate
from tests.gateway.world import World, running_world
from tests.servers.postgres import PostgresServer


async def _migrate(url: str) -> None:
    connection = await asyncpg.connect(url)
    await migrate(connection)
    await connection.close()


def _database(postgres: PostgresServer) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    url = postgres.create_database(name)
    asyncio.run(_migrate(url))
    yield url
    postgres.drop_database(name)


module_database_url = pytest.fixture(scope="module", name="module_database_url")(_database)
other_database_url = pytest.fixture(scope="module", name="other_database_url")(_database)
own_database_url = pytest.fixture(name="own_database_url")(_database)


@pytest.fixture(scope="session", autouse=True)
def quick_engine() -> Iterator[None]:
    """The simulated engine takes no time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIMULATED_MS_PER_SECOND", "0")
        yield


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """Everything, the transcriber too."""
    async with running_world(module_database_url, tmp_path_factory.mktemp("blobs")) as world:
        yield world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def idle_world(
    other_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """No transcriber runs: the lane is known, but nothing is done."""
    folder = tmp_path_factory.mktemp("idle")
    async with running_world(
        other_database_url, folder, transcribes=False, transcribe_sync_timeout_ms=200
    ) as world:
        yield world


@pytest.fixture
def own_folder(tmp_path: Path) -> Path:
    """A blob folder for a world of the test's own."""
    return tmp_path / "blobs"
