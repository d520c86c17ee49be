"""A whole notifier over a real database, with a broker that a test holds in its hand, and a client that reads frames."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import aiohttp
import orjson

import lingoloop_notifier.app
from lingoloop_common.auth import Tokens
from lingoloop_common.broker import Broker, EventFeed, EventMessage, OnEvent, OnReconnect
from lingoloop_common.broker.memory import MemoryBroker
from lingoloop_common.contracts.events import ErrorCause
from lingoloop_common.contracts.transcript import Segment
from lingoloop_common.http import HttpServer
from lingoloop_common.lifecycle import running
from lingoloop_common.relay import Relay
from lingoloop_common.settings import read_settings
from lingoloop_common.store.database import Database
from lingoloop_common.store.runs import Change, change_run, lock_run
from lingoloop_notifier.progress import Progress
from lingoloop_notifier.settings import NotifierSettings
from tests.rows import AddedRun, add_run

SECRET = "a-secret-for-tests-that-is-long-enough-0123456789"
PAGE = "https://app.example"
PATIENCE = 15.0


class HeldBroker(MemoryBroker):
    """Events pass, are held back until the test lets them through, or are lost."""

    def __init__(self) -> None:
        super().__init__()
        self.mode = "pass"
        self.held: list[EventMessage] = []
        self.on_event: OnEvent
        self.on_reconnect: OnReconnect
        self.bound: set[int] = set()
        self.binding = asyncio.Event()
        """Bindings wait until it is set."""
        self.binding.set()

    async def feed(self, on_event: OnEvent, on_reconnect: OnReconnect) -> EventFeed:
        self.on_event, self.on_reconnect = on_event, on_reconnect
        inner = await super().feed(self._receive, on_reconnect)
        return _Feed(self, inner)

    def _receive(self, message: EventMessage) -> None:
        if self.mode == "pass":
            self.on_event(message)
        elif self.mode == "hold":
            self.held.append(message)

    @contextlib.contextmanager
    def holding(self) -> Any:
        """Hold back what is sent within the block; yield the list of it."""
        self.mode, self.held = "hold", []
        try:
            yield self.held
        finally:
            self.mode = "pass"

    @contextlib.contextmanager
    def losing(self) -> Any:
        """Lose what is sent within the block."""
        self.mode = "lose"
        try:
            yield
        finally:
            self.mode = "pass"


@dataclass
class _Feed:
    broker: HeldBroker
    inner: EventFeed

    async def bind(self, shard: int) -> None:
        await self.broker.binding.wait()
        self.broker.bound.add(shard)
        await self.inner.bind(shard)

    async def unbind(self, shard: int) -> None:
        self.broker.bound.discard(shard)
        await self.inner.unbind(shard)

    async def close(self) -> None:
        await self.inner.close()


@dataclass(frozen=True)
class Frame:
    """One frame as EventSource would see it."""

    id: str | None
    event: str | None
    data: dict[str, Any]
    raw: bytes

    @property
    def kind(self) -> str:
        return str(self.data["event"])


class Listener:
    """Reads one stream; comments and `retry:` lines are kept apart from the frames."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response
        self.comments: list[bytes] = []
        self.retries: list[int] = []

    @property
    def status(self) -> int:
        return self.response.status

    async def block(self) -> bytes | None:
        """Return what stands before the next empty line, or None at the end."""
        block = b""
        while True:
            line = await asyncio.wait_for(self.response.content.readline(), PATIENCE)
            if not line:
                assert not block, f"the stream broke off within a frame: {block!r}"
                return None
            if line == b"\n":
                return block
            block += line

    async def next(self) -> Frame:
        """Return the next frame; fail when the stream ends."""
        frame = await self._next()
        assert frame is not None, "the stream has ended"
        return frame

    async def take(self, count: int) -> list[Frame]:
        return [await self.next() for _ in range(count)]

    async def rest(self) -> list[Frame]:
        """Return all frames up to the end of the stream."""
        frames = []
        while frame := await self._next():
            frames.append(frame)
        return frames

    async def until_comment(self) -> bytes:
        while not self.comments:
            block = await self.block()
            assert block is not None, "the stream has ended"
            self._sort(block)
        return self.comments[0]

    async def _next(self) -> Frame | None:
        while (block := await self.block()) is not None:
            if frame := self._sort(block):
                return frame
        return None

    def _sort(self, block: bytes) -> Frame | None:
        if block.startswith(b":"):
            self.comments.append(block)
            return None
        fields = dict(line.split(b": ", 1) for line in block.splitlines())
        if b"retry" in fields:
            self.retries.append(int(fields[b"retry"]))
            return None
        number, name = fields.get(b"id"), fields.get(b"event")
        return Frame(
            number.decode() if number else None,
            name.decode() if name else None,
            orjson.loads(fields[b"data"]),
            block,
        )


