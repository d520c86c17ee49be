"""A fleet over private servers, for the length of a bench."""

import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from tests.fleet import Fleet, running_fleet
from tests.servers.postgres import PostgresServer
from tests.servers.rabbitmq import RabbitServer


@contextlib.asynccontextmanager
async def bench_fleet(*, transcribers: int = 1, **settings: str) -> AsyncIterator[tuple[Fleet, Path]]:
    """Run a real fleet on this machine; give it and a folder for files."""
    with PostgresServer() as postgres, RabbitServer() as rabbitmq, tempfile.TemporaryDirectory() as folder:
        database_url, broker_url = postgres.create_database("bench"), rabbitmq.create_vhost("bench")
        async with running_fleet(
            Path(folder), database_url, broker_url, transcribers=transcribers, **settings
        ) as fleet:
            yield fleet, Path(folder)
