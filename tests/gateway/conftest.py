"""One gateway for a module, with or without a transcriber behind it; each test has owners of its own."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from lingoloop_gateway import web_app
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


@pytest.fixture(scope="session", autouse=True)
def built_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A web app stands where `make web` puts it, whether it was built here or not."""
    folder = tmp_path_factory.mktemp("app")
    (folder / "assets").mkdir()
    (folder / "index.html").write_text("<!doctype html><title>The app</title>")
    (folder / "favicon.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (folder / "assets" / "page.css").write_text("body { margin: 0 }")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(web_app, "APP", folder)
        yield folder


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
