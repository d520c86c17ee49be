"""How long streams live: heartbeats, the token's end, readers that do not read, a shutdown."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from lingoloop_common import metrics
from lingoloop_common.auth import LEEWAY
from lingoloop_common.broker import EventMessage
from lingoloop_common.contracts.events import UPDATED
from lingoloop_notifier import outlet, server
from tests.notifier.world import HeldBroker, World, path, running_world
from tests.rows import AddedRun
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


def subscribers(scope: str) -> float:
    [value] = [
        sample.value
        for metric in metrics.SUBSCRIBERS.collect()
        for sample in metric.samples
        if sample.labels["scope"] == scope
    ] or [0.0]
    return value


async def test_a_quiet_stream_gets_comments_as_heartbeats(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlet, "HEARTBEAT_SECONDS", 0.02)
    owner = world.new_owner()
    run = await world.add_run(owner)
    async with world.listen(owner, run) as listener:
        await listener.next()
        assert (await listener.until_comment()).startswith(b":")
        await world.finish(run)
        assert [frame.kind for frame in await listener.rest()] == ["done"]


async def test_who_wants_to_see_heartbeats_gets_one_at_once_and_then_events_instead_of_comments(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlet, "HEARTBEAT_SECONDS", 0.02)
    async with world.listen(world.new_owner(), None, query="?heartbeat=1") as listener:
        assert await listener.block() == b"retry: 2000\n"
        assert await listener.block() == b"event: heartbeat\ndata: {}\n"
        assert b'"snapshot"' in (await listener.block() or b"")
        assert await listener.block() == b"event: heartbeat\ndata: {}\n"
    assert listener.comments == []


async def test_the_heartbeat_comes_every_15_seconds() -> None:
    assert outlet.HEARTBEAT_SECONDS == 15


@pytest.mark.parametrize("scope", ["run", "owner"])
async def test_the_tokens_expiry_ends_the_stream_with_an_error_frame(
    world: World, monkeypatch: pytest.MonkeyPatch, scope: str
) -> None:
    owner = world.new_owner()
    run = await world.add_run(owner) if scope == "run" else None
    # Only the stream's end is reckoned by a late clock: a token that is nearly over might be refused before it is looked at.
    late = SimpleNamespace(time=lambda: time.time() + 3600 + LEEWAY)
    monkeypatch.setattr(server, "time", late)
    token = world.token(owner, ttl=3600)
    async with world.open(path(run), {"Authorization": f"Bearer {token}"}) as listener:
        await listener.next()
        [error] = await listener.rest()
    assert (error.id, error.kind, error.data["code"]) == (None, "error", "token_expired")


async def test_a_token_that_a_slow_clock_made_late_is_not_cut_off_at_once(world: World) -> None:
    """As long as a token opens streams it also keeps them open: a client must not connect over and over."""
    owner = world.new_owner()
    run = await world.add_run(owner)
    token = world.token(owner, issued_at=time.time() - 3610, ttl=3600)
    async with world.open(path(run), {"Authorization": f"Bearer {token}"}) as listener:
        await listener.next()
        await world.finish(run)
        assert [frame.kind for frame in await listener.rest()] == ["done"]


class Deaf:
    """A client that sends its request and never reads the answer."""

    def __init__(self, world: World, owner: str, run: AddedRun | None) -> None:
        url = urlsplit(world.server.url)
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.connect((url.hostname, url.port))
        self.socket.sendall(
            f"GET {path(run)} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {world.token(owner)}\r\n\r\n".encode()
        )

    def close(self) -> None:
        self.socket.close()

    def is_cut_off(self) -> bool:
        """Read what is left; true if the connection ends without the end of the answer."""
        self.socket.settimeout(10)
        tail = b""
        try:
            while data := self.socket.recv(1 << 20):
                tail = (tail + data)[-10:]
        except ConnectionResetError:
            return True
        return not tail.endswith(b"0\r\n\r\n")


async def test_a_reader_that_does_not_read_is_cut_off_and_the_others_go_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlet, "BUFFER", 5_000_000)
    owner = world.new_owner()
    run = await world.add_run(owner)
    before = subscribers("run")
    deaf = Deaf(world, owner, run)
    body = b'{"event":"update","text":"' + b"x" * 100_000 + b'"}'

    def send(number: int) -> None:
        headers: dict[str, str | int] = {
            "cloudEvents_type": UPDATED,
            "cloudEvents_subject": str(run.run_id),
            "cloudEvents_owner": owner,
            "cloudEvents_seq": number,
            "cloudEvents_ownerseq": number,
        }
        world.held_broker.on_event(EventMessage(headers, body))

    async with world.listen(owner, run) as listener:
        await listener.next()
        await eventually(lambda: subscribers("run") == before + 2)
        number = 1
        while subscribers("run") == before + 2:
            assert number < 2000, "a reader that does not read is never cut off"
            for _ in range(25):
                number += 1
                send(number)
            assert [frame.id for frame in await listener.take(25)][-1] == str(number)
        send(number + 1)
        assert (await listener.next()).id == str(number + 1)
    assert deaf.is_cut_off()
    deaf.close()


async def test_a_client_that_goes_away_is_forgotten(world: World) -> None:
    owner = world.new_owner()
    run = await world.add_run(owner)
    before = subscribers("run"), subscribers("owner")
    async with world.listen(owner, run) as one, world.listen(owner, None) as other:
        await one.next()
        await other.next()
        assert (subscribers("run"), subscribers("owner")) == (before[0] + 1, before[1] + 1)
        one.response.close()
        other.response.close()
    await eventually(lambda: (subscribers("run"), subscribers("owner")) == before)


@pytest_asyncio.fixture(loop_scope="module")
async def own_world(module_database_url: str) -> AsyncIterator[World]:
    """A notifier of the test's own, to stop."""
    async with running_world(module_database_url, HeldBroker()) as world:
        yield world


