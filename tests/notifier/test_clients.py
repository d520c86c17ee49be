"""Real clients follow a run to its end, are cut off on the way, go on by id, and stop when they are told that it is over."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import httpx
import httpx_sse
import pytest
import pytest_asyncio

from lingoloop_notifier.hub import Hub
from tests.gateway.world import World, running_world
from tests.notifier.real_runs import RealRuns
from tests.notifier.world import path
from tests.servers.proxy import Proxy

pytestmark = pytest.mark.asyncio(loop_scope="module")

NODE = Path(__file__).parent / "eventsource_node"
PAUSE = 0.2

needs_node = pytest.mark.skipif(
    shutil.which("node") is None or not (NODE / "node_modules").exists(),
    reason="needs Node, and `npm ci` in tests/notifier/eventsource_node",
)

Tell: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]
"""Takes `{id, data}` of each event, and `{status}` of the answer that ends it all."""
Follow: TypeAlias = Callable[[str, str, Tell], Awaitable[None]]
"""A client: the stream's address, a token, and whom it tells."""


@dataclass
class Line:
    """A gateway at the other end of a line that can be cut."""

    world: World
    runs: RealRuns
    proxy: Proxy

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.proxy.port}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def line(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Line]:
    folder: Path = tmp_path_factory.mktemp("blobs")
    async with (
        running_world(module_database_url, folder, transcribes=False) as world,
        Proxy(urlsplit(world.gateway.url).port or 0) as proxy,
    ):
        yield Line(world, RealRuns(world.database, world.relay), proxy)


async def by_process(tell: Tell, *command: str | Path) -> int:
    """Pass on what a client prints, until it ends."""
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout
    try:
        async for printed in process.stdout:
            await tell(json.loads(printed))
        return await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def node_eventsource(url: str, token: str, tell: Tell) -> None:
    await by_process(tell, "node", NODE / "follow.js", url, token, "eventsource")


async def node_fetch(url: str, token: str, tell: Tell) -> None:
    await by_process(tell, "node", NODE / "follow.js", url, token, "fetch")


async def python_httpx_sse(url: str, token: str, tell: Tell) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(timeout=30) as http:
        while True:
            try:
                async with httpx_sse.aconnect_sse(http, "GET", url, headers=headers) as source:
                    if source.response.status_code != 200:
                        return await tell({"status": source.response.status_code})
                    async for event in source.aiter_sse():
                        if event.data:  # this library makes an event of a `retry:` line too
                            headers["Last-Event-ID"] = event.id
                            await tell({"id": event.id, "data": event.json()})
            except httpx.TransportError:
                pass
            await asyncio.sleep(PAUSE)


async def curl(url: str, token: str, tell: Tell) -> None:
    """What a shell would do: one `curl -N` after another, with the last id that was printed."""
    last_id, status = "", ""
    while status != "204":
        more = ["-H", f"Last-Event-ID: {last_id}"] if last_id else []
        process = await asyncio.create_subprocess_exec(
            *(
                "curl",
                "-sN",
                "-w",
                "\nstatus: %{http_code}\n",
                "-H",
                f"Authorization: Bearer {token}",
                *more,
                url,
            ),
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout
        async for printed in process.stdout:
            name, _, value = printed.decode().rstrip("\n").partition(": ")
            if name == "id":
                last_id = value
            elif name == "data":
                await tell({"id": last_id, "data": json.loads(value)})
            elif name == "status":
                status = value
        await process.wait()
        await asyncio.sleep(PAUSE)
    await tell({"status": int(status)})


class Heard:
    """What a client has told."""

    def __init__(self) -> None:
        self.events: list[tuple[int, str]] = []
        self.status: int | None = None
        self._news = asyncio.Condition()

    async def tell(self, what: dict[str, Any]) -> None:
        async with self._news:
            if "status" in what:
                self.status = what["status"]
            # Progress in between has no segments, and no id of its own, which a client need not tell.
            elif what["data"]["event"] != "update" or "segments" in what["data"]:
                self.events.append((int(what["id"]), what["data"]["event"]))
            self._news.notify_all()

    async def until(self, last: int) -> None:
        """Wait until it has heard of this event."""
        async with asyncio.timeout(30), self._news:
            await self._news.wait_for(lambda: self.events and self.events[-1][0] == last)


@pytest.mark.parametrize(
    "follow",
    [
        pytest.param(node_eventsource, marks=needs_node),
        pytest.param(node_fetch, marks=needs_node),
        python_httpx_sse,
        curl,
    ],
)
async def test_a_client_that_is_cut_off_goes_on_where_it_was_and_stops_at_the_end(
    line: Line, follow: Follow
) -> None:
    owner = line.world.new_owner()
    run = await line.runs.add(owner, 6)
    heard = Heard()
    following = asyncio.create_task(
        asyncio.wait_for(follow(line.url + path(run), line.world.token(owner), heard.tell), 40)
    )
    await heard.until(1)
    for last in (2, 3):
        await line.runs.finish_chunk(run)
        await heard.until(last)
    line.proxy.cut()
    await line.runs.finish_chunk(run)
    await line.runs.finish_chunk(run)
    await heard.until(5)
    await line.runs.finish_chunk(run)
    await line.runs.finish_chunk(run)
    await following
    assert heard.events == [(1, "init"), *((number, "update") for number in range(2, 7)), (7, "done")]
    assert heard.status == 204


async def test_with_a_new_token_a_stream_whose_token_has_expired_goes_on(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    beat, expired = Hub.beat, asyncio.Event()
    # Nothing ends before, however slow the machine is.
    monkeypatch.setattr(Hub, "beat", lambda hub, now: beat(hub, now + 2 * 3600 if expired.is_set() else 0.0))
    owner = line.world.new_owner()
    run = await line.runs.add(owner, 4)
    async with httpx.AsyncClient(timeout=30) as http:

        async def frames(token: str, last_id: str | None, until: str) -> list[tuple[str, str]]:
            headers = {"Authorization": f"Bearer {token}"} | ({"Last-Event-ID": last_id} if last_id else {})
            found = []
            async with httpx_sse.aconnect_sse(http, "GET", line.url + path(run), headers=headers) as source:
                async for event in source.aiter_sse():
                    if not event.data:
                        continue
                    found.append((event.id, event.json()["event"]))
                    if len(found) == 1:
                        await line.runs.finish_chunk(run)
                    else:
                        expired.set()
                    if found[-1][1] == until:
                        break
            return found

        begun = await frames(line.world.token(owner), None, "nothing ends it but the server")
        assert begun == [("1", "init"), ("2", "update"), ("2", "error")]
        expired.clear()
        old = line.world.token(owner, ttl=-31)  # clocks may differ by 30 s
        refused = await http.get(line.url + path(run), headers={"Authorization": f"Bearer {old}"})
        assert refused.status_code == 401
        await line.runs.finish_chunk(run)
        assert (await frames(line.world.token(owner), "2", "update"))[0] == ("3", "update")
