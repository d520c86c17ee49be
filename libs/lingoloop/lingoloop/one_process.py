"""All three services, their slots, and PostgreSQL, in one process and for one folder: the very same code as a fleet."""

import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from pydantic import SecretStr

import lingoloop_gateway.app
import lingoloop_notifier.app
import lingoloop_transcriber.app
from lingoloop.folder import DataFolder
from lingoloop.postgres import EmbeddedPostgres
from lingoloop_common import plumbing
from lingoloop_common.blobs.choice import open_blobs
from lingoloop_common.http import HttpServer, ops_app
from lingoloop_common.lifecycle import Part, running
from lingoloop_common.settings import read_settings
from lingoloop_common.store.migrate import migrate
from lingoloop_common.sweep import Sweep
from lingoloop_common.tracing import Tracing
from lingoloop_gateway.settings import GatewaySettings
from lingoloop_gateway.sign_in import SignInLink
from lingoloop_gateway.state import State
from lingoloop_notifier.settings import NotifierSettings
from lingoloop_transcriber.settings import TranscriberSettings


@dataclass(frozen=True, slots=True)
class Options:
    """How a one-process server differs from its folder's defaults."""

    port: int
    ops: bool
    grace_ms: int | None = None
    link: SignInLink | None = None
    chosen: Mapping[str, str] = field(default_factory=dict)
    """Settings that somebody named, whatever the environment says."""


class OneProcessSettings(GatewaySettings, NotifierSettings, TranscriberSettings):
    """All that a one-process server reads: all services' settings at once, so that all wrong ones are named together."""


@contextlib.asynccontextmanager
async def one_process(folder: DataFolder, options: Options) -> AsyncIterator[str]:
    """Run a server on a folder that this process has locked; yield its address once it takes uploads.

    Raises:
        SettingsError: the environment holds settings that cannot be used.
        EngineError: the engine cannot be used here.
        EmbeddedPostgresError: PostgreSQL does not start.
    """
    settings = _settings(folder, options)
    async with contextlib.AsyncExitStack() as stack:
        if not os.environ.get("DATABASE_URL"):
            postgres = EmbeddedPostgres(folder.postgres)
            await stack.enter_async_context(running([postgres]))
            settings = settings.model_copy(update={"database_url": SecretStr(postgres.url)})
        await _migrate(settings.database_url.get_secret_value())
        parts, server = _parts(settings, options)
        await stack.enter_async_context(running(parts))
        yield server.url


def _settings(folder: DataFolder, options: Options) -> OneProcessSettings:
    given: dict[str, Any] = {
        "database_url": os.environ.get("DATABASE_URL") or "postgresql:///not-started-yet",
        "broker_url": os.environ.get("BROKER_URL") or "memory://",
        "auth_jwt_secret": os.environ.get("AUTH_JWT_SECRET") or folder.secret(),
        "blob_dir": folder.blob_dir,
        "log_level": os.environ.get("LOG_LEVEL") or "WARNING",
        "ops_host": os.environ.get("OPS_HOST") or "127.0.0.1",
        "gateway_host": os.environ.get("GATEWAY_HOST") or "127.0.0.1",
        "gateway_port": options.port,
        "notifier_host": "127.0.0.1",
        "notifier_port": 0,
    }
    if options.grace_ms is not None:
        given["shutdown_grace_ms"] = options.grace_ms
    return read_settings(OneProcessSettings, **given, **options.chosen)


async def _migrate(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await migrate(connection)
    finally:
        await connection.close()


def _parts(settings: OneProcessSettings, options: Options) -> tuple[list[Part], HttpServer]:
    shared = plumbing.connect(settings)
    blobs = open_blobs(settings)
    common: dict[str, Any] = {
        "database": shared.database,
        "broker": shared.broker,
        "relay": shared.relay,
        "blobs": blobs,
    }
    notifier, events = lingoloop_notifier.app.parts(
        settings.model_copy(update={"rate_limit_per_address": 0}),  # only the gateway asks, which has counted
        database=shared.database,
        broker=shared.broker,
        relay=shared.relay,
    )
    transcriber = lingoloop_transcriber.app.parts(settings, **common)
    gateway, server = lingoloop_gateway.app.parts(
        settings, **common, notifier_url=lambda: events.url, link=options.link
    )
    fresh = FreshStart(Sweep(shared.database, shared.broker, shared.relay), alone=shared.broker.in_process)
    operators: list[Part] = []
    if options.ops:
        checks = {**shared.checks, "storage": blobs.check}
        page = ops_app("up", checks, State(shared.database).page)
        operators = [HttpServer(page, host=settings.ops_host, port=settings.ops_port)]
    order: list[Part] = [Tracing("up"), blobs, shared.database, shared.broker, fresh, shared.relay]
    return [*order, *operators, *notifier, *transcriber, *gateway], server


class FreshStart:
    """Before anything takes work: whoever held units is gone with the process that was (design, rule 13)."""

    def __init__(self, sweep: Sweep, *, alone: bool) -> None:
        self._sweep, self._alone = sweep, alone

    async def start(self) -> None:
        """End all leases and sweep twice, so that tokens the memory forgot are written again at once.

        Before the relay starts: a token on its way would be counted in the outbox and in the queue.
        """
        if self._alone:
            await self._sweep.end_all_leases()
            await self._sweep.sweep()
            await self._sweep.sweep()

    async def stop(self) -> None:
        """Nothing is open."""
