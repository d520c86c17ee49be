"""What a run asks of its engine: kept with the run, or refused where the engine cannot do it."""

from typing import Any

import pytest

from lingoloop_common.contracts.engines import Abilities, Ability
from tests import media
from tests.gateway.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

MORE: list[tuple[str, Any]] = [
    ("task", "translate"),
    ("hotwords", "LingoLoop,李白"),
    ("diarize", "true"),
    ("channels", "separate"),
    ("track", "1"),
    ("language", "multi"),
    ("language", "de"),
]


async def announce(world: World, lane: str, abilities: Abilities | None) -> None:
    await world.database.pool.execute(
        "INSERT INTO worker (id, lane, slots, abilities) VALUES (gen_random_uuid(), $1, 0, $2)",
        lane,
        abilities.model_dump(mode="json") if abilities else None,
    )


@pytest.mark.parametrize(("field", "value"), MORE)
async def test_what_an_engine_cannot_do_is_refused_and_those_that_can_are_named(
    idle_world: World, field: str, value: str
) -> None:
    await announce(idle_world, "plain", Abilities(languages=("en",)))
    await announce(idle_world, "gifted", Abilities(can=frozenset(Ability)))
    response = await idle_world.post("ann", media.unlike_others(), engine="plain", **{field: value})
    body = response.json()
    assert (response.status_code, body["code"], list(body["fields"])) == (422, "unsupported", [field])
    assert "these can: gifted" in body["detail"]


async def test_what_it_can_do_is_kept_with_the_run_and_told(idle_world: World) -> None:
    await announce(idle_world, "gifted", Abilities(can=frozenset(Ability)))
    owner = idle_world.new_owner()
    accepted = await idle_world.accepted(
        owner,
        media.unlike_others(),
        engine="gifted",
        model="long",
        task="translate",
        hotwords="one, two",
        channels="separate",
    )
    run = (await idle_world.get(owner, f"/api/runs/{accepted['runId']}")).json()
    assert (run["language"], run["options"]) == (
        None,
        {"task": "translate", "hotwords": ["one", "two"], "channels": "separate"},
    )


async def test_hot_words_with_control_characters_are_kept_without(idle_world: World) -> None:
    await announce(idle_world, "gifted", Abilities(can=frozenset(Ability)))
    owner = idle_world.new_owner()
    await idle_world.accepted(
        owner, media.unlike_others(), engine="gifted", model="long", hotwords="New\0York,\x01"
    )
    row = await idle_world.database.pool.fetchrow(
        "SELECT options FROM transcript_run WHERE owner = $1", owner
    )
    assert row is not None
    assert row["options"] == {"hotwords": ["New York"]}


async def test_another_wish_is_another_run(idle_world: World) -> None:
    await announce(idle_world, "gifted", Abilities(can=frozenset(Ability)))
    owner, sound = idle_world.new_owner(), media.unlike_others()
    runs = [
        (await idle_world.accepted(owner, sound, engine="gifted", model="long", **wishes))["runId"]
        for wishes in (
            {},
            {"hotwords": "one"},
            {"hotwords": ["one"]},
            {"task": "transcribe"},
            {"task": "translate"},
        )
    ]
    assert (runs[0], runs[1]) == (runs[3], runs[2])
    assert len(set(runs)) == 3


async def test_a_worker_that_says_nothing_of_itself_transcribes_and_no_more(idle_world: World) -> None:
    await announce(idle_world, "old", None)
    owner = idle_world.new_owner()
    await idle_world.accepted(owner, media.unlike_others(), engine="old", model="long", language="tlh")
    response = await idle_world.post(owner, media.unlike_others(), engine="old", task="translate")
    assert response.json()["code"] == "unsupported"
