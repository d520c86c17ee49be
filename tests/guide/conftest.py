"""Systems that are started with variables of the environment, as the guide tells people to."""

import contextlib
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import pytest_asyncio

from lingoloop_common.blobs import FolderBlobs
from lingoloop_common.broker.memory import MemoryBroker
from lingoloop_common.lifecycle import running
from lingoloop_common.relay import Relay
from lingoloop_common.settings import read_settings
from lingoloop_common.store.database import Database
from tests.gateway.world import World, running_world
from tests.rules.workshop import Workshop

StartWorld: TypeAlias = Callable[..., contextlib.AbstractAsyncContextManager[World]]

NAMES = (
    "TRANSCRIBE_SYNC_MAX_BYTES",
    "TRANSCRIBE_SYNC_MAX_DURATION_MS",
    "TASKS_INLINE_PROCESSING",
    "WORKER_MAX_RETRIES",
    "WORKER_RETRY_DELAYS",
    "MAX_CONCURRENT_JOBS",
    "POLL_INTERVAL_MS",
    "JOB_TIMEOUT_MS",
)
"""The settings that the guide names."""


def kept_environment() -> dict[str, str]:
    """Return what a process needs of this one's environment; its settings are for the test to say."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of the guide's settings is set but by the test; the simulated engine takes no time."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SIMULATED_MS_PER_SECOND", "0")


@pytest.fixture
def start_world(migrated_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StartWorld:
    """Call it with variables of the environment for a whole system that reads them."""

    def start(*, transcribes: bool = True, **variables: str) -> contextlib.AbstractAsyncContextManager[World]:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

        def read(cls: Any, **given: object) -> Any:
            return read_settings(cls, **{k: v for k, v in given.items() if k.upper() not in variables})

        monkeypatch.setattr("tests.gateway.world.read_settings", read)
        # Where nobody works, a small upload is not waited for.
        hurry = {} if transcribes else {"transcribe_sync_timeout_ms": 200}
        return running_world(migrated_url, tmp_path / "blobs", transcribes=transcribes, **hurry)

    return start


@pytest.fixture
async def shop(migrated_url: str, tmp_path: Path) -> AsyncIterator[Workshop]:
    """What transcribers share, with a queue in memory."""
    database = Database(migrated_url, pool_max=10, startup_timeout=10, exclusive=False)
    broker, blobs = MemoryBroker(), FolderBlobs(tmp_path / "blobs")
    relay = Relay(database, broker)
    async with running([blobs, database, broker, relay]):
        yield Workshop(database, broker, relay, blobs, tmp_path)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def idle_world(
    module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """A system for all tests of a module, in which no transcriber runs; each test has owners of its own."""
    folder = tmp_path_factory.mktemp("blobs")
    async with running_world(
        module_database_url, folder, transcribes=False, transcribe_sync_timeout_ms=200
    ) as world:
        yield world
