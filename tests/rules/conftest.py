"""A migrated database, a broker, and the parts that transcribers share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lingoloop_common.blobs import FolderBlobs
from lingoloop_common.broker import Broker
from lingoloop_common.broker.memory import MemoryBroker
from lingoloop_common.broker.rabbitmq import RabbitBroker
from lingoloop_common.lifecycle import running
from lingoloop_common.relay import Relay
from lingoloop_common.store.database import Database
from tests.rules.workshop import Workshop


@pytest.fixture
async def shop(migrated_url: str, tmp_path: Path) -> AsyncIterator[Workshop]:
    """A workshop without tokens of its own: the test hands them out; nothing leaves the outbox."""
    async for workshop in workshop_over(migrated_url, tmp_path, MemoryBroker(), relays=False):
        yield workshop


@pytest.fixture
async def plant(migrated_url: str, rabbitmq_url: str, tmp_path: Path) -> AsyncIterator[Workshop]:
    """A workshop with a real RabbitMQ and a relay at work."""
    broker = RabbitBroker(rabbitmq_url, startup_timeout=20)
    async for workshop in workshop_over(migrated_url, tmp_path, broker, relays=True):
        yield workshop


async def workshop_over(url: str, folder: Path, broker: Broker, *, relays: bool) -> AsyncIterator[Workshop]:
    """Give a workshop over a database that has its tables."""
    database = Database(url, pool_max=16, startup_timeout=10, exclusive=False)
    blobs = FolderBlobs(folder / "blobs")
    relay = Relay(database, broker)
    async with running([blobs, database, broker, *([relay] if relays else [])]):
        yield Workshop(database, broker, relay, blobs, folder)
