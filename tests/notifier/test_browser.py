"""Chromium: the guide's own client over a cut line, EventSource at a run's end, named events, and seven tabs on one stream."""

import os
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import pytest_asyncio

from tests.gateway.world import running_world
from tests.guide.browser import CHROMIUM, ONE_RUN, Pages, browsing, serving_pages
from tests.notifier.real_runs import RealRuns
from tests.notifier.test_clients import Line
from tests.servers.proxy import Proxy
from tests.waiting import eventually

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(
        CHROMIUM is None and "CI" not in os.environ,
        reason="there is no chromium here; `make test-servers` installs it",
    ),
]

NEVER_CLOSED = """
const source = new EventSource(`/api/runs/${runId}/events?access_token=${accessToken}`);
source.onmessage = (event) => console.log('frame', JSON.parse(event.data), event.lastEventId);
source.onerror = () => console.log('error', source.readyState);
"""

NAMED = """
const source = new EventSource(`/api/runs/${runId}/events?named=1&access_token=${accessToken}`);
for (const name of ['init', 'update', 'done'])
  source.addEventListener(name, (event) => console.log(name, JSON.parse(event.data), event.lastEventId));
source.onmessage = (event) => console.log('no name', event.data);
source.addEventListener('done', () => source.close());
"""

ONE_STREAM_FOR_ALL_TABS = """
const tab = crypto.randomUUID();
const events = new BroadcastChannel('events'), reports = new BroadcastChannel('reports');
let report = (what) => reports.postMessage(what), listens = false;

/** What a tab does with an event: it tells which, and asks the API about its run. */
async function take(text) {
  const {event, runId} = JSON.parse(text);
  report([tab, event, runId ?? null]);
  if (event !== 'done') return;
  const answer = await fetch(`/api/runs/${runId}/progress`, {headers: {Authorization: `Bearer ${accessToken}`}});
  report([tab, 'asked', (await answer.json()).status]);
}

events.onmessage = (event) => {
  if (event.data !== 'do you listen?') take(event.data);
  else if (!listens) report([tab, 'listens', null]), listens = true;
};

// One of the tabs has the stream; if it is closed, the lock goes to another.
navigator.locks.request('stream', () => {
  report = (what) => console.log(...what);
  reports.onmessage = (event) => report(event.data);
  report([tab, 'has the stream', null]);
  const source = new EventSource(`/api/runs/events?access_token=${accessToken}`);
  source.onmessage = (event) => { events.postMessage(event.data); take(event.data); };
  setInterval(() => events.postMessage('do you listen?'), 200);
  return new Promise(() => {});
});
"""

TABS = 7
"""One more than a browser's connections to one host over HTTP/1.1."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def all_pages() -> AsyncIterator[Pages]:
    async with serving_pages() as pages:
        yield pages


@pytest.fixture
def pages(all_pages: Pages) -> Pages:
    """The pages, on which nothing is written."""
    return all_pages


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def line(
    module_database_url: str, tmp_path_factory: pytest.TempPathFactory, all_pages: Pages
) -> AsyncIterator[Line]:
    """A gateway that allows the pages' origin, at the other end of a line that can be cut."""
    folder: Path = tmp_path_factory.mktemp("blobs")
    origins = all_pages.origin()
    async with (
        running_world(module_database_url, folder, transcribes=False, cors_allowed_origins=origins) as world,
        Proxy(urlsplit(world.gateway.url).port or 0) as proxy,
    ):
        yield Line(world, RealRuns(world.database, world.relay), proxy)


def durable(frames: list[dict[str, Any]]) -> list[tuple[str, int]]:
    """Return each frame's event and finished chunks; progress in between, which has no segments, is left out."""
    return [
        (frame["event"], frame["chunksDone"])
        for frame in frames
        if frame["event"] != "update" or "segments" in frame
    ]


