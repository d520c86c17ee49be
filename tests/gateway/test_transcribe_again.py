"""`POST /api/audios/{id}/transcribe`: another run over the same recording, or the one that is there already."""

import asyncio
from typing import Any

import httpx
import pytest

from tests import media
from tests.gateway.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def again(world: World, owner: str, audio_id: str, body: Any = None, **query: str) -> httpx.Response:
    target = f"/api/audios/{audio_id}/transcribe"
    return await world.http.post(
        target, params=query, headers=world.bearer(owner), **({} if body is None else {"json": body})
    )


async def runs(world: World, owner: str, audio_id: str) -> list[str]:
    audio = (await world.get(owner, f"/api/audios/{audio_id}")).json()
    return [run["id"] for run in audio["runs"]]


async def test_other_options_give_another_run_over_the_same_bytes(world: World) -> None:
    owner = world.new_owner()
    first = await world.accepted(owner, media.wav_of_ms(61_000), language="en")
    answer = await again(world, owner, first["audioId"], {"language": "de"})
    second = answer.json()
    assert (answer.status_code, answer.headers["Location"]) == (202, f"/api/runs/{second['runId']}")
    assert set(second) == {"audioId", "runId", "jobId", "status", "queued"}
    assert await runs(world, owner, first["audioId"]) == [second["runId"], first["runId"]]
    for body, language in ((first, "en"), (second, "de")):
        run = await world.finished(owner, body["runId"])
        assert (run["status"], run["language"]) == ("succeeded", language)
    assert await world.count("audio", owner) == 1


async def test_a_small_recording_is_answered_with_its_words_also_the_second_time(world: World) -> None:
    owner = world.new_owner()
    first = await world.accepted(owner, media.wav_of_ms(12_000))
    for query, reused in (({"language": "de"}, None), ({"language": "de"}, True)):
        answer = await again(world, owner, first["audioId"], **query)
        body = answer.json()
        assert (answer.status_code, body["status"], body.get("reused")) == (200, "succeeded", reused)
        assert body["text"] == "simulated 0.0 simulated 5.0 simulated 10.0"


async def test_texts_without_spaces_are_joined_without(world: World) -> None:
    owner = world.new_owner()
    first = await world.accepted(owner, media.wav_of_ms(12_000))
    texts = "UPDATE segment SET text = (ARRAY['你好。', '再见。', 'Bye.'])[index % 3 + 1] WHERE run_id = $1"
    await world.database.pool.execute(texts, first["runId"])
    assert (await again(world, owner, first["audioId"])).json()["text"] == "你好。再见。 Bye."


async def test_the_same_options_give_the_run_that_is_there(idle_world: World) -> None:
    owner = idle_world.new_owner()
    first = await idle_world.accepted(owner, model="long", language="en")
    for body in (
        {"language": "en"},
        {"language": "en", "priority": 5},
        {"language": "en", "engine": "simulated"},
    ):
        answer = await again(idle_world, owner, first["audioId"], body, model="long")
        assert answer.status_code == 200
        assert answer.json() == {**first, "reused": True}
        assert answer.headers["Location"] == f"/api/runs/{first['runId']}"
    assert await runs(idle_world, owner, first["audioId"]) == [first["runId"]]


async def test_one_that_has_ended_is_not_called_queued(world: World) -> None:
    owner = world.new_owner()
    first = await world.accepted(owner, media.wav_of_ms(61_000))
    await world.finished(owner, first["runId"])
    body = (await again(world, owner, first["audioId"])).json()
    assert body == {**first, "status": "succeeded", "queued": False, "reused": True}


async def test_a_language_that_was_found_is_not_one_that_was_asked_for(idle_world: World) -> None:
    owner = idle_world.new_owner()
    first = await idle_world.accepted(owner, model="long")
    await idle_world.database.pool.execute(
        "UPDATE transcript_run SET language = 'de' WHERE owner = $1", owner
    )
    same = (await again(idle_world, owner, first["audioId"], model="long")).json()
    other = (await again(idle_world, owner, first["audioId"], model="long", language="de")).json()
    assert (same["runId"], same["reused"]) == (first["runId"], True)
    assert other["runId"] != first["runId"]


async def test_force_gives_another_run_of_the_same(idle_world: World) -> None:
    owner = idle_world.new_owner()
    first = await idle_world.accepted(owner, model="long")
    for body, query in (({"force": True}, {}), (None, {"force": "1"})):
        answer = await again(idle_world, owner, first["audioId"], body, model="long", **query)
        assert (answer.status_code, answer.json().get("reused")) == (202, None)
    assert len(await runs(idle_world, owner, first["audioId"])) == 3


async def test_a_run_that_failed_is_not_given_again(idle_world: World) -> None:
    owner = idle_world.new_owner()
    first = await idle_world.accepted(owner, model="long")
    await idle_world.fail_plan(owner, "engine_failed", "it broke")
    second = (await again(idle_world, owner, first["audioId"], model="long")).json()
    assert second["runId"] != first["runId"]
    assert "reused" not in second


async def test_of_several_at_once_one_is_begun(idle_world: World) -> None:
    owner = idle_world.new_owner()
    first = await idle_world.accepted(owner, model="long")
    asked = {"model": "long", "language": "de"}
    answers = await asyncio.gather(*(again(idle_world, owner, first["audioId"], **asked) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 200, 202]
    assert len({answer.json()["runId"] for answer in answers}) == 1


@pytest.mark.parametrize(
    ("content", "query", "status", "code"),
    [
        (b"{", {}, 400, "bad_request"),
        (b"\xff", {}, 400, "bad_request"),
        (b"[]", {}, 422, "invalid_value"),
        (b'{"language": 5}', {}, 422, "invalid_value"),
        (b'{"filename": "x"}', {}, 422, "invalid_value"),
        (b"", {"force": "maybe"}, 422, "invalid_value"),
        (b"", {"engine": "nobody"}, 422, "unknown_lane"),
    ],
)
async def test_what_cannot_be_is_refused_and_begins_nothing(
    idle_world: World, content: bytes, query: dict[str, str], status: int, code: str
) -> None:
    owner = idle_world.new_owner()
    first = await idle_world.accepted(owner, model="long")
    answer = await idle_world.http.post(
        f"/api/audios/{first['audioId']}/transcribe",
        content=content,
        params=query,
        headers=idle_world.bearer(owner),
    )
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await runs(idle_world, owner, first["audioId"]) == [first["runId"]]


async def test_what_was_deleted_cannot_be_transcribed(idle_world: World) -> None:
    owner = idle_world.new_owner()
    first = await idle_world.accepted(owner, model="long")
    await idle_world.http.delete(f"/api/audios/{first['audioId']}", headers=idle_world.bearer(owner))
    assert (await again(idle_world, owner, first["audioId"])).status_code == 404
