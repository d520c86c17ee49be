"""The stage: a fleet of processes over a PostgreSQL and a RabbitMQ of its own, each connection through a proxy.

A service that ends is started again, as an orchestrator would.
"""

import asyncio
import contextlib
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

from lingoloop_common.lifecycle import end_task
from lingoloop_common.store.database import BROKEN
from lingoloop_common.store.migrate import migrate
from tests.chaos.tap import Tap
from tests.fleet import Fleet, Service
from tests.servers import free_port
from tests.servers.postgres import PostgresServer
from tests.servers.proxy import Proxy
from tests.servers.rabbitmq import RabbitServer

T = TypeVar("T")

LANE = "simulated"
COUNTS = {"gateway": 2, "notifier": 2, "transcriber": 3}
SETTINGS = {
    "ENGINE": LANE,
    "SIMULATED_MS_PER_SECOND": "40",  # 0.8 s for a chunk of 20 s
    "MAX_CONCURRENT_JOBS": "2",
    # Many slots die here: no unit may come to its last retry, nor wait long for the next.
    "WORKER_MAX_RETRIES": "20",
    "WORKER_RETRY_DELAYS": "500",
    "TRANSCRIBE_SYNC_TIMEOUT_MS": "4000",
    "DB_POOL_MAX": "8",
}
DISK = "256m"
BUSY = 4
"""Slots of the fleet's six."""
BUSY_PATIENCE, ANY_PATIENCE = 3.0, 20.0
"""Seconds that a fault waits for so many units to be running, and for a single one."""


def say(text: str) -> None:
    """Tell how it goes."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


class Line:
    """A service's connections to one server; faults on it come one after another."""

    def __init__(self, target: int) -> None:
        self.proxy = Proxy(target)
        self.lock = asyncio.Lock()


class Place:
    """Where a service runs: its lines, its address, and the process that is there now."""

    def __init__(self, kind: str, database: Line, broker: Line) -> None:
        self.kind, self.port = kind, free_port()
        self.lines = {"database": database, "broker": broker}
        self.lock = asyncio.Lock()
        self.service: Service = None  # type: ignore[assignment]  # set by `start`
        self.killed = False

    @property
    def url(self) -> str:
        """Where clients reach it."""
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        """SIGKILL, without a last word."""
        self.killed = True
        self.service.process.kill()


