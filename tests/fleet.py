"""A real fleet for tests and benches: gateway, notifier and transcribers as processes of their own."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from lingoloop.client import Client
from lingoloop_common.auth import Tokens
from lingoloop_common.store.migrate import migrate
from tests.servers import free_port

SECRET = "a-secret-for-tests-that-is-long-enough-0123456789"
SCOPE = "runs:read runs:write admin"


class Service:
    """One service process, with its log in a file; `words` is a command line other than the module's."""

    def __init__(
        self,
        name: str,
        environment: Mapping[str, str],
        folder: Path,
        ops_port: int,
        words: Sequence[str] = (),
    ) -> None:
        self.name, self.ops_port = name, ops_port
        self.log = folder / f"{name}-{ops_port}.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                words or [sys.executable, "-m", f"lingoloop_{name}"],
                env={**environment, "OPS_PORT": str(ops_port), "OPS_HOST": "127.0.0.1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def ready(self, seconds: float = 60) -> None:
        """Wait until it says that it has started."""
        end = time.monotonic() + seconds
        while b'"event": "ready"' not in self.log.read_bytes():
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"{self.name} did not start:\n{self.log.read_text()[-3000:]}")
            await asyncio.sleep(0.05)

    def send(self, number: int) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    async def wait(self, seconds: float = 40) -> int:
        """Wait for its end and return the exit code."""
        return await asyncio.to_thread(self.process.wait, seconds)

    def kill(self) -> None:
        """SIGKILL, and reap."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Fleet:
    """Services over one database, one broker and one blob folder."""

    def __init__(self, folder: Path, database_url: str, broker_url: str, **settings: str) -> None:
        self.folder, self.database_url = folder, database_url
        self.gateway_port, self.notifier_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.gateway_port}"
        self.notifier_url = f"http://127.0.0.1:{self.notifier_port}"
        inherited = {
            name: os.environ[name]
            for name in ("PATH", "HOME", "PYTHONPATH", "LINGOLOOP_CACHE")
            if name in os.environ
        }
        self.environment = {
            **inherited,
            "DATABASE_URL": database_url,
            "BROKER_URL": broker_url,
            "BLOB_DIR": str(folder / "blobs"),
            "AUTH_JWT_SECRET": SECRET,
            "LOG_FORMAT": "json",
            "GATEWAY_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.gateway_port),
            "NOTIFIER_HOST": "127.0.0.1",
            "NOTIFIER_PORT": str(self.notifier_port),
            "NOTIFIER_URL": self.notifier_url,
            **settings,
        }
        self.services: list[Service] = []

    def start(self, name: str, **settings: str) -> Service:
        """Start one more service."""
        service = Service(name, {**self.environment, **settings}, self.folder, free_port())
        self.services.append(service)
        return service

    async def start_all(self, transcribers: int = 2) -> list[Service]:
        """Start one gateway, one notifier and some transcribers; return the transcribers when all are ready."""
        connection = await asyncpg.connect(self.database_url)
        try:
            await migrate(connection)
        finally:
            await connection.close()
        others = [self.start("gateway"), self.start("notifier")]
        workers = [self.start("transcriber") for _ in range(transcribers)]
        await asyncio.gather(*(service.ready() for service in (*others, *workers)))
        return workers

    def stop(self) -> None:
        """End what still runs."""
        for service in self.services:
            with contextlib.suppress(ProcessLookupError):
                service.process.send_signal(signal.SIGTERM)
        for service in self.services:
            try:
                service.process.wait(10)
            except subprocess.TimeoutExpired:
                service.kill()

    def logs(self) -> str:
        """Return the last lines of all services, for a failed test's message."""
        return "\n".join(f"--- {s.log.name}\n{s.log.read_text()[-2000:]}" for s in self.services)

    def token(self, owner: str = "ann", scope: str = SCOPE) -> str:
        """Return a token for an owner."""
        return Tokens(SECRET).sign(owner, scope, issued_at=int(time.time()), ttl=3600)

    def client(self, owner: str = "ann") -> Client:
        """Return the command line's client, as an owner."""
        return Client(self.url, self.token(owner))

    def http(self, owner: str = "ann") -> httpx.AsyncClient:
        """Return a plain client with an owner's token."""
        return httpx.AsyncClient(
            base_url=self.url, headers={"Authorization": f"Bearer {self.token(owner)}"}, timeout=60
        )


@contextlib.asynccontextmanager
async def running_fleet(
    folder: Path, database_url: str, broker_url: str, *, transcribers: int = 2, **settings: str
) -> AsyncIterator[Fleet]:
    """Run a fleet; when the block fails, show its logs."""
    fleet = Fleet(folder, database_url, broker_url, **settings)
    try:
        await fleet.start_all(transcribers)
        yield fleet
    except BaseException:
        print(fleet.logs())
        raise
    finally:
        fleet.stop()


async def rest_of_run(client: Client, run_id: str) -> list[dict[str, Any]]:
    """Return a run's frames from its `init` to its `done`."""
    return [frame async for frame in client.events(run_id)]
