"""Through nginx as it comes, straight to the notifier and by the gateway: frames arrive one by one, and quiet streams stay open."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from tests.gateway.world import World, running_world
from tests.notifier.real_runs import RealRuns
from tests.notifier.slow import Slow
from tests.notifier.world import PATIENCE, Listener, path
from tests.rows import AddedRun
from tests.servers.nginx import PROGRAM, Nginx

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(
        PROGRAM is None and "CI" not in os.environ,
        reason="there is no nginx here; `make test-servers` installs it",
    ),
]

DOORS = ("the notifier", "the gateway")
DEFAULT_READ_TIMEOUT = 60
"""Seconds for which nginx waits for an upstream's next byte (`proxy_read_timeout`)."""


@dataclass
class Behind:
    """A gateway and a notifier, each behind nginx."""

    world: World
    runs: RealRuns
    urls: dict[str, str]
    session: aiohttp.ClientSession

    @contextlib.asynccontextmanager
    async def listen(
        self, door: str, owner: str, run: AddedRun | None, last_id: str | None = None
    ) -> AsyncIterator[Listener]:
        headers = self.world.bearer(owner) | ({"Last-Event-ID": last_id} if last_id else {})
        asked = self.session.get(self.urls[door] + path(run), headers=headers)
        async with await asyncio.wait_for(asked, PATIENCE) as response:
            assert response.status == 200
            assert response.headers["Server"].startswith("nginx")
            yield Listener(response)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def behind(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Behind]:
    folder: Path = tmp_path_factory.mktemp("blobs")
    async with (
        running_world(module_database_url, folder, transcribes=False) as world,
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(None)
        ) as session,
    ):
        with Nginx(world.notifier.url, world.gateway.url) as nginx:
            urls = dict(zip(DOORS, nginx.urls, strict=True))
            yield Behind(world, RealRuns(world.database, world.relay), urls, session)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("scope", ["run", "owner"])
async def test_each_frame_arrives_before_the_next_is_made(behind: Behind, door: str, scope: str) -> None:
    owner = behind.world.new_owner()
    run = await behind.runs.add(owner, 4)
    async with behind.listen(door, owner, run if scope == "run" else None) as listener:
        first = await listener.next()
        assert first.kind == ("init" if scope == "run" else "snapshot")
        for number in range(2, 6):
            await behind.runs.finish_chunk(run)
            while (frame := await listener.next()).id is None:
                pass  # progress in between
            assert (frame.id, frame.kind) == (str(number), "done" if number == 5 else "update")
        if scope == "run":
            assert await listener.rest() == [], "the end passes too"
        assert "X-Accel-Buffering" not in listener.response.headers, "nginx has understood it"
        assert "Content-Encoding" not in listener.response.headers


@pytest.mark.parametrize("door", DOORS)
async def test_a_reconnect_gets_the_rest_and_who_has_seen_the_end_204(behind: Behind, door: str) -> None:
    owner = behind.world.new_owner()
    run = await behind.runs.add(owner, 4)
    for _ in range(4):
        await behind.runs.finish_chunk(run)
    async with behind.listen(door, owner, run, "2") as listener:
        assert [frame.id for frame in await listener.rest()] == ["3", "4", "5"]
    headers = {**behind.world.bearer(owner), "Last-Event-ID": "5"}
    async with behind.session.get(behind.urls[door] + path(run), headers=headers) as response:
        assert response.status == 204


async def stays_quiet(behind: Behind, door: str, owner: str, run: AddedRun | None, comments: int) -> int:
    """Listen to a stream on which nothing happens until so many heartbeats came; return how many bytes came else."""
    async with behind.listen(door, owner, run) as listener:
        await listener.next()
        others = 0
        while len(listener.comments) < comments:
            begin = time.monotonic()
            block = await asyncio.wait_for(listener.response.content.readuntil(b"\n\n"), DEFAULT_READ_TIMEOUT)
            if block.startswith(b":"):
                listener.comments.append(block)
                assert time.monotonic() - begin < 20
            else:
                others += len(block)
        return others


@pytest.mark.parametrize(
    "comments",
    [1, pytest.param(5, marks=[pytest.mark.slow, pytest.mark.timeout(180)])],
    ids=["once", "past nginx's patience"],
)
async def test_heartbeats_keep_a_quiet_stream_open(behind: Behind, comments: int) -> None:
    owner = behind.world.new_owner()
    run = await behind.runs.add(owner, 1)
    streams = [stays_quiet(behind, door, owner, which, comments) for door in DOORS for which in (run, None)]
    assert await asyncio.gather(*streams) == [0] * 4


TEXT = "x" * 300_000
"""With so many events, more than all buffers hold on the way to a reader that does not read."""
EVENTS = 100


@pytest.mark.parametrize("door", [DOORS[0], pytest.param(DOORS[1], marks=pytest.mark.slow)])
async def test_a_slow_reader_delays_nobody_and_misses_nothing(behind: Behind, door: str) -> None:
    owner = behind.world.new_owner()
    run = await behind.runs.add(owner, EVENTS)
    slow = Slow(behind.urls[door] + path(run), behind.world.bearer(owner))
    await slow.connect()
    async with behind.listen(door, owner, run) as one, behind.listen(door, owner, None) as all_runs:
        for listener in (one, all_runs):
            await listener.next()
        slowest = 0.0
        for number in range(2, EVENTS + 2):
            await behind.runs.finish_chunk(run, TEXT)
            begin = time.monotonic()
            for listener in (one, all_runs):
                while (frame := await listener.next()).id is None:
                    pass
                assert frame.id == str(number)
            slowest = max(slowest, time.monotonic() - begin)
    assert slowest < 2
    await asyncio.wait_for(slow.read_all(), 60)
    assert slow.cuts, "all has gone into buffers: this test shows nothing"
    assert slow.seen == list(range(slow.seen[0], EVENTS + 2))
