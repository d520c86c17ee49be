"""监控告警: the depth of the queue, what failed, and how long answers take are there to be watched, at `/metrics`.

That `/metrics` shows them as Prometheus reads them is shown in tests/common/test_http.py.
"""

import pytest
from prometheus_client import REGISTRY

import lingoloop_transcriber.app
from lingoloop_gateway.state import State
from tests import media
from tests.gateway.world import World
from tests.guide.conftest import StartWorld
from tests.rules.workshop import HandSlots
from tests.scrape import Page
from tests.waiting import eventually


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def depth(world: World) -> float | None:
    page = Page((await State(world.database).page()).decode())
    return page.value("lingoloop_units_ready", lane="simulated")


async def test_the_depth_of_the_queue_is_what_waits_down_to_0(start_world: StartWorld) -> None:
    async with start_world(transcribes=False) as world:
        for owner in ("ann", "bob"):
            await world.accepted(owner, media.wav(), model="long")
        assert await depth(world) == 2
        for owner, left in (("ann", 1), ("bob", 0)):
            await world.database.pool.execute("UPDATE unit SET state = 'done' WHERE owner = $1", owner)
            assert await depth(world) == left


async def test_what_fails_is_counted(start_world: StartWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    slots = HandSlots(1)
    monkeypatch.setattr(lingoloop_transcriber.app, "Slots", lambda count, config: slots)

    def failed() -> float:
        return value("lingoloop_units_ended_total", lane="simulated", kind="plan", outcome="failed")

    async with start_world() as world:
        before = failed()
        await world.accepted("ann", media.wav(), model="long")
        (await slots.call()).fail("not_audio")
        await eventually(lambda: failed() == before + 1)


@pytest.mark.asyncio(loop_scope="module")
async def test_each_answers_time_is_kept_by_route_and_status(idle_world: World) -> None:
    def answers(status: int) -> float:
        return value(
            "lingoloop_http_seconds_count", method="GET", route="/api/runs/{run_id}", status=str(status)
        )

    owner = idle_world.new_owner()
    run_id = (await idle_world.accepted(owner, media.wav(), model="long"))["runId"]
    good, refused = answers(200), answers(401)
    await idle_world.get(owner, f"/api/runs/{run_id}")
    await idle_world.http.get(f"/api/runs/{run_id}")
    assert (answers(200), answers(401)) == (good + 1, refused + 1)