async def test_the_guides_client_goes_on_by_itself_over_a_cut(line: Line, pages: Pages) -> None:
    owner = line.world.new_owner()
    run = await line.runs.add(owner, 6)
    variables = {"runId": str(run.run_id), "accessToken": line.world.token(owner)}

    def heard() -> list[tuple[str, int]]:
        return durable([logged[1] for logged in pages.logged if logged[0] == "收到状态更新:"])

    async with browsing(pages.write(ONE_RUN, base=line.url, **variables)):
        await pages.until(heard)
        for number in (1, 2):
            await line.runs.finish_chunk(run)
            await pages.until(lambda: len(heard()) == number + 1)  # noqa: B023  (waited for at once)
        line.proxy.cut()
        for _ in range(2):
            await line.runs.finish_chunk(run)
        await pages.until(lambda: heard()[-1] == ("update", 4))
        for _ in range(2):
            await line.runs.finish_chunk(run)
        await pages.until(lambda: ["转录完成!"] in pages.logged)
    assert heard() == [("init", 0), *(("update", number) for number in range(1, 6)), ("done", 6)]


async def test_eventsource_stops_at_the_end_even_if_nobody_closes_it(line: Line, pages: Pages) -> None:
    """The stream ends, it comes again with its last id, and 204 tells it to come no more."""
    owner = line.world.new_owner()
    run = await line.runs.add(owner, 2)
    variables = {"runId": str(run.run_id), "accessToken": line.world.token(owner)}
    async with browsing(pages.write(NEVER_CLOSED, base=line.url, **variables)):
        await pages.until(lambda: pages.logged)
        await line.runs.finish_chunk(run)
        await line.runs.finish_chunk(run)
        await pages.until(lambda: ["error", 2] in pages.logged)
    frames = [logged[1] for logged in pages.logged if logged[0] == "frame"]
    assert durable(frames) == [("init", 0), ("update", 1), ("done", 2)]
    errors = [logged for logged in pages.logged if logged[0] == "error"]
    assert errors == [["error", 0], ["error", 2]], "it connects again, and is closed"


async def test_named_events_come_to_their_listeners(line: Line, pages: Pages) -> None:
    owner = line.world.new_owner()
    run = await line.runs.add(owner, 2)
    variables = {"runId": str(run.run_id), "accessToken": line.world.token(owner)}
    async with browsing(pages.write(NAMED, base=line.url, **variables)):
        await pages.until(lambda: pages.logged)
        await line.runs.finish_chunk(run)
        await line.runs.finish_chunk(run)
        await pages.until(lambda: pages.logged[-1][0] == "done")
    told = [(name, frame["event"], last_id) for name, frame, last_id in pages.logged if durable([frame])]
    assert told == [("init", "init", "1"), ("update", "update", "2"), ("done", "done", "3")]


async def open_tabs(profile: Path, url: str, count: int) -> None:
    """Open more tabs in the browser that has this profile, by its debugger's port."""
    file = profile / "DevToolsActivePort"
    await eventually(file.exists)
    port = file.read_text().split()[0]
    async with httpx.AsyncClient() as http:
        for _ in range(count):
            assert (await http.put(f"http://127.0.0.1:{port}/json/new?{url}")).status_code == 200


async def test_one_stream_serves_seven_tabs_and_leaves_connections_for_the_rest(
    line: Line, pages: Pages
) -> None:
    """Over HTTP/1.1 a browser has six connections to a host: seven streams would take all, and the API would hang."""
    owner = line.world.new_owner()
    url = pages.write(ONE_STREAM_FOR_ALL_TABS, base=line.url, accessToken=line.world.token(owner))

    def told(what: str) -> Counter[str]:
        return Counter(tab for tab, said, _ in pages.logged if said == what)

    async with browsing(url, "--remote-debugging-port=0") as profile:
        await open_tabs(profile, url, TABS - 1)
        await pages.until(lambda: len(told("listens")) == TABS - 1)
        runs = [await line.runs.add(owner, 1) for _ in range(2)]
        for run in runs:
            await line.runs.finish_chunk(run)
        await pages.until(lambda: told("asked").total() == TABS * len(runs))
    assert told("has the stream").total() == 1
    assert len(told("asked")) == TABS
    for tab in told("asked"):
        heard = [
            (said, of) for teller, said, of in pages.logged if teller == tab and said in ("update", "done")
        ]
        for run in runs:
            assert [said for said, of in heard if of == str(run.run_id)] == ["update", "done"]
    assert {of for _, said, of in pages.logged if said == "asked"} == {"succeeded"}
