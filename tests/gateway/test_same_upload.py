"""The same bytes with the same options, by the same owner, are given the run that is there and has not failed."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from lingoloop_gateway import uploads
from lingoloop_gateway.waiting import DoneWaiter
from tests import media
from tests.gateway.their_client import ask, finish, planned
from tests.gateway.world import World, running_world
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The run that each request waits for, as they begin to."""
    begun: list[Any] = []
    until = DoneWaiter.until

    async def noted(self: DoneWaiter, run_id: Any, *arguments: Any, **named: Any) -> bool:
        begun.append(run_id)
        return await until(self, run_id, *arguments, **named)

    monkeypatch.setattr(DoneWaiter, "until", noted)
    return begun


async def delete(world: World, owner: str, audio_id: str) -> httpx.Response:
    return await world.http.delete(f"/api/audios/{audio_id}", headers=world.bearer(owner))


@pytest.mark.parametrize("again", ["raw", "form"])
async def test_a_large_one_is_given_its_run_and_the_new_bytes_are_dropped(
    idle_world: World, again: str
) -> None:
    owner, before = idle_world.new_owner(), idle_world.stored()
    first = await idle_world.post(owner, media.wav(), model="long", language="en")
    post = idle_world.post if again == "raw" else idle_world.post_form
    second = await post(owner, media.wav(), model="long", language="en", priority="7")
    assert (first.status_code, second.status_code) == (202, 200)
    assert second.json() == {**first.json(), "reused": True}
    assert second.headers["Location"] == first.headers["Location"]
    assert await idle_world.count("audio", owner) == await idle_world.count("transcript_run", owner) == 1
    assert len(idle_world.stored() - before) == 1


async def test_a_small_one_is_answered_with_its_words_again(world: World) -> None:
    owner = world.new_owner()
    first, second = [(await world.post(owner, media.wav())).json() for _ in range(2)]
    assert second == {**first, "reused": True}


async def test_a_small_one_waits_for_the_end_like_the_first(
    migrated_url: str, own_folder: Path, waiting: list[Any]
) -> None:
    async with running_world(migrated_url, own_folder, transcribes=False) as world:
        first = asyncio.create_task(world.post("ann", media.wav()))
        run_id = await planned(world, "ann", 1)
        second = asyncio.create_task(world.post("ann", media.wav()))
        await eventually(lambda: waiting == [run_id] * 2)
        assert not second.done()
        await finish(world, run_id, 0, "at last")
        assert [(await answer).json()["text"] for answer in (first, second)] == ["at last"] * 2


OTHERS: dict[str, dict[str, Any]] = {
    "other bytes": {"data": media.wav_of_ms(1_000)},
    "another language": {"language": "de"},
    "another lane": {"engine": "other"},
    "force": {"force": "1"},
}


@pytest.mark.parametrize("what", OTHERS)
async def test_what_differs_or_is_forced_is_another_run(idle_world: World, what: str) -> None:
    owner = idle_world.new_owner()
    await idle_world.database.pool.execute(
        "INSERT INTO worker (id, lane, slots) SELECT gen_random_uuid(), 'other', 1"
    )
    first = await idle_world.accepted(owner, media.wav(), model="long")
    other = {"data": media.wav(), "model": "long", **OTHERS[what]}
    if "engine" in other:
        del other["model"]
    second = await idle_world.accepted(owner, **other)
    assert "reused" not in second
    assert second["runId"] != first["runId"]


async def test_another_owner_is_given_a_run_of_their_own(idle_world: World) -> None:
    first, second = [
        await idle_world.accepted(idle_world.new_owner(), media.wav(), model="long") for _ in range(2)
    ]
    assert "reused" not in second
    assert second["runId"] != first["runId"]


async def test_a_run_that_failed_is_not_given_again(idle_world: World) -> None:
    owner = idle_world.new_owner()
    first = await idle_world.accepted(owner, media.wav(), model="long")
    await idle_world.fail_plan(owner, "engine_failed", "it broke")
    second = await idle_world.accepted(owner, media.wav(), model="long")
    assert second["runId"] != first["runId"]


async def test_of_equal_ones_at_once_one_begins(idle_world: World) -> None:
    owner, before = idle_world.new_owner(), idle_world.stored()
    answers = await asyncio.gather(*(idle_world.post(owner, media.wav(), model="long") for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [202]
    assert len({answer.json()["runId"] for answer in answers}) == 1
    await eventually(lambda: len(idle_world.stored() - before) == 1)
    assert await idle_world.count("unit", owner) == 1


async def test_the_newest_run_is_given_and_also_one_that_was_asked_for_by_transcribe(
    idle_world: World,
) -> None:
    owner = idle_world.new_owner()
    first = await idle_world.accepted(owner, media.wav(), model="long")
    target = f"/api/audios/{first['audioId']}/transcribe"
    asked = {"model": "long", "language": "de"}
    other = await idle_world.http.post(target, params=asked, headers=idle_world.bearer(owner))
    again = await idle_world.accepted(owner, media.wav(), **asked)
    assert (again["runId"], again["reused"]) == (other.json()["runId"], True)


async def test_openais_clients_share_it_too(idle_world: World, waiting: list[Any]) -> None:
    owner = idle_world.new_owner()
    asking = [asyncio.create_task(ask(idle_world, owner)) for _ in range(3)]
    run_id = await planned(idle_world, owner, 1)
    await eventually(lambda: waiting == [run_id] * 3)
    await finish(idle_world, run_id, 0, "at last")
    assert [(await task).text for task in asking] == ["at last"] * 3
    assert await idle_world.count("transcript_run", owner) == 1


class TestDeletedAtThatMoment:
    async def test_before_it_is_given_another_begins(self, idle_world: World) -> None:
        """The deletion has locked the recording when the same comes again."""
        owner = idle_world.new_owner()
        first = await idle_world.accepted(owner, media.wav(), model="long")
        async with idle_world.database.pool.acquire() as connection:
            deletion = connection.transaction()
            await deletion.start()
            await connection.execute("DELETE FROM run_event WHERE owner = $1", owner)
            for table in ("unit", "job"):
                await connection.execute(f"DELETE FROM {table} WHERE run_id::text = $1", first["runId"])
            await connection.execute("DELETE FROM transcript_run WHERE owner = $1", owner)
            await connection.execute("DELETE FROM audio WHERE owner = $1", owner)
            again = asyncio.create_task(idle_world.post(owner, media.wav(), model="long"))
            await eventually(idle_world.waits_for_locks)
            await deletion.commit()
        answer = await again
        assert answer.status_code == 202, answer.text
        assert answer.json()["runId"] != first["runId"]

    async def test_after_it_is_given_nothing_is_waited_for(
        self, idle_world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        owner = idle_world.new_owner()
        first = await idle_world.accepted(owner, media.wav(), model="long")
        accept = uploads.Uploads.accept

        async def accept_and_delete(self: Any, *arguments: Any) -> Any:
            accepted = await accept(self, *arguments)
            await delete(idle_world, owner, first["audioId"])
            return accepted

        monkeypatch.setattr(uploads.Uploads, "accept", accept_and_delete)
        for query in ({}, {"model": "long"}):
            assert (await idle_world.post(owner, media.wav(), **query)).status_code == 404
            monkeypatch.setattr(uploads.Uploads, "accept", accept)
            first = await idle_world.accepted(owner, media.wav(), model="long")
            monkeypatch.setattr(uploads.Uploads, "accept", accept_and_delete)
