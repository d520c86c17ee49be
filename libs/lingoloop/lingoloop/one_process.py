"""All three services, their slots, and PostgreSQL, in one process and for one folder: the very same code as a fleet."""

import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import asyncpg

import lingoloop_gateway.app
import lingoloop_notifier.app
import lingoloop_transcriber.app
from lingoloop.folder import DataFolder
from lingoloop.postgres import EmbeddedPostgres
from lingoloop_common import plumbing
from lingoloop_common.blobs import FolderBlobs
from lingoloop_common.http import HttpServer, ops_app
from lingoloop_common.lifecycle import Part, running
from lingoloop_common.settings import read_settings
from lingoloop_common.store.migrate import migrate
from lingoloop_common.sweep import Sweep
from lingoloop_gateway.settings import GatewaySettings
from lingoloop_notifier.settings import NotifierSettings
from lingoloop_transcriber.settings import TranscriberSettings


@dataclass(frozen=True, slots=True)
class Options:
    """How a one-process server differs from its folder's defaults."""

    port: int
    ops: bool
    grace_ms: int | None = None


@contextlib.asynccontextmanager
async def one_process(folder: DataFolder, options: Options) -> AsyncIterator[str]:
    """Run a server on a folder that this process has locked; yield its address once it takes uploads.

    Raises:
        SettingsError: the environment holds settings that cannot be used.
        EngineError: the engine cannot be used here.
        EmbeddedPostgresError: PostgreSQL does not start.
    """
    async with contextlib.AsyncExitStack() as stack:
        database_url = os.environ.get("DATABASE_URL")
        if not database_url:
            postgres = EmbeddedPostgres(folder.postgres)
            await stack.enter_async_context(running([postgres]))
            database_url = postgres.url
        await _migrate(database_url)
        parts, server = _parts(folder, options, database_url)
        await stack.enter_async_context(running(parts))
        yield server.url


async def _migrate(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await migrate(connection)
    finally:
        await connection.close()


def _parts(folder: DataFolder, options: Options, database_url: str) -> tuple[list[Part], HttpServer]:
    given: dict[str, Any] = {
        "database_url": database_url,
        "broker_url": os.environ.get("BROKER_URL") or "memory://",
        "auth_jwt_secret": os.environ.get("AUTH_JWT_SECRET") or folder.secret(),
        "blob_dir": os.environ.get("BLOB_DIR") or folder.blobs,
        "log_level": os.environ.get("LOG_LEVEL") or "WARNING",
        "ops_host": os.environ.get("OPS_HOST") or "127.0.0.1",
    }
    if options.grace_ms is not None:
        given["shutdown_grace_ms"] = options.grace_ms
    host = os.environ.get("GATEWAY_HOST") or "127.0.0.1"
    gateway_settings = read_settings(GatewaySettings, **given, gateway_host=host, gateway_port=options.port)
    notifier_settings = read_settings(NotifierSettings, **given, notifier_host="127.0.0.1", notifier_port=0)
    transcriber_settings = read_settings(TranscriberSettings, **given)

    shared = plumbing.connect(gateway_settings)
    blobs = FolderBlobs(gateway_settings.blob_dir)
    common: dict[str, Any] = {
        "database": shared.database,
        "broker": shared.broker,
        "relay": shared.relay,
        "blobs": blobs,
    }
    notifier, events = lingoloop_notifier.app.parts(
        notifier_settings, database=shared.database, broker=shared.broker
    )
    transcriber = lingoloop_transcriber.app.parts(transcriber_settings, **common)
    gateway, server = lingoloop_gateway.app.parts(gateway_settings, **common, notifier_url=lambda: events.url)
    fresh = FreshStart(Sweep(shared.database, shared.broker, shared.relay), alone=shared.broker.in_process)
    ops: list[Part] = []
    if options.ops:
        checks = {**shared.checks, "storage": blobs.check}
        ops = [
            HttpServer(ops_app("up", checks), host=gateway_settings.ops_host, port=gateway_settings.ops_port)
        ]
    return [
        blobs,
        shared.database,
        shared.broker,
        fresh,
        shared.relay,
        *ops,
        *notifier,
        *transcriber,
        *gateway,
    ], server


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
