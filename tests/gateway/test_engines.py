"""`GET /api/engines`: what an upload may choose, what each can, and whether anybody is there to do it."""

from pathlib import Path
from typing import Any

import pytest

from tests.gateway.world import World, running_world
from tests.rows import add_worker


async def engines(world: World) -> dict[str, Any]:
    answer = await world.get("ann", "/api/engines")
    assert answer.status_code == 200
    body: dict[str, Any] = answer.json()
    return body


@pytest.fixture
async def own_world(migrated_url: str, own_folder: Path) -> Any:
    async with running_world(migrated_url, own_folder, transcribes=False, model="base") as world:
        await world.database.pool.execute("DELETE FROM worker")
        yield world


async def offer(world: World, lane: str, abilities: dict[str, list[str]] | None, **given: Any) -> None:
    worker_id = await add_worker(world.database.pool, lane=lane, **given)
    await world.database.pool.execute("UPDATE worker SET abilities = $2 WHERE id = $1", worker_id, abilities)


async def test_before_any_worker_came_there_is_only_the_default(own_world: World) -> None:
    assert await engines(own_world) == {"default": {"engine": "simulated", "model": "base"}, "items": []}


async def test_each_lane_is_there_once_with_what_its_last_worker_can(own_world: World) -> None:
    old, new = {"can": [], "languages": ["en"]}, {"can": ["track", "diarize"], "languages": ["en", "zh"]}
    await offer(own_world, "whisper.base", old, lease=None)
    await offer(own_world, "whisper.base", new)
    await offer(own_world, "simulated", None, lease=None)
    await offer(own_world, "openai.whisper-1", {"can": ["translate"]}, lease=-1)
    items = (await engines(own_world))["items"]
    assert items == [
        {
            "engine": "openai", "model": "whisper-1", "lane": "openai.whisper-1",
            "languages": None, "can": ["translate"], "alive": False,
        },
        {"engine": "simulated", "model": None, "lane": "simulated", "languages": None, "can": [], "alive": False},
        {
            "engine": "whisper", "model": "base", "lane": "whisper.base",
            "languages": ["en", "zh"], "can": ["diarize", "track"], "alive": True,
        },
    ]  # fmt: skip


async def test_a_lane_is_alive_as_long_as_one_of_its_workers_is(own_world: World) -> None:
    await offer(own_world, "simulated", None)
    await offer(own_world, "simulated", None, lease=None)
    assert [item["alive"] for item in (await engines(own_world))["items"]] == [True]


async def test_a_real_worker_tells_what_it_can(migrated_url: str, own_folder: Path) -> None:
    async with running_world(migrated_url, own_folder) as world:
        [item] = (await engines(world))["items"]
    assert (item["engine"], item["alive"]) == ("simulated", True)
    assert set(item["can"]) <= {"multi", "translate", "hotwords", "diarize", "channels", "track"}
