"""Live streams over real connections: the same bytes as a replay, for HTTP/1.1 and 1.0; and readers that do not read."""

import asyncio
import contextlib
import gc
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
import structlog
from aiohttp import web

from lingoloop_notifier import broadcast, frames, outlet, server
from lingoloop_notifier.frames import Form
from lingoloop_notifier.hub import Hub
from lingoloop_notifier.outlet import Outlet
from tests.notifier.test_hub import ANNS, ANNS_RUN, RUN, NoPast, event, listen
from tests.notifier.test_life import subscribers
from tests.notifier.world import World, path
from tests.rows import AddedRun
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


@contextlib.asynccontextmanager
async def raw(
    world: World, owner: str, run: AddedRun, version: str, query: str
) -> AsyncIterator[asyncio.StreamReader]:
    """Open a stream after event 1, as bytes from behind the head."""
    url = urlsplit(world.server.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    head = (
        f"GET {path(run)}{query} HTTP/{version}\r\nHost: x\r\nAuthorization: Bearer {world.token(owner)}\r\n"
    )
    writer.write(f"{head}Last-Event-ID: 1\r\n\r\n".encode())
    answer = await reader.readuntil(b"\r\n\r\n")
    assert (b"chunked" in answer) == (version == "1.1")
    assert answer.startswith(f"HTTP/{version} 200".encode())
    yield reader
    writer.close()


@pytest.mark.parametrize("query", ["", "?named=1"])
@pytest.mark.parametrize("version", ["1.1", "1.0"])
async def test_a_live_stream_is_byte_for_byte_what_a_replay_is(
    world: World, version: str, query: str
) -> None:
    owner = world.new_owner()
    run = await world.add_run(owner, units=4)
    async with raw(world, owner, run, version, query) as live:
        begun = await live.readuntil(b"retry: 2000\n\n")
        for index in range(3):
            await world.finish_chunk(run, index)
        await world.finish(run)
        at_once = begun + await live.read()
    async with raw(world, owner, run, version, query) as later:
        assert await later.read() == at_once
    assert at_once.count(b"\nid: ") + at_once.startswith(b"id: ") == 4


async def test_what_a_client_sends_while_it_listens_is_left_alone(world: World) -> None:
    owner = world.new_owner()
    run = await world.add_run(owner)
    url = urlsplit(world.server.url)
    request = (
        f"GET {path(run)} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {world.token(owner)}\r\n\r\n".encode()
    )
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(request)
    assert b"Connection: close" in await reader.readuntil(b"\r\n\r\n")
    await reader.readuntil(b"}\n\n\r\n")
    writer.write(request * 50)
    await world.finish(run)
    rest = await reader.read()
    assert rest.count(b"id: ") == 1
    assert rest.endswith(b"\r\n0\r\n\r\n")
    writer.close()


async def test_a_live_stream_has_no_task_and_aiohttp_has_let_go_of_it(world: World) -> None:
    owner = world.new_owner()
    run = await world.add_run(owner)

    def kept() -> tuple[int, int]:
        connections = sum(isinstance(one, web.RequestHandler) for one in gc.get_objects())
        return len(asyncio.all_tasks()), connections

    await eventually(lambda: gc.collect() >= 0 and len(asyncio.all_tasks()) < 10)
    before = kept()
    async with contextlib.AsyncExitStack() as streams:
        for _ in range(20):
            listener = await streams.enter_async_context(world.listen(owner, run))
            await listener.next()
        await eventually(lambda: gc.collect() >= 0 and kept() <= before)


class Watched(Outlet):
    """An outlet whose connection a test looks at."""

    line: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.line = cast(asyncio.Transport, transport)
        super().connection_made(transport)


async def connected(hub: Hub, *, reads: bool) -> tuple[Watched, Any]:
    """Follow a run live over a connection with small buffers."""
    follows = hub.subscribe(ANNS_RUN, NoPast())
    made = Watched(Form(named=False, chunked=False), 0.0, lambda gone: hub.leave(follows, gone))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: made, "127.0.0.1", 0)
    server.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    await loop.sock_connect(client, server.sockets[0].getsockname())
    await eventually(lambda: hasattr(made, "line"))
    server.close()
    hub.join(follows, made, 1)
    return made, await asyncio.open_connection(sock=client) if reads else client


async def test_a_reader_that_does_not_read_neither_delays_others_nor_holds_more_than_its_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outlet, "BUFFER", 300_000)
    hub = Hub()
    deaf, client = await connected(hub, reads=False)
    _, (reader, writer) = await connected(hub, reads=True)
    text, most, late, number = "x" * 10_000, 0, 0.0, 1
    while not deaf.line.is_closing():
        number += 1
        assert number < 200, "it is never cut off"
        begin = time.monotonic()
        hub.on_event(event(number, text=text))
        await asyncio.sleep(0)
        most = max(most, deaf.line.get_write_buffer_size())
        assert (await reader.readuntil(b"\n\n")).startswith(b"id: %d\n" % number)
        late = max(late, time.monotonic() - begin)
    assert 200_000 < most <= 300_000
    assert late < 2
    for number in range(number + 1, number + 20):  # noqa: B020  (goes on from there)
        hub.on_event(event(number, text=text))
        assert (await reader.readuntil(b"\n\n")).startswith(b"id: %d\n" % number)
    writer.close()
    client.close()


