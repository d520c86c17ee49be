"""A whole gateway with its notifier over a real database, and a transcriber with the simulated engine where asked for."""

import contextlib
import itertools
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

import lingoloop_gateway.app
import lingoloop_notifier.app
import lingoloop_transcriber.app
from lingoloop_common.auth import Tokens
from lingoloop_common.blobs import FolderBlobs
from lingoloop_common.broker.memory import MemoryBroker
from lingoloop_common.contracts.events import ErrorCause
from lingoloop_common.http import HttpServer
from lingoloop_common.lifecycle import running
from lingoloop_common.relay import Relay
from lingoloop_common.settings import read_settings
from lingoloop_common.store.database import Database
from lingoloop_common.store.runs import fail_unit, lock_run
from lingoloop_gateway.indexing import Indexing
from lingoloop_gateway.probe import Probe
from lingoloop_gateway.settings import GatewaySettings
from lingoloop_notifier.settings import NotifierSettings
from lingoloop_transcriber.settings import TranscriberSettings
from tests import media
from tests.gateway.contract import Witness
from tests.rows import add_worker
from tests.waiting import eventually

SECRET = "a-secret-for-tests-that-is-long-enough-0123456789"
SCOPE = "runs:read runs:write"
PAGE = "https://app.example"
BOUNDARY = "frontier"


@dataclass
class World:
    """A gateway and what is under it, and clients of it."""

    database: Database
    relay: Relay
    folder: Path
    probe: Probe
    gateway: HttpServer
    notifier: HttpServer
    http: httpx.AsyncClient
    notifier_url: dict[str, str] = field(default_factory=dict)
    names: Any = field(default_factory=itertools.count)

    def new_owner(self) -> str:
        """Return an owner that nobody else has."""
        return f"owner-{next(self.names)}"

    def token(self, owner: str, scope: str = SCOPE, *, ttl: int = 3600) -> str:
        return Tokens(SECRET).sign(owner, scope, issued_at=int(time.time()), ttl=ttl)

    def bearer(self, owner: str, scope: str = SCOPE) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(owner, scope)}"}

    async def get(self, owner: str, target: str) -> httpx.Response:
        return await self.http.get(target, headers=self.bearer(owner))

    async def post(
        self, owner: str, data: bytes, *, kind: str = "application/octet-stream", **query: str
    ) -> httpx.Response:
        """Upload bytes as the body."""
        headers = {**self.bearer(owner), "Content-Type": kind}
        return await self.http.post("/api/audios", content=data, params=query, headers=headers)

    async def post_form(
        self, owner: str, data: bytes, *, filename: str = "talk.wav", kind: str = "audio/wav", **fields: str
    ) -> httpx.Response:
        """Upload bytes as the file of a form, the fields first."""
        return await self.http.post(
            "/api/audios", data=fields, files={"file": (filename, data, kind)}, headers=self.bearer(owner)
        )

    async def post_body(self, owner: str, body: bytes, *, boundary: str = BOUNDARY) -> httpx.Response:
        """Send a form that the test wrote byte by byte."""
        headers = {**self.bearer(owner), "Content-Type": f"multipart/form-data; boundary={boundary}"}
        return await self.http.post("/api/audios", content=body, headers=headers)

    async def accepted(self, owner: str, data: bytes | None = None, **query: str) -> dict[str, Any]:
        """Upload (a recording unlike others, if none is given) and return what it is answered with, small or large."""
        response = await self.post(owner, media.unlike_others() if data is None else data, **query)
        assert response.status_code in (200, 202), response.text
        body: dict[str, Any] = response.json()
        return body

    async def finished(self, owner: str, run_id: str) -> dict[str, Any]:
        """Wait for a run's end and return it."""

        async def ended() -> bool:
            return (await self.get(owner, f"/api/runs/{run_id}")).json()["status"] in ("succeeded", "failed")

        await eventually(ended)
        body: dict[str, Any] = (await self.get(owner, f"/api/runs/{run_id}")).json()
        return body

    def stored(self) -> set[str]:
        """Return the names of all recordings in storage, half-written ones among them."""
        below = [path for name in ("audio", ".writing") for path in (self.folder / name).glob("*")]
        return {str(path.relative_to(self.folder)) for path in below}

    async def count(self, table: str, owner: str) -> int:
        number: int = await self.database.pool.fetchval(
            f"SELECT count(*) FROM {table} WHERE owner = $1", owner
        )
        return number

    async def index(self, run_id: UUID) -> None:
        """Let a run that has ended be indexed now."""
        await Indexing(self.database).index_due()
        # The gateway's own indexing may be at it, and is left alone with it: it is done when the run's row is free.
        free = "SELECT FROM transcript_run WHERE id = $1 FOR NO KEY UPDATE"
        await self.database.pool.execute(free, run_id)

    async def waits_for_locks(self) -> bool:
        """Whether a session waits for another one's lock."""
        found = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"
        return bool(await self.database.pool.fetchval(found))

    async def fail_plan(self, owner: str, code: str, message: str) -> None:
        """Let the only run of an owner fail, as a transcriber that cannot decode it does."""
        await eventually(lambda: self.count("unit", owner))
        # At once: a unit that runs and has no worker is taken back.
        async with self.database.pool.acquire() as connection, connection.transaction():
            run = await lock_run(
                connection, await connection.fetchval("SELECT id FROM transcript_run WHERE owner = $1", owner)
            )
            unit_id = await connection.fetchval(
                "UPDATE unit SET state = 'running', attempt = 1 WHERE owner = $1 RETURNING id", owner
            )
            cause = ErrorCause(code=code, message=message)
            await fail_unit(connection, run, unit_id=unit_id, attempt=1, failures=1, lost=0, cause=cause)
        self.relay.tell()

    @contextlib.asynccontextmanager
    async def leaving_nothing(self, owner: str) -> AsyncIterator[None]:
        """What is refused within the block leaves neither a file nor a row."""
        before = self.stored()
        yield
        await eventually(lambda: self.stored() <= before)
        assert await self.count("audio", owner) == 0
        assert await self.count("transcript_run", owner) == 0

    async def still_works(self) -> None:
        """Take a good recording."""
        await self.accepted(self.new_owner())


