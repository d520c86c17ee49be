"""An owner's recordings: the list page by page, and one with its runs."""

import hashlib
import re

import pytest

from tests import media
from tests.gateway.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_an_audio_shows_what_is_known_of_it_and_its_runs(idle_world: World) -> None:
    owner, data = idle_world.new_owner(), media.wav_of_ms(61_000)
    body = await idle_world.accepted(owner, data, filename="talk.wav")
    audio = (await idle_world.get(owner, f"/api/audios/{body['audioId']}")).json()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", audio.pop("createdAt"))
    assert audio == {
        "id": body["audioId"],
        "filename": "talk.wav",
        "contentType": "application/octet-stream",
        "sizeBytes": len(data),
        "durationMs": 61_000,
        "sha256": hashlib.sha256(data).hexdigest(),
        "metadata": {},
        "runs": [{"id": body["runId"], "status": "queued"}],
    }


async def test_the_newest_hundred_runs_are_named_the_newest_first(idle_world: World) -> None:
    owner = idle_world.new_owner()
    body = await idle_world.accepted(owner, model="long")
    await idle_world.database.pool.execute(
        "INSERT INTO transcript_run (id, audio_id, owner, status, lane, created_at)"
        " SELECT gen_random_uuid(), audio_id, owner, 'succeeded', lane, created_at + number * interval '1 s'"
        " FROM transcript_run, generate_series(1, 100) AS number WHERE id::text = $1",
        body["runId"],
    )
    runs = (await idle_world.get(owner, f"/api/audios/{body['audioId']}")).json()["runs"]
    wanted = await idle_world.database.pool.fetch(
        "SELECT id::text FROM transcript_run WHERE owner = $1 ORDER BY created_at DESC LIMIT 100", owner
    )
    assert [run["id"] for run in runs] == [row["id"] for row in wanted]


async def test_a_length_that_the_file_does_not_tell_is_known_once_it_was_planned(world: World) -> None:
    owner = world.new_owner()
    body = await world.accepted(owner, media.wav_of_ms(61_000))
    await world.finished(owner, body["runId"])
    await world.database.pool.execute("UPDATE audio SET duration_ms = NULL WHERE owner = $1", owner)
    assert (await world.get(owner, f"/api/audios/{body['audioId']}")).json()["durationMs"] == 61_000


async def test_pages_hold_each_audio_once_though_some_come_and_go(idle_world: World) -> None:
    owner = idle_world.new_owner()
    ids = [(await idle_world.accepted(owner, model="long"))["audioId"] for _ in range(5)]
    await idle_world.accepted(idle_world.new_owner(), model="long")
    seen, cursor = [], ""
    while True:
        page = (await idle_world.get(owner, f"/api/audios?limit=2{cursor}")).json()
        seen += [item["id"] for item in page["items"]]
        await idle_world.accepted(owner, model="long")
        if page["nextCursor"] is None:
            break
        cursor = f"&cursor={page['nextCursor']}"
    assert seen == ids[::-1]


async def test_an_item_is_the_audio_as_it_shows_itself(idle_world: World) -> None:
    owner = idle_world.new_owner()
    body = await idle_world.accepted(owner, model="long")
    [item] = (await idle_world.get(owner, "/api/audios")).json()["items"]
    assert item == (await idle_world.get(owner, f"/api/audios/{body['audioId']}")).json()


@pytest.mark.parametrize("query", ["cursor=x", "cursor=1.x", "limit=0", "limit=201", "limit=x"])
async def test_a_list_that_cannot_be_is_refused(idle_world: World, query: str) -> None:
    answer = await idle_world.get(idle_world.new_owner(), f"/api/audios?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_value")
