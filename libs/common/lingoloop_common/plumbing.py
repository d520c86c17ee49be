"""The plumbing of a process: logs, database, broker and relay, put together in one place."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lingoloop_common.broker import Broker
from lingoloop_common.broker.memory import MemoryBroker
from lingoloop_common.broker.rabbitmq import RabbitBroker
from lingoloop_common.lifecycle import Part
from lingoloop_common.log import configure_logging
from lingoloop_common.relay import Relay
from lingoloop_common.settings import Settings
from lingoloop_common.store.database import Database
from lingoloop_common.store.migrate import Migrated


@dataclass(frozen=True, slots=True)
class Plumbing:
    """What a process's parts share."""

    database: Database
    broker: Broker
    relay: Relay
    migrated: Migrated

    @property
    def parts(self) -> list[Part]:
        """All of it, in the order it starts; a stop drains the relay before broker and database go."""
        return [self.database, self.migrated, self.broker, self.relay]

    @property
    def checks(self) -> Mapping[str, Callable[[], Awaitable[Any]]]:
        """What `/readyz` asks."""
        return {"database": self.database.check, "broker": self.broker.check}


def connect(settings: Settings) -> Plumbing:
    """Put the plumbing together; nothing is opened before its parts start."""
    configure_logging(level=settings.log_level, log_format=settings.log_format)
    startup = settings.startup_timeout_ms / 1000
    broker = _broker(settings.broker_url.get_secret_value(), startup)
    database = Database(
        settings.database_url.get_secret_value(),
        pool_max=settings.db_pool_max,
        startup_timeout=startup,
        exclusive=broker.in_process,
    )
    return Plumbing(database, broker, Relay(database, broker), Migrated(database, startup))


def _broker(url: str, startup_timeout: float) -> Broker:
    if url == "memory://":
        return MemoryBroker()
    return RabbitBroker(url, startup_timeout=startup_timeout)
