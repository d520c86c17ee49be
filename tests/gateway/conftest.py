"""One gateway for a module, with or without a transcriber behind it; each test has owners of its own."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.conftest import own_database
from tests.gateway.world import World, running_world
from tests.servers.postgres import PostgresServer


@pytest.fixture(scope="module")
def other_database_url(postgres: PostgresServer) -> Iterator[str]:
    """Another database, for a second world of the module."""
    with own_database(postgres) as url:
        yield url


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
