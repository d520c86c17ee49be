"""`Idempotency-Key`: the same request again is given the first answer, and nothing is made twice, whatever dies."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from asyncpg.exceptions import ConnectionDoesNotExistError

from tests import media
from tests.gateway.their_client import PATH, finish, planned
from tests.gateway.world import World, running_world

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONG: dict[str, Any] = {"model": "long", "force": "1"}
"""Not given the run that is there for being the same, so that only the key can find it."""


def keyed(world: World, owner: str, key: str = "k1") -> dict[str, str]:
    return {**world.bearer(owner), "Idempotency-Key": key}


async def upload(
    world: World, owner: str, data: bytes | None = None, *, key: str = "k1", form: bool = False, **query: str
) -> httpx.Response:
    data = media.wav() if data is None else data
    body: dict[str, Any] = {"files": {"file": ("a.wav", data)}} if form else {"content": data}
    return await world.http.post("/api/audios", params=query, headers=keyed(world, owner, key), **body)


def told(answer: httpx.Response) -> tuple[int, bytes, str | None]:
    return answer.status_code, answer.content, answer.headers.get("Location")


def is_replay(answer: httpx.Response) -> bool:
    return bool(answer.headers.get("Idempotent-Replayed") == "true")


@pytest.mark.parametrize("form", [False, True])
async def test_the_first_answer_is_given_again_also_when_the_run_has_ended(
    idle_world: World, form: bool
) -> None:
    owner, before = idle_world.new_owner(), idle_world.stored()
    first = await upload(idle_world, owner, form=form, **LONG)
    await idle_world.fail_plan(owner, "engine_failed", "it broke")
    second = await upload(idle_world, owner, form=form, **LONG)
    assert told(second) == told(first)
    assert (first.status_code, first.json()["status"]) == (202, "queued")
    assert (is_replay(first), is_replay(second)) == (False, True)
    assert await idle_world.count("transcript_run", owner) == 1
    assert len(idle_world.stored() - before) == 1


async def test_a_small_one_is_answered_with_its_words_again(world: World) -> None:
    owner = world.new_owner()
    first, second = [await upload(world, owner, force="1") for _ in range(2)]
    assert told(second) == told(first)
    assert is_replay(second)
    assert second.json()["text"] == "simulated 0.0"
    assert await world.count("audio", owner) == 1
    kept = "SELECT answer IS NULL FROM idempotency_key WHERE owner = $1"
    assert await world.database.pool.fetchval(kept, owner), "words are not kept beside the key"


async def test_one_that_failed_has_failed_again_though_the_run_is_tried_again(
    migrated_url: str, own_folder: Path
) -> None:
    async with running_world(migrated_url, own_folder, transcribes=False) as world:
        posting = asyncio.create_task(upload(world, "ann"))
        await world.fail_plan("ann", "not_audio", "nothing in it can be decoded")
        first = await posting
        assert (first.status_code, first.json()["code"]) == (422, "run_failed")
        run_id = first.json()["runId"]
        retry = await world.http.post(f"/api/runs/{run_id}/retry", headers=world.bearer("ann"))
        assert retry.status_code == 202
        second = await upload(world, "ann")
        assert told(second) == told(first)
        assert second.headers["Content-Type"] == "application/problem+json"
        assert await world.count("transcript_run", "ann") == 1


async def test_while_the_first_works_the_second_waits_for_the_same_run(
    migrated_url: str, own_folder: Path
) -> None:
    async with running_world(migrated_url, own_folder, transcribes=False) as world:
        trying = [asyncio.create_task(upload(world, "ann", force="1")) for _ in range(4)]
        run_id = await planned(world, "ann", 1)
        await finish(world, run_id, 0, "at last")
        answers = [await task for task in trying]
        assert {answer.json()["text"] for answer in answers} == {"at last"}
        assert {answer.json()["runId"] for answer in answers} == {str(run_id)}
        assert sorted(map(is_replay, answers)) == [False, True, True, True]
        assert await world.count("audio", "ann") == 1


async def test_after_the_first_gateway_died_another_answers_like_it_would_have(
    migrated_url: str, own_folder: Path
) -> None:
    async with running_world(migrated_url, own_folder, transcribes=False) as world:
        small = asyncio.create_task(upload(world, "ann", force="1"))
        run_id = await planned(world, "ann", 1)
        small.cancel()  # its gateway is gone before it could answer
        await asyncio.wait([small])
        await world.gateway.stop()
    async with running_world(migrated_url, own_folder, transcribes=False) as world:
        again = asyncio.create_task(upload(world, "ann", force="1"))
        await finish(world, run_id, 0, "at last")
        assert (await again).json()["text"] == "at last"
        assert is_replay(await again)


async def test_a_commit_whose_answer_is_lost_is_found_by_the_next_try(
    idle_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(*_: Any) -> None:
        raise ConnectionDoesNotExistError("the process that would have answered died")

    owner = idle_world.new_owner()
    with monkeypatch.context() as patch:
        patch.setattr("lingoloop_gateway.server.Server._accepted", lost)
        assert (await upload(idle_world, owner, **LONG)).status_code == 503
    second = await upload(idle_world, owner, **LONG)
    assert (second.status_code, is_replay(second)) == (202, True)
    assert await idle_world.count("transcript_run", owner) == 1
    assert told(await upload(idle_world, owner, **LONG)) == told(second)


async def test_a_transaction_that_fails_leaves_no_key(
    idle_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise ValueError("no event today")

    owner = idle_world.new_owner()
    with monkeypatch.context() as patch:
        patch.setattr("lingoloop_common.contracts.events.routing_key", broken)
        assert (await upload(idle_world, owner, **LONG)).status_code == 500
    assert await idle_world.count("idempotency_key", owner) == 0
    answer = await upload(idle_world, owner, **LONG)
    assert (answer.status_code, is_replay(answer)) == (202, False)


REFUSED: dict[str, Any] = {
    "no recording": {"data": b"no recording at all", "model": "long"},
    "a wrong option": {"language": "no language at all!"},
    "an unknown lane": {"engine": "nosuch"},
}


@pytest.mark.parametrize("why", REFUSED)
async def test_what_was_refused_is_not_kept(idle_world: World, why: str) -> None:
    owner = idle_world.new_owner()
    assert (await upload(idle_world, owner, **REFUSED[why])).status_code == 422
    assert await idle_world.count("idempotency_key", owner) == 0
    assert (await upload(idle_world, owner, **LONG)).status_code == 202


OTHERS: dict[str, Any] = {
    "other bytes": {"data": media.wav_of_ms(500), **LONG},
    "other options": {**LONG, "language": "de"},
    "without force": {"model": "long"},
}


@pytest.mark.parametrize("what", OTHERS)
async def test_with_another_request_the_key_is_refused_by_name_and_nothing_is_kept(
    idle_world: World, what: str
) -> None:
    owner = idle_world.new_owner()
    await upload(idle_world, owner, **LONG)
    before = idle_world.stored()
    answer = await upload(idle_world, owner, **OTHERS[what])
    body = answer.json()
    assert (answer.status_code, body["code"], set(body["fields"])) == (
        422,
        "invalid_value",
        {"Idempotency-Key"},
    )
    assert idle_world.stored() == before
    assert await idle_world.count("transcript_run", owner) == 1


async def test_a_key_is_for_one_path_and_one_owner(idle_world: World) -> None:
    owner, other = idle_world.new_owner(), idle_world.new_owner()
    first = (await upload(idle_world, owner, **LONG)).json()
    ticket = {"path": f"/api/runs/{first['runId']}/events"}
    answer = await idle_world.http.post("/api/tickets", json=ticket, headers=keyed(idle_world, owner))
    assert answer.status_code == 422
    assert not is_replay(await upload(idle_world, other, **LONG))


@pytest.mark.parametrize("key", ["", "k" * 256, "schlüssel", "tab\tbed"])
@pytest.mark.parametrize("path", ["/api/audios", "/api/tickets", PATH])
async def test_a_key_is_1_to_255_printable_characters(idle_world: World, key: str, path: str) -> None:
    owner = idle_world.new_owner()
    headers: Any = {**idle_world.bearer(owner), b"Idempotency-Key": key.encode()}
    file = {"file": ("a.wav", media.wav())}
    sent: Any = {"json": {"path": "/api/x"}} if path == "/api/tickets" else {"files": file}
    answer = await idle_world.http.post(path, headers=headers, **sent)
    assert answer.status_code == (400 if path == PATH else 422)
    assert "Idempotency-Key" in answer.text
    assert await idle_world.count("audio", owner) == 0


async def test_the_longest_key_is_taken(idle_world: World) -> None:
    assert (await upload(idle_world, idle_world.new_owner(), key="~" * 255, **LONG)).status_code == 202


async def test_another_run_over_a_recording_is_begun_once(idle_world: World) -> None:
    owner = idle_world.new_owner()
    body = await idle_world.accepted(owner, model="long")
    target, asked = f"/api/audios/{body['audioId']}/transcribe", {"model": "long", "force": True}
    headers = keyed(idle_world, owner)
    answers = await asyncio.gather(
        *(idle_world.http.post(target, json=asked, headers=headers) for _ in range(3))
    )
    assert len({told(answer) for answer in answers}) == 1
    assert answers[0].status_code == 202
    assert sorted(map(is_replay, answers)) == [False, True, True]
    assert await idle_world.count("transcript_run", owner) == 2
    other = await idle_world.http.post(target, json={**asked, "language": "de"}, headers=headers)
    assert other.status_code == 422


async def test_a_ticket_is_made_once(idle_world: World) -> None:
    owner = idle_world.new_owner()
    answers = await asyncio.gather(
        *(
            idle_world.http.post("/api/tickets", json={"path": "/api/x"}, headers=keyed(idle_world, owner))
            for _ in range(3)
        )
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["ticket"] for answer in answers}) == 1
    assert sorted(map(is_replay, answers)) == [False, True, True]
    assert await idle_world.count("ticket", owner) == 1
    other = await idle_world.http.post(
        "/api/tickets", json={"path": "/api/y"}, headers=keyed(idle_world, owner)
    )
    assert other.status_code == 422


async def test_a_ticket_can_be_told_again_but_not_by_what_is_kept(idle_world: World) -> None:
    owner, asked = idle_world.new_owner(), {"path": "/api/runs/events"}
    headers = keyed(idle_world, owner)
    first, second = [
        await idle_world.http.post("/api/tickets", json=asked, headers=headers) for _ in range(2)
    ]
    assert told(second) == told(first)
    ticket = first.json()["ticket"]
    async with idle_world.http.stream("GET", "/api/runs/events", params={"access_token": ticket}) as opened:
        assert opened.status_code == 200
    kept = await idle_world.database.pool.fetchval(
        "SELECT k::text FROM idempotency_key k WHERE owner = $1", owner
    )
    assert asked["path"] in kept
    assert ticket.removeprefix("llt_") not in kept


async def test_of_a_ticket_the_token_is_part_of_the_request(idle_world: World) -> None:
    owner = idle_world.new_owner()
    sent: dict[str, Any] = {"json": {"path": "/api/runs/events"}}
    await idle_world.http.post("/api/tickets", headers=keyed(idle_world, owner), **sent)
    other = {**keyed(idle_world, owner), **idle_world.bearer(owner, "runs:read")}
    answer = await idle_world.http.post("/api/tickets", headers=other, **sent)
    assert (answer.status_code, set(answer.json()["fields"])) == (422, {"Idempotency-Key"})


@pytest.mark.parametrize("fields", [{}, {"response_format": "srt"}, {"stream": "true"}])
async def test_openais_api_gives_the_same_transcript_again(world: World, fields: dict[str, str]) -> None:
    owner = world.new_owner()
    data, file = {"model": "whisper-1", **fields}, {"file": ("a.wav", media.wav_of_ms(12_000))}
    answers = [
        await world.http.post(PATH, data=data, files=file, headers=keyed(world, owner)) for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert "simulated 10.0" in answers[0].text
    if not fields.get("stream"):
        assert answers[0].content == answers[1].content
    assert answers[1].headers["Lingoloop-Run-Id"] == answers[0].headers["Lingoloop-Run-Id"]
    assert list(map(is_replay, answers)) == [False, True]
    other = await world.http.post(
        PATH, data={**data, "language": "de"}, files=file, headers=keyed(world, owner)
    )
    assert (other.status_code, other.json()["error"]["param"]) == (400, "Idempotency-Key")


async def test_openais_api_fails_again_where_the_run_did(idle_world: World) -> None:
    owner = idle_world.new_owner()
    data, file = {"model": "whisper-1"}, {"file": ("a.wav", media.wav())}
    sent: dict[str, Any] = {"data": data, "files": file, "headers": keyed(idle_world, owner)}
    first = asyncio.create_task(idle_world.http.post(PATH, **sent))
    await idle_world.fail_plan(owner, "not_audio", "nothing in it can be decoded")
    second = await idle_world.http.post(PATH, **sent)
    assert told(second) == told(await first)
    assert (second.status_code, is_replay(second)) == (400, True)


async def test_what_was_deleted_is_404_and_not_made_again(world: World) -> None:
    owner = world.new_owner()
    body = (await upload(world, owner)).json()
    await world.http.delete(f"/api/audios/{body['audioId']}", headers=world.bearer(owner))
    assert (await upload(world, owner)).status_code == 404
    assert await world.count("audio", owner) == 0


async def test_after_24_hours_a_key_is_new_again(idle_world: World) -> None:
    owner = idle_world.new_owner()
    age = "UPDATE idempotency_key SET created_at = now() - make_interval(secs => $2) WHERE owner = $1"
    await upload(idle_world, owner, **LONG)
    await idle_world.database.pool.execute(age, owner, 86_390.0)
    assert is_replay(await upload(idle_world, owner, **LONG))
    await idle_world.database.pool.execute(age, owner, 86_410.0)
    answer = await upload(idle_world, owner, **{**LONG, "language": "de"})
    assert (answer.status_code, is_replay(answer)) == (202, False)
    assert is_replay(await upload(idle_world, owner, **{**LONG, "language": "de"}))