async def test_a_stream_that_has_ended_is_cut_when_its_end_is_not_read_in_time() -> None:
    hub, loop = Hub(), asyncio.get_running_loop()
    deaf, client = await connected(hub, reads=False)
    number = 1
    while not deaf.has_unread:
        number += 1
        hub.on_event(event(number, text="x" * 10_000))
        await asyncio.sleep(0)
    now = loop.time()
    hub.beat(now)  # its token has ended
    held = deaf.line.get_write_buffer_size()
    hub.beat(now + outlet.HEARTBEAT_SECONDS - 1)
    await asyncio.sleep(0)
    assert deaf.line.get_write_buffer_size() == held > 0
    hub.beat(loop.time() + outlet.HEARTBEAT_SECONDS + 1)
    await eventually(lambda: not hub.watched()[0])
    client.close()


@pytest.mark.parametrize("how", ["its token has ended", "the server stops"])
async def test_nothing_follows_the_end_while_it_waits_to_be_read(how: str) -> None:
    hub, loop = Hub(), asyncio.get_running_loop()
    deaf, client = await connected(hub, reads=False)
    number = 1
    while not deaf.has_unread:
        number += 1
        hub.on_event(event(number, text="x" * 10_000))
        await asyncio.sleep(0)
    if how == "the server stops":
        hub.end()
    else:
        hub.beat(loop.time())
    held = deaf.line.get_write_buffer_size()
    hub.on_event(event(number + 1))
    await asyncio.sleep(0)
    assert deaf.line.get_write_buffer_size() == held
    deaf.abort()
    client.close()


async def test_forecasts_do_not_pile_up_before_a_reader_that_does_not_read() -> None:
    hub = Hub()
    deaf, client = await connected(hub, reads=False)
    number = 1
    while not deaf.has_unread:
        number += 1
        hub.on_event(event(number, text="x" * 10_000))
        await asyncio.sleep(0)
    held = deaf.line.get_write_buffer_size()
    for seconds_left in range(1_000):
        hub.watched()
        hub.on_forecast(
            broadcast.Forecast(
                RUN, "ann", number, number, seconds_left, None, b'{"text":"%b"}' % (b"x" * 1_000)
            )
        )
    assert deaf.line.get_write_buffer_size() == held
    client.close()


async def test_an_event_is_encoded_once_for_all_and_not_at_all_for_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[bytes] = []
    frame: Callable[..., bytes] = frames.frame

    def counted(data: bytes, **more: Any) -> bytes:
        made.append(data)
        return frame(data, **more)

    monkeypatch.setattr(frames, "frame", counted)
    hub = Hub()
    message = event(1, text="this \\is no JSON, and nobody looks")
    hub.on_event(message)
    assert made == []
    lines = [listen(hub, key) for key in (ANNS_RUN, ANNS) for _ in range(100)]
    hub.on_event(event(2))
    await asyncio.sleep(0)
    assert len(made) == 2  # the run's stream and the owner's have numbers of their own
    assert all(len(line.sent) == 1 for line in lines)


@contextmanager
def deaf_to_what_it_missed(world: World, owner: str, run: AddedRun) -> Iterator[socket.socket]:
    """Ask for all after event 1 over a connection with small buffers, and read nothing of it."""
    listener = world.server._listener
    assert listener is not None
    listener.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    url = urlsplit(world.server.url)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect((url.hostname, url.port))
        head = f"GET {path(run)} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {world.token(owner)}\r\n"
        client.sendall(f"{head}Last-Event-ID: 1\r\n\r\n".encode())
        yield client


async def test_a_reader_that_did_not_read_what_it_missed_is_bounded_like_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlet, "BUFFER", 300_000)
    taken_over = asyncio.Event()
    join = Hub.join

    def joined(*about: Any) -> None:
        join(*about)
        taken_over.set()

    monkeypatch.setattr(Hub, "join", joined)
    owner = world.new_owner()
    run = await world.add_run(owner, units=100)
    # So much waits of it that the transport says so, and too little for aiohttp to wait.
    for index in range(3):
        await world.finish_chunk(run, index, ("x" * 34_000,))
    before = subscribers("run")
    with deaf_to_what_it_missed(world, owner, run):
        await asyncio.wait_for(taken_over.wait(), 10)
        for index in range(3, 53):
            await world.finish_chunk(run, index, ("x" * 10_000,))
        await eventually(lambda: subscribers("run") == before)


@pytest.mark.parametrize("ended", [False, True])
async def test_a_reader_that_never_reads_what_it_missed_is_cut_off(
    world: World, monkeypatch: pytest.MonkeyPatch, ended: bool
) -> None:
    monkeypatch.setattr(server, "PATIENCE", 0.2)
    owner = world.new_owner()
    run = await world.add_run(owner, units=2 if ended else 10)
    before = subscribers("run")
    for index in range(2):
        await world.finish_chunk(run, index, ("x" * 100_000,))
    with deaf_to_what_it_missed(world, owner, run), structlog.testing.capture_logs() as entries:
        await eventually(lambda: any("does not read" in entry["event"] for entry in entries))
        await eventually(lambda: subscribers("run") == before)


async def test_a_reader_that_reads_what_it_missed_slowly_is_not_cut_off(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "PATIENCE", 0.2)
    owner = world.new_owner()
    run = await world.add_run(owner, units=1)
    await world.finish_chunk(run, 0, ("x" * 200_000,))
    told, loop = b"", asyncio.get_running_loop()
    with deaf_to_what_it_missed(world, owner, run) as client:
        client.setblocking(False)
        begin = loop.time()
        while data := await loop.sock_recv(client, 10_000):
            told += data
            await asyncio.sleep(0.05)  # the pace is the point: all of it takes longer than a client may pause
    assert told.endswith(b"0\r\n\r\n")
    assert loop.time() - begin > 0.6
