"""An owner may store so much, and have so much audio wait; both are looked at before, while and after the bytes come."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import openai
import pytest
import pytest_asyncio

from lingoloop_common.errors import Problem
from lingoloop_gateway import quotas
from lingoloop_gateway.quotas import HOUR_MS, OwnerLimits, check_queue, check_storage
from tests import media
from tests.gateway.their_client import ask
from tests.gateway.tus_client import TusClient
from tests.gateway.world import World, running_world
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

SIZE = len(media.wav())
ROOM = 3 * SIZE + 100
"""Bytes: for three recordings and no fourth."""

MINUTES = 59
"""Of a recording: one finds room in an hour's queue, two do not."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tight(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """Nothing is done, and few bytes have room."""
    folder = tmp_path_factory.mktemp("tight")
    async with running_world(
        module_database_url,
        folder,
        transcribes=False,
        transcribe_sync_timeout_ms=100,
        owner_storage_bytes=ROOM,
    ) as world:
        yield world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def busy(other_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """Nothing is done, and one hour may wait."""
    folder = tmp_path_factory.mktemp("busy")
    async with running_world(
        other_database_url, folder, transcribes=False, transcribe_sync_timeout_ms=100, owner_queued_hours=1
    ) as world:
        yield world


async def upload(world: World, owner: str, **query: str) -> httpx.Response:
    return await world.post(owner, media.unlike_others(), model="long", **query)


def is_full(answer: httpx.Response) -> bool:
    if answer.status_code != 413:
        return False
    assert answer.json()["code"] == "storage_quota", answer.text
    return True


def is_too_much(answer: httpx.Response) -> bool:
    if answer.status_code != 429:
        return False
    assert (answer.json()["code"], answer.json()["retryAfter"]) == ("queue_quota", 60)
    assert answer.headers["Retry-After"] == "60"
    assert answer.headers["Content-Type"] == "application/problem+json"
    return True


def sound(minutes: int) -> bytes:
    """Return a long recording of no more bytes than it needs."""
    return media.wav(np.zeros(minutes * 60 * 1_000, np.int16), rate=1_000)


class TestStorage:
    async def test_a_full_store_takes_no_more_until_something_is_deleted(self, tight: World) -> None:
        owner = tight.new_owner()
        bodies = [(await upload(tight, owner)).json() for _ in range(3)]
        before = tight.stored()
        assert is_full(await upload(tight, owner))
        assert is_full(await tight.post_form(owner, media.unlike_others(), model="long"))
        assert tight.stored() == before
        await tight.http.delete(f"/api/audios/{bodies[0]['audioId']}", headers=tight.bearer(owner))
        assert (await upload(tight, owner)).status_code == 202

    async def test_owners_are_counted_apart(self, tight: World) -> None:
        owner = tight.new_owner()
        for _ in range(3):
            assert (await upload(tight, owner)).status_code == 202
        assert (await upload(tight, tight.new_owner())).status_code == 202

    async def test_what_is_declared_to_find_no_room_is_refused_before_it_is_sent(self, tight: World) -> None:
        [(name, value)] = tight.bearer(tight.new_owner()).items()
        url = urlsplit(tight.gateway.url)
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        length = ROOM + quotas.FORM + 1
        head = f"POST /api/audios HTTP/1.1\r\nHost: x\r\n{name}: {value}\r\nContent-Length: {length}\r\n\r\n"
        writer.write(head.encode())
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        writer.close()
        assert answer.startswith(b"HTTP/1.1 413 ")

    async def test_what_says_nothing_is_cut_off_where_the_room_ends(
        self, tight: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        owner, most = tight.new_owner(), 0
        watch = quotas.Room.watch

        async def watched(self: quotas.Room, parts: Any) -> AsyncIterator[bytes]:
            nonlocal most
            async for part in watch(self, parts):
                most += len(part)
                yield part

        async def endless() -> AsyncIterator[bytes]:
            for _ in range(100):
                yield bytes(10_000)

        monkeypatch.setattr(quotas.Room, "watch", watched)
        async with tight.leaving_nothing(owner):
            with contextlib.suppress(httpx.WriteError):
                answer = await tight.http.post("/api/audios", content=endless(), headers=tight.bearer(owner))
                assert is_full(answer)
        assert most <= ROOM

    async def test_what_others_send_at_the_same_time_counts_and_then_no_more(self, tight: World) -> None:
        owner, go = tight.new_owner(), asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            yield bytes(2 * SIZE)
            await go.wait()

        posting = asyncio.create_task(
            tight.http.post("/api/audios", content=slow(), headers=tight.bearer(owner))
        )
        await eventually(lambda: any(name.startswith(".writing") for name in tight.stored()))
        await eventually(lambda: self.refuses(tight, owner))
        go.set()
        assert (await posting).json()["code"] == "not_audio"
        for _ in range(2):
            assert (await upload(tight, owner)).status_code == 202

    @staticmethod
    async def refuses(world: World, owner: str) -> bool:
        return (await world.post(owner, bytes(2 * SIZE))).status_code == 413

    async def test_of_many_at_once_no_more_are_accepted_than_find_room(self, tight: World) -> None:
        owner = tight.new_owner()
        answers = await asyncio.gather(*(upload(tight, owner) for _ in range(8)))
        assert sorted(answer.status_code for answer in answers) == [202] * 3 + [413] * 5
        assert await tight.count("audio", owner) == 3

    async def test_two_that_both_look_first_do_not_both_slip_through(
        self, tight: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is looked at before the bytes is no more than that: the accepting transaction decides."""
        owner = tight.new_owner()
        for _ in range(2):
            await upload(tight, owner)
        monkeypatch.setattr(quotas.Room, "watch", lambda self, parts: parts)
        answers = await asyncio.gather(*(upload(tight, owner) for _ in range(2)))
        assert sorted(answer.status_code for answer in answers) == [202, 413]

    async def test_openais_clients_are_told_in_their_shape(self, tight: World) -> None:
        owner = tight.new_owner()
        for _ in range(3):
            await upload(tight, owner)
        with pytest.raises(openai.APIStatusError, match="bytes together") as caught:
            await ask(tight, owner, media.unlike_others())
        assert (caught.value.status_code, caught.value.code) == (413, "storage_quota")

    async def test_a_replay_needs_no_room(self, tight: World) -> None:
        owner = tight.new_owner()
        data = media.unlike_others()
        headers = {**tight.bearer(owner), "Idempotency-Key": "k1"}
        sent: dict[str, Any] = {"content": data, "params": {"model": "long"}, "headers": headers}
        first = await tight.http.post("/api/audios", **sent)
        for _ in range(2):
            await upload(tight, owner)
        assert is_full(await upload(tight, owner))
        again = await tight.http.post("/api/audios", **sent)
        assert (again.status_code, again.json()) == (202, first.json())
        more = await tight.http.post("/api/audios", **{**sent, "content": bytes(SIZE + 1)})
        assert is_full(more), "its key is no way around the limit"


class TestQueue:
    async def test_a_single_recording_always_finds_room_and_the_next_when_it_has_ended(
        self, busy: World
    ) -> None:
        owner = busy.new_owner()
        first = await busy.post(owner, sound(61), force="1")
        assert first.status_code == 202
        assert is_too_much(await busy.post(owner, media.wav()))
        run_id = first.json()["runId"]
        await busy.http.post(f"/api/runs/{run_id}/cancel", headers=busy.bearer(owner))
        assert (await busy.post(owner, media.wav())).status_code == 202

    async def test_what_is_done_waits_no_more(self, busy: World) -> None:
        owner = busy.new_owner()
        await busy.post(owner, sound(MINUTES))
        second = sound(MINUTES - 1)
        assert is_too_much(await busy.post(owner, second))
        done = "UPDATE transcript_run SET done_samples = $2::bigint * 60 * 16000 WHERE owner = $1"
        await busy.database.pool.execute(done, owner, 58)
        assert (await busy.post(owner, second)).status_code == 202

    async def test_of_two_at_once_one_is_accepted(self, busy: World) -> None:
        owner = busy.new_owner()
        answers = await asyncio.gather(
            *(busy.post(owner, sound(MINUTES), force="1", priority=str(n)) for n in range(2))
        )
        assert sorted(answer.status_code for answer in answers) == [202, 429]
        assert await busy.count("audio", owner) == 1

    async def test_another_run_over_a_recording_counts_too_but_not_the_same_again(self, busy: World) -> None:
        owner = busy.new_owner()
        body = (await busy.post(owner, sound(MINUTES))).json()
        target, headers = f"/api/audios/{body['audioId']}/transcribe", busy.bearer(owner)
        assert (await busy.http.post(target, headers=headers)).json()["runId"] == body["runId"]
        other = await busy.http.post(target, params={"language": "de"}, headers=headers)
        assert is_too_much(other)

    async def test_openais_clients_are_told_to_come_back(self, busy: World) -> None:
        owner = busy.new_owner()
        await busy.post(owner, sound(61))
        with pytest.raises(openai.RateLimitError) as caught:
            await ask(busy, owner, media.unlike_others())
        assert caught.value.code == "queue_quota"
        assert caught.value.response.headers["Retry-After"] == "60"


@pytest.mark.parametrize(
    ("limit", "stored", "more", "full"),
    [(0, 10**15, 10**12, False), (10, 4, 6, False), (10, 4, 7, True), (10, 12, 1, True), (10, 12, 0, False)],
)
async def test_the_room_in_storage(limit: int, stored: int, more: int, full: bool) -> None:
    with pytest.raises(Problem, match="bytes together") if full else contextlib.nullcontext():
        check_storage(OwnerLimits(limit, 0), stored, more)


@pytest.mark.parametrize(
    ("limit", "queued", "more", "full"),
    [
        (0, 10**9, HOUR_MS, False),
        (2, 0, 9 * HOUR_MS, False),
        (2, 1, 2 * HOUR_MS, True),
        (2, HOUR_MS, HOUR_MS, False),
        (2, HOUR_MS, HOUR_MS + 1, True),
        (2, 9 * HOUR_MS, 1, True),
    ],
)
async def test_the_room_in_the_queue(limit: int, queued: int, more: int, full: bool) -> None:
    with pytest.raises(Problem, match="of your audio wait") if full else contextlib.nullcontext():
        check_queue(OwnerLimits(0, limit * HOUR_MS), queued, more)


async def test_unfinished_uploads_take_room_as_long_as_they_will_be(tight: World) -> None:
    tus = TusClient(tight)
    talk = media.unlike_others()
    url = await tus.create(len(talk))
    deferred = await tus.create(Upload_Defer_Length="1")
    rest = ROOM - len(talk)
    assert is_full(await tus.post(rest + 1))
    told = {"Upload_Length": str(rest + 1)}
    assert (await tus.patch(deferred, b"", 0, **told)).status_code == 413
    assert (await tus.patch(deferred, b"", 0, Upload_Length=str(rest))).status_code == 204
    assert is_full(await tus.post(1))
    assert (await tus.patch(url, talk, 0)).status_code == 204, "its own room is not taken twice"
    await tus.send("DELETE", deferred)
    assert (await tus.post(rest)).status_code == 201