@dataclass
class World:
    """A notifier, the database under it, and clients."""

    database: Database
    broker: Broker
    relay: Relay
    server: HttpServer
    session: aiohttp.ClientSession
    progress: Progress
    names: Any = field(default_factory=itertools.count)

    @property
    def held_broker(self) -> HeldBroker:
        assert isinstance(self.broker, HeldBroker)
        return self.broker

    async def look(self) -> None:
        """Let the notifier look at what no event tells, now."""
        await self.progress.look()

    def new_owner(self) -> str:
        """Return an owner that nobody else has."""
        return f"owner-{next(self.names)}"

    async def add_run(self, owner: str, **columns: Any) -> AddedRun:
        """Add a run whose first event was written, as an upload does."""
        async with self.database.pool.acquire() as connection, connection.transaction():
            run = await add_run(connection, owner=owner, **{"units": 3, **columns})
            await change_run(connection, await lock_run(connection, run.run_id), Change())
        await self.send()
        return run

    async def change(self, run: AddedRun, change: Change | None = None) -> None:
        """Change a run and send the event."""
        await self.write(run, change)
        await self.send()

    async def write(self, run: AddedRun, change: Change | None = None) -> None:
        """Change a run; its event is stored but not sent yet."""
        async with self.database.pool.acquire() as connection, connection.transaction():
            await change_run(connection, await lock_run(connection, run.run_id), change or Change())

    async def finish_chunk(self, run: AddedRun, index: int = 0, texts: tuple[str, ...] = ("words",)) -> None:
        """End one of a run's units, with segments, as a transcriber does."""
        segments = [
            Segment(
                index=index * 1000 + place, start=float(place), end=place + 1.0, text=text, confidence=0.9
            )
            for place, text in enumerate(texts)
        ]
        await self.add_segments(run.run_id, segments)
        change = Change(units_ended=1, chunks_done=1, done_samples=16_000, segments=segments)
        await self.change(run, change)

    async def fail(self, run: AddedRun, code: str = "not_audio", message: str = "no sound") -> None:
        """End all of a run's units, the last one for good."""
        left = len(run.unit_ids)
        error = ErrorCause(code=code, message=message)
        await self.change(run, Change(units_ended=left, units_failed=1, error=error))

    async def finish(self, run: AddedRun) -> None:
        """End all that is left of a run."""
        left = await self.database.pool.fetchval(
            "SELECT units_left FROM transcript_run WHERE id = $1", run.run_id
        )
        await self.change(run, Change(units_ended=left))

    async def add_segments(self, run_id: UUID, segments: list[Segment]) -> None:
        await self.database.pool.executemany(
            "INSERT INTO segment (run_id, index, start_s, end_s, text, confidence, words)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7)",
            [
                (
                    run_id,
                    s.index,
                    s.start,
                    s.end,
                    s.text,
                    s.confidence,
                    [{"word": s.text, "start": s.start, "end": s.end, "confidence": s.confidence}],
                )
                for s in segments
            ],
        )

    async def send(self) -> None:
        """Hand all that is in the outbox to the broker."""
        while await self.relay.send_batch():
            pass

    def token(
        self, owner: str, scope: str = "runs:read", *, issued_at: float | None = None, ttl: int = 3600
    ) -> str:
        return Tokens(SECRET).sign(owner, scope, issued_at=int(issued_at or time.time()), ttl=ttl)

    def listen(
        self,
        owner: str,
        run: AddedRun | None,
        last_id: int | str | None = None,
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> contextlib.AbstractAsyncContextManager[Listener]:
        """Open the stream of a run, or of all of the owner's."""
        sent = {"Authorization": f"Bearer {self.token(owner)}", **(headers or {})}
        if last_id is not None:
            sent["Last-Event-ID"] = str(last_id)
        return self.open(path(run) + query, sent)

    @contextlib.asynccontextmanager
    async def open(self, target: str, headers: Mapping[str, str] | None = None) -> AsyncIterator[Listener]:
        async with self.session.get(self.server.url + target, headers=headers or {}) as response:
            yield Listener(response)


def path(run: AddedRun | None) -> str:
    return f"/api/runs/{run.run_id}/events" if run else "/api/runs/events"


@contextlib.asynccontextmanager
async def running_world(database_url: str, broker: Broker, **more: Any) -> AsyncIterator[World]:
    """Run a notifier on a migrated database."""
    database = Database(database_url, pool_max=20, startup_timeout=10, exclusive=False)
    settings = read_settings(
        NotifierSettings,
        database_url=database_url,
        broker_url="memory://",
        auth_jwt_secret=SECRET,
        cors_allowed_origins=PAGE,
        notifier_host="127.0.0.1",
        notifier_port=0,
        **more,
    )
    relay = Relay(database, broker)  # not started: tests say when something is sent
    parts, server = lingoloop_notifier.app.parts(settings, database=database, broker=broker, relay=relay)
    [progress] = [part for part in parts if isinstance(part, Progress)]
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        running([database, broker, *parts]),
        aiohttp.ClientSession(connector=connector, auto_decompress=False) as session,
    ):
        yield World(database, broker, relay, server, session, progress)