class Stage:
    """All that plays a part. `running_stage` makes it."""

    def __init__(self, folder: Path, postgres: PostgresServer, rabbit: RabbitServer) -> None:
        self.folder, self.postgres, self.rabbit = folder, postgres, rabbit
        self.postgres_lock, self.rabbit_lock = asyncio.Lock(), asyncio.Lock()
        self.database_url = postgres.create_database("chaos")
        self.broker_url = rabbit.create_vhost("chaos")
        self.fleet = Fleet(folder, self.database_url, self.broker_url, **SETTINGS)
        self.blobs = folder / "blobs"
        self.disk = False
        """Whether the blobs have a small disk of their own, which can be full."""
        self.places = {
            kind: [Place(kind, Line(postgres.port), Line(rabbit.port)) for _ in range(count)]
            for kind, count in COUNTS.items()
        }
        self.tap = Tap(self.broker_url)
        self.running: list[int] = []
        """Units that were running when each fault struck."""
        self.acknowledge: Callable[[str, str, int], None] = lambda *_: None
        """Called with an acknowledged run's id, its owner, and its recording's length in ms."""
        self.pool: asyncpg.Pool[Any] = None  # type: ignore[assignment]  # set by `running_stage`

    def everywhere(self) -> list[Place]:
        """Return all places."""
        return [place for places in self.places.values() for place in places]

    def start(self, place: Place) -> None:
        """Put a new process into a place."""
        ports = {
            "GATEWAY_PORT": str(place.port),
            "NOTIFIER_PORT": str(place.port),
            "NOTIFIER_URL": self.places["notifier"][0].url,
        }
        urls = {
            "DATABASE_URL": self.database_url.replace(
                f":{self.postgres.port}/", f":{place.lines['database'].proxy.port}/"
            ),
            "BROKER_URL": self.broker_url.replace(
                f":{self.rabbit.port}/", f":{place.lines['broker'].proxy.port}/"
            ),
        }
        place.killed = False
        place.service = self.fleet.start(place.kind, **ports, **urls)

    async def keep(self, place: Place) -> None:
        """Start what ended again, for ever."""
        while True:
            await asyncio.sleep(0.2)
            code = place.service.process.poll()
            if code is not None:
                if not place.killed:
                    say(f"a {place.kind} ended by itself with code {code}: {place.service.log}")
                self.start(place)

    async def ask(self, read: Callable[["asyncpg.Pool[Any]"], Awaitable[T]], *, seconds: float = 60) -> T:
        """Ask the database itself, not through a proxy; again and again while it is away."""
        end = time.monotonic() + seconds
        while True:
            try:
                return await read(self.pool)
            except BROKEN:
                if time.monotonic() > end:
                    raise
            await asyncio.sleep(0.1)

    async def value(self, sql: str, *args: object) -> Any:
        """Ask for one value."""
        return await self.ask(lambda pool: pool.fetchval(sql, *args))

    async def at_work(self) -> bool:
        """Wait until most slots are at work, and then for any; return whether a unit is running now."""
        begin = time.monotonic()
        while (running := await self.value("SELECT count(*) FROM unit WHERE state = 'running'")) < BUSY:
            waited = time.monotonic() - begin
            if waited > ANY_PATIENCE or (running and waited > BUSY_PATIENCE):
                break
            await asyncio.sleep(0.05)
        self.running.append(running)
        return bool(running)

    async def open(self) -> None:
        """Make the tables, start all services, and wait until they are ready."""
        connection = await asyncpg.connect(self.database_url)
        await migrate(connection)
        await connection.close()
        self.pool = await asyncpg.create_pool(self.database_url, min_size=0, max_size=6, command_timeout=30)
        for place in self.everywhere():
            for line in place.lines.values():
                await line.proxy.allow()
            self.start(place)
        await asyncio.gather(*(self._until_ready(place) for place in self.everywhere()))

    async def _until_ready(self, place: Place) -> None:
        for _ in range(2):
            try:
                await place.service.ready()
            except AssertionError:  # a port that was free is not any more
                self.start(place)
        await place.service.ready()

    async def close(self) -> None:
        """End it all; nothing needs to be put in order any more."""
        for place in self.everywhere():
            if place.service is not None:
                place.service.kill()
            for line in place.lines.values():
                await line.proxy.__aexit__()
        if self.pool is not None:
            self.pool.terminate()


@contextlib.asynccontextmanager
async def running_stage(folder: Path) -> AsyncIterator[Stage]:
    """Run a fleet whose services come back when they end; their logs are left in `folder`."""
    with PostgresServer() as postgres, RabbitServer() as rabbit:
        stage = Stage(folder, postgres, rabbit)
        stage.blobs.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(stage.blobs)]
        stage.disk = subprocess.run(mount, check=False, capture_output=True).returncode == 0
        keepers: list[asyncio.Task[None]] = []
        try:
            await stage.open()
            keepers = [asyncio.create_task(stage.keep(place)) for place in stage.everywhere()]
            yield stage
        finally:
            for keeper in keepers:
                await end_task(keeper)
            await stage.close()
            for server in (postgres, rabbit):
                if server.folder:
                    shutil.copytree(
                        server.folder,
                        folder / type(server).__name__,
                        ignore=shutil.ignore_patterns("data", "mnesia"),
                        ignore_dangling_symlinks=True,
                    )
            if stage.disk:
                subprocess.run(["umount", "--lazy", str(stage.blobs)], check=False)
