"""One notifier for a module; each test has owners of its own."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.notifier.world import HeldBroker, World, running_world


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
