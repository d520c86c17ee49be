"""The list of runs: the caller's own, the newest first, page by page."""

import pytest

from tests import media
from tests.gateway.world import World
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_pages_hold_each_run_once_though_new_ones_come(idle_world: World) -> None:
    owner = idle_world.new_owner()
    ids = [(await idle_world.accepted(owner, model="long"))["runId"] for _ in range(5)]
    await idle_world.accepted(idle_world.new_owner(), model="long")
    seen, cursor = [], ""
    while True:
        page = (await idle_world.get(owner, f"/api/runs?limit=2{cursor}")).json()
        seen += [item["id"] for item in page["items"]]
        await idle_world.accepted(owner, model="long")
        if page["nextCursor"] is None:
            break
        cursor = f"&cursor={page['nextCursor']}"
    assert seen == ids[::-1]


async def test_an_item_is_the_run_as_it_shows_itself(idle_world: World) -> None:
    owner = idle_world.new_owner()
    body = await idle_world.accepted(owner, media.wav_of_ms(61_000))
    [item] = (await idle_world.get(owner, "/api/runs")).json()["items"]
    run = (await idle_world.get(owner, f"/api/runs/{body['runId']}")).json()
    ignored = {"timeElapsed", "queuePosition"}
    assert {k: v for k, v in item.items() if k not in ignored} == {
        k: v for k, v in run.items() if k not in ignored
    }


async def test_an_item_says_what_a_list_shows(idle_world: World) -> None:
    owner, sound = idle_world.new_owner(), media.wav_of_ms(61_000)
    await idle_world.post(owner, sound, filename="Talk.wav", language="en")
    [item] = (await idle_world.get(owner, "/api/runs")).json()["items"]
    shown = {
        "filename": "Talk.wav", "sizeBytes": len(sound), "durationMs": 61_000, "status": "queued", "progress": 0,
        "language": "en", "engine": "simulated", "model": None, "error": None, "edited": False,
        "options": {},
        "chunksDone": 0, "estimatedTimeRemaining": None,
    }  # fmt: skip
    assert {name: item[name] for name in shown} == shown

    async def has_a_place() -> bool:
        [item] = (await idle_world.get(owner, "/api/runs")).json()["items"]
        return item["queuePosition"] is not None and item["queuePosition"] >= 1

    await eventually(has_a_place)  # the lane may have been read just before the run came


async def test_a_list_can_be_limited_to_states(idle_world: World) -> None:
    owner = idle_world.new_owner()
    await idle_world.accepted(owner, media.wav_of_ms(61_000))
    await idle_world.fail_plan(owner, "engine_failed", "it broke")
    await idle_world.accepted(owner, media.wav_of_ms(61_000))
    for status, count in (("failed", 1), ("queued", 1), ("queued,failed", 2), ("succeeded", 0)):
        found = (await idle_world.get(owner, f"/api/runs?status={status}")).json()
        assert len(found["items"]) == count, status


@pytest.mark.parametrize(
    "query",
    [
        "status=",
        "status=done",
        "status=queued,",
        "cursor=x",
        "cursor=1.x",
        f"cursor={'9' * 40}.0190a5b2-7c1e-7a3d-9f00-5d2c1b3a4e6f",
        "limit=0",
        "limit=201",
        "limit=99999999999999999999",
    ],
)
async def test_a_list_that_cannot_be_is_refused(idle_world: World, query: str) -> None:
    answer = await idle_world.get(idle_world.new_owner(), f"/api/runs?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_value")


async def test_who_is_not_known_sees_no_list(idle_world: World) -> None:
    for header in (b"", b"Bearer x", b"Bearer llk_x", b"Bearer llk_\xff"):
        answer = await idle_world.http.get("/api/runs", headers=[(b"Authorization", header)])
        assert answer.status_code == 401, header