@contextlib.asynccontextmanager
async def running_world(
    database_url: str,
    folder: Path,
    *,
    transcribes: bool = True,
    blobs: Any = None,
    **settings: Any,
) -> AsyncIterator[World]:
    """Run the services on a migrated database, over a folder or the given `Blobs`. Without a transcriber, its lane is known all the same."""
    given: dict[str, Any] = {
        "database_url": database_url,
        "broker_url": "memory://",
        "auth_jwt_secret": SECRET,
        "blob_dir": folder,
        "engine": "simulated",
        "cors_allowed_origins": PAGE,
        "shutdown_grace_ms": 1000,
        "worker_max_retries": 0,
        "poll_interval_ms": 100,
        **settings,
    }
    database = Database(database_url, pool_max=20, startup_timeout=10, exclusive=True)
    broker = MemoryBroker()
    relay, blobs = Relay(database, broker), blobs or FolderBlobs(folder)
    common: dict[str, Any] = {"database": database, "broker": broker, "relay": relay, "blobs": blobs}
    notifier_settings = read_settings(NotifierSettings, **given, notifier_host="127.0.0.1", notifier_port=0)
    notifier_parts, notifier = lingoloop_notifier.app.parts(
        notifier_settings, database=database, broker=broker, relay=relay
    )
    given.setdefault("gateway_port", 0)
    gateway_settings = read_settings(GatewaySettings, **given, gateway_host="127.0.0.1")
    address: dict[str, str] = {}
    gateway_parts, gateway = lingoloop_gateway.app.parts(
        gateway_settings, **common, notifier_url=lambda: address.get("url", notifier.url)
    )
    witness = Witness()
    witness.watch(gateway.app)
    [probe] = [part for part in gateway_parts if isinstance(part, Probe)]
    transcriber_settings = read_settings(TranscriberSettings, **given, max_concurrent_jobs=2)
    transcriber = lingoloop_transcriber.app.parts(transcriber_settings, **common) if transcribes else []
    async with running([blobs, database, broker, relay, *notifier_parts, *transcriber, *gateway_parts]):
        if not transcribes:
            await add_worker(database.pool)
        async with httpx.AsyncClient(base_url=gateway.url, timeout=60) as http:
            yield World(database, relay, folder, probe, gateway, notifier, http, address)
    assert not witness.disagreements, "\n".join(witness.disagreements)


def part(name: str, data: bytes, *, filename: str | None = None, headers: bytes = b"") -> bytes:
    """Return one part of a form, from its boundary on."""
    disposition = f'Content-Disposition: form-data; name="{name}"' + (
        f'; filename="{filename}"' if filename else ""
    )
    return (
        b"--"
        + BOUNDARY.encode()
        + b"\r\n"
        + disposition.encode()
        + b"\r\n"
        + headers
        + b"\r\n"
        + data
        + b"\r\n"
    )


END = b"--" + BOUNDARY.encode() + b"--\r\n"
