"""前端使用示例: the guide's own lines, unchanged, in a real browser and on a page of another origin."""

import functools
import os
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from tests import media
from tests.gateway.world import World
from tests.guide.browser import CHROMIUM, ONE_RUN, Pages, browsing, serving_pages
from tests.guide.conftest import StartWorld

pytestmark = pytest.mark.skipif(
    CHROMIUM is None and "CI" not in os.environ,
    reason="there is no chromium here; `make test-servers` installs it",
)

ALL_RUNS = """
const eventSource = new EventSource(`/api/runs/events?access_token=${accessToken}`);
eventSource.onmessage = (event) => console.log('收到状态更新:', JSON.parse(event.data));
"""

REFUSED = """
eventSource.onerror = () => {
  if (eventSource.readyState === EventSource.CLOSED) console.log('不再连接');
};
"""


@pytest.fixture
async def pages() -> AsyncIterator[Pages]:
    async with serving_pages() as pages:
        yield pages


@pytest.fixture
async def world(start_world: StartWorld, pages: Pages, migrated_url: str) -> AsyncIterator[World]:
    """A system that allows the pages' origin, and takes no work before `start_work`."""
    connection = await asyncpg.connect(migrated_url)
    await connection.execute("UPDATE fleet SET wanted = 'stopped'")
    await connection.close()
    async with start_world(CORS_ALLOWED_ORIGINS=pages.origin()) as world:
        yield world


async def start_work(world: World) -> None:
    answer = await world.http.post("/api/admin/worker", headers=world.bearer("ops", "admin"))
    assert answer.status_code == 200


def frames(pages: Pages) -> list[dict[str, Any]]:
    """Return the frames that `onmessage` was given."""
    return [logged[1] for logged in pages.logged if logged[0] == "收到状态更新:"]


def ended(pages: Pages, run_id: str) -> bool:
    return any(frame["event"] == "done" and frame["runId"] == run_id for frame in frames(pages))


async def test_the_guides_client_sees_a_run_from_its_beginning_to_its_end(world: World, pages: Pages) -> None:
    run_id = (await world.accepted("ann", media.wav_of_ms(61_000)))["runId"]
    url = pages.write(ONE_RUN, base=world.gateway.url, runId=run_id, accessToken=world.token("ann"))
    async with browsing(url):
        await pages.until(lambda: frames(pages))
        await start_work(world)
        await pages.until(lambda: ["转录完成!"] in pages.logged)
    assert pages.logged[-1] == ["转录完成!"]
    init, *updates, done = frames(pages)
    assert (init["event"], init["runId"], init["status"]) == ("init", run_id, "queued")
    assert {update["event"] for update in updates} == {"update"}
    progress = [update["progress"] for update in updates]
    assert len(set(progress)) >= 2, (
        "the one before the chunks, and at least one between: those that end together are one event"
    )
    assert progress == sorted(progress)
    assert (done["event"], done["status"], done["progress"]) == ("done", "succeeded", 100)
    assert len(pages.told) == len(pages.logged), "a fault of the page"


async def test_a_client_of_all_runs_sees_those_under_way_then_each_change_and_each_end(
    world: World, pages: Pages
) -> None:
    waiting = (await world.accepted("ann", media.wav_of_ms(61_000)))["runId"]
    url = pages.write(ALL_RUNS, base=world.gateway.url, accessToken=world.token("ann"))
    async with browsing(url):
        await pages.until(lambda: frames(pages))
        await start_work(world)
        await pages.until(lambda: ended(pages, waiting))
        later = (await world.accepted("ann", media.wav()))["runId"]
        await pages.until(lambda: ended(pages, later))
    snapshot, *changes = frames(pages)
    assert snapshot["event"] == "snapshot"
    assert [item["runId"] for item in snapshot["items"]] == [waiting]
    for run_id in (waiting, later):
        *updates, done = [change["event"] for change in changes if change["runId"] == run_id]
        assert set(updates) == {"update"}
        assert done == "done"


async def test_a_page_of_an_origin_that_is_not_allowed_gets_nothing(world: World, pages: Pages) -> None:
    run_id = (await world.accepted("ann", media.wav_of_ms(61_000)))["runId"]
    write = functools.partial(
        pages.write, ONE_RUN + REFUSED, base=world.gateway.url, runId=run_id, accessToken=world.token("ann")
    )
    async with browsing(write()):
        await pages.until(lambda: pages.logged)
    assert frames(pages)[0]["event"] == "init"
    async with browsing(write(host="localhost")):
        await pages.until(lambda: pages.logged)
    assert pages.logged == [["不再连接"]]