async def test_a_shutdown_ends_streams_with_a_pause_that_differs_from_client_to_client(
    own_world: World,
) -> None:
    owner = "stopped"
    run = await own_world.add_run(owner)
    opened = [own_world.listen(owner, run if number % 2 else None) for number in range(20)]
    listeners = [await context.__aenter__() for context in opened]
    for listener in listeners:
        await listener.next()
    begin = time.monotonic()
    stopping = asyncio.create_task(own_world.server.stop())
    for listener in listeners:
        assert await listener.rest() == []
    await stopping
    assert time.monotonic() - begin < 4, "it waited for the grace period although every stream had ended"
    pauses = [listener.retries[-1] for listener in listeners]
    assert all(1_000 <= pause <= 15_000 for pause in pauses)
    assert len(set(pauses)) > 10
    for context in opened:
        await context.__aexit__(None, None, None)


@pytest.mark.parametrize("reads", [True, False])
async def test_a_shutdown_waits_a_moment_for_readers_that_are_behind(own_world: World, reads: bool) -> None:
    owner = f"behind {reads}"
    run = await own_world.add_run(owner, units=100)
    listener = own_world.server._listener
    assert listener is not None
    listener.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    before = subscribers("run")
    deaf = Deaf(own_world, owner, run)
    async with own_world.listen(owner, run) as other:
        await other.next()
        await eventually(lambda: subscribers("run") == before + 2)
        for index in range(10):  # 300 kB, which wait
            await own_world.finish_chunk(run, index, ("x" * 30_000,))
        await other.take(10)
        begin = time.monotonic()
        stopping = asyncio.create_task(own_world.server.stop())
        assert await other.rest() == []
        if reads:
            assert not await asyncio.to_thread(deaf.is_cut_off)
        await stopping
        assert time.monotonic() - begin < 4
        await eventually(lambda: subscribers("run") == before)
    deaf.close()
