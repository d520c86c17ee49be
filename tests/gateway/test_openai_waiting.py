"""OpenAI's clients wait for a run's end, or hear its words as they come; however long that takes, and whatever happens."""

import asyncio
import contextlib
import json
import socket
import time
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from aiohttp import web

from lingoloop_common.http import HttpServer
from lingoloop_gateway import openai_api
from lingoloop_gateway.runs import Runs
from tests import media
from tests.gateway.their_client import PATH, TEXT, TWELVE_SECONDS, ask, client, finish, heard, planned
from tests.gateway.world import World, running_world
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signs of life come after moments."""
    monkeypatch.setattr(openai_api, "PATIENCE", 0.05)
    monkeypatch.setattr(openai_api, "HEARTBEAT", 0.05)


class Told:
    """What their client hears of a stream, while it runs."""

    def __init__(self, world: World, owner: str) -> None:
        self.events: list[Any] = []
        self.task = asyncio.create_task(self._listen(world, owner))

    async def _listen(self, world: World, owner: str) -> None:
        async with client(world, owner) as theirs:
            given: dict[str, Any] = {"file": ("talk.wav", media.wav()), "model": "whisper-1"}
            async for event in await theirs.audio.transcriptions.create(stream=True, **given):
                self.events.append(event)

    def deltas(self) -> list[str]:
        return [event.delta for event in self.events if event.type == "transcript.text.delta"]

    async def until(self, *deltas: str) -> None:
        await eventually(lambda: self.deltas() == list(deltas))


class TestStream:
    @pytest.mark.parametrize("fields", [{}, {"response_format": "text"}, {"model": "simulated"}])
    async def test_words_are_told_and_then_all_of_them(self, world: World, fields: dict[str, Any]) -> None:
        *deltas, done = await heard(world, world.new_owner(), **fields)
        assert [event.type for event in deltas] == ["transcript.text.delta"] * 3
        assert "".join(event.delta for event in deltas) == TEXT
        assert (done.type, done.text) == ("transcript.text.done", TEXT)

    async def test_words_come_as_soon_as_all_before_them_are_there_and_in_order(
        self, idle_world: World
    ) -> None:
        owner = idle_world.new_owner()
        told = Told(idle_world, owner)
        run_id = await planned(idle_world, owner, 4)
        await finish(idle_world, run_id, 0, "zero")
        await told.until("zero")
        await finish(idle_world, run_id, 2, "two")
        await finish(idle_world, run_id, 1, "one")
        await told.until("zero", " one", " two")
        assert not told.task.done()
        await finish(idle_world, run_id, 3, "three")
        await told.task
        assert told.deltas() == ["zero", " one", " two", " three"]
        assert told.events[-1].text == "zero one two three"

    @pytest.mark.usefixtures("hasty")
    async def test_nothing_is_told_before_what_comes_first(self, idle_world: World) -> None:
        owner = idle_world.new_owner()
        told = Told(idle_world, owner)
        run_id = await planned(idle_world, owner, 3)
        await finish(idle_world, run_id, 2, "two")
        await finish(idle_world, run_id, 1, "one")
        await asyncio.sleep(0.3)  # comments come meanwhile, and nothing else may
        assert told.events == []
        await finish(idle_world, run_id, 0, "zero")
        await told.task
        assert told.deltas() == ["zero", " one", " two"]

    async def test_pages_of_words_are_told_to_their_end(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("lingoloop_gateway.runs.PAGE", 2)
        monkeypatch.setattr(openai_api, "PAGE", 2)
        *deltas, done = await heard(world, world.new_owner())
        assert "".join(event.delta for event in deltas) == done.text == TEXT

    async def test_a_run_that_fails_on_the_way_ends_the_stream_with_its_cause(
        self, idle_world: World
    ) -> None:
        owner = idle_world.new_owner()
        told = Told(idle_world, owner)
        run_id = await planned(idle_world, owner, 2)
        await finish(idle_world, run_id, 0, "zero")
        await told.until("zero")
        await idle_world.database.pool.execute(
            "UPDATE transcript_run SET units_left = 2 WHERE id = $1", run_id
        )
        await idle_world.fail_plan(owner, "engine_failed", "it broke")
        await finish(idle_world, run_id, 1, "one")
        with pytest.raises(openai.APIError, match="it broke") as caught:
            await told.task
        assert (caught.value.code, caught.value.type) == ("engine_failed", "server_error")
        assert all(event.type == "transcript.text.delta" for event in told.events)

    async def test_a_stream_says_that_proxies_should_not_hold_it_back(self, world: World) -> None:
        headers, file = world.bearer(world.new_owner()), {"file": ("a.wav", TWELVE_SECONDS)}
        fields = {"model": "whisper-1", "stream": "true"}
        answer = await world.http.post(PATH, data=fields, files=file, headers=headers)
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert (answer.headers["Cache-Control"], answer.headers["X-Accel-Buffering"]) == ("no-store", "no")


FAILURES = [
    ("not_audio", openai.BadRequestError, 400, "file"),
    ("unknown_language", openai.BadRequestError, 400, "language"),
    ("engine_failed", openai.InternalServerError, 500, None),
]


class TestWaiting:
    @pytest.mark.parametrize("fields", [{}, {"response_format": "vtt"}, {"stream": True}])
    @pytest.mark.parametrize(("code", "error", "status", "param"), FAILURES)
    async def test_a_run_that_fails_is_told_by_a_status_and_not_sent_again(
        self, idle_world: World, code: str, error: type[openai.APIStatusError], status: int, param: str | None,
        fields: dict[str, Any],
    ) -> None:  # fmt: skip
        owner = idle_world.new_owner()
        async with client(idle_world, owner, max_retries=2) as theirs:
            asking = theirs.audio.transcriptions.create(
                file=("a.wav", media.wav()), model="whisper-1", **fields
            )
            task = asyncio.ensure_future(asking)
            await idle_world.fail_plan(owner, code, "it broke")
            with pytest.raises(error, match="it broke") as caught:
                await task
        assert (caught.value.status_code, caught.value.code, caught.value.param) == (status, code, param)
        assert caught.value.request_id
        assert await idle_world.count("transcript_run", owner) == 1

    @pytest.mark.parametrize("name", ["json", "verbose_json"])
    @pytest.mark.usefixtures("hasty")
    async def test_a_long_wait_for_json_is_filled_with_spaces(self, idle_world: World, name: str) -> None:
        owner = idle_world.new_owner()
        async with self.raw(idle_world, owner, response_format=name) as answer:
            parts = answer.aiter_raw()
            assert [await anext(parts) for _ in range(3)] == [b" "] * 3
            run_id = await planned(idle_world, owner, 1)
            assert answer.headers["Lingoloop-Run-Id"] == str(run_id)
            await finish(idle_world, run_id, 0, "at last")
            assert json.loads(b"".join([part async for part in parts]))["text"] == "at last"

    @pytest.mark.usefixtures("hasty")
    async def test_their_client_reads_what_was_waited_for(self, idle_world: World) -> None:
        owner = idle_world.new_owner()
        task = asyncio.create_task(ask(idle_world, owner))
        run_id = await planned(idle_world, owner, 1)
        await asyncio.sleep(0.2)  # signs of life come meanwhile; their client shows none of them
        await finish(idle_world, run_id, 0, "at last")
        assert (await task).text == "at last"

    @pytest.mark.usefixtures("hasty")
    async def test_a_failure_after_that_is_their_error_in_the_body(self, idle_world: World) -> None:
        owner = idle_world.new_owner()
        async with self.raw(idle_world, owner) as answer:
            parts = answer.aiter_raw()
            await anext(parts)
            await idle_world.fail_plan(owner, "engine_failed", "it broke")
            body = json.loads(b"".join([part async for part in parts]))
        assert answer.status_code == 200
        assert body == {
            "error": {"message": "it broke", "type": "server_error", "param": None, "code": "engine_failed"}
        }

    @pytest.mark.parametrize("name", ["text", "srt", "vtt"])
    @pytest.mark.usefixtures("hasty")
    async def test_nothing_comes_before_text_so_that_its_status_is_true(
        self, idle_world: World, name: str
    ) -> None:
        owner = idle_world.new_owner()
        task = asyncio.create_task(ask(idle_world, owner, response_format=name))
        await eventually(lambda: idle_world.count("transcript_run", owner))
        await asyncio.sleep(0.3)  # long enough for a sign of life, were there one
        await idle_world.fail_plan(owner, "engine_failed", "it broke")
        with pytest.raises(openai.InternalServerError):
            await task

    async def test_the_system_probes_the_connection_meanwhile(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[tuple[int, int]] = []
        keep = openai_api.keep_connection

        def kept(request: web.Request) -> None:
            keep(request)
            assert request.transport
            connection = request.transport.get_extra_info("socket")
            seen.append(
                (
                    connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
                    connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
                )
            )

        monkeypatch.setattr(openai_api, "keep_connection", kept)
        await ask(world, world.new_owner(), response_format="text")
        assert seen == [(1, 30)]

    @pytest.mark.usefixtures("hasty")
    async def test_a_wait_outlives_a_database_that_is_away(
        self, idle_world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        owner, asked = idle_world.new_owner(), 0
        get = Runs.get

        async def away(self: Runs, *arguments: Any) -> Any:
            nonlocal asked
            asked += 1
            if asked < 3:
                raise ConnectionRefusedError("10.1.2.3:5432")
            return await get(self, *arguments)

        monkeypatch.setattr(Runs, "get", away)
        task = asyncio.create_task(ask(idle_world, owner))
        run_id = await planned(idle_world, owner, 1)
        await eventually(lambda: asked >= 3)
        await finish(idle_world, run_id, 0, "at last")
        assert (await task).text == "at last"

    async def test_a_client_that_goes_away_cancels_nothing(self, idle_world: World) -> None:
        """It comes again by itself, and finds the run that has gone on."""
        owner = idle_world.new_owner()
        task = asyncio.create_task(ask(idle_world, owner))
        await eventually(lambda: idle_world.count("transcript_run", owner))
        task.cancel()
        await asyncio.wait([task])
        again = asyncio.create_task(ask(idle_world, owner))
        run_id = await planned(idle_world, owner, 1)
        await finish(idle_world, run_id, 0, "at last")
        assert (await again).text == "at last"
        assert await idle_world.count("transcript_run", owner) == 1

    async def test_a_client_that_times_out_and_comes_again_is_given_the_same_run(
        self, idle_world: World
    ) -> None:
        owner = idle_world.new_owner()
        async with client(idle_world, owner, max_retries=1, timeout=1) as theirs:
            with pytest.raises(openai.APITimeoutError):
                await theirs.audio.transcriptions.create(file=("a.wav", media.wav()), model="whisper-1")
        status = "SELECT array_agg(status) FROM transcript_run WHERE owner = $1"
        assert await idle_world.database.pool.fetchval(status, owner) == ["queued"]

    @pytest.mark.parametrize("begun", [False, True])
    async def test_a_gateway_that_stops_ends_the_wait_at_once_and_cancels_nothing(
        self, migrated_url: str, own_folder: Path, monkeypatch: pytest.MonkeyPatch, begun: bool
    ) -> None:
        monkeypatch.setattr(openai_api, "PATIENCE", 0.05 if begun else 30.0)
        async with running_world(migrated_url, own_folder, transcribes=False) as world:
            async with self.raw(world, "ann") if begun else contextlib.nullcontext() as answer:
                if answer:
                    parts = answer.aiter_raw()
                    await anext(parts)
                else:
                    task = asyncio.create_task(ask(world, "ann"))
                    await eventually(lambda: world.count("transcript_run", "ann"))
                begin = time.monotonic()
                await world.gateway.stop()
                assert time.monotonic() - begin < 4  # less than a stop gives to open requests
                # What their clients take for a reason to ask again, and nothing that looks like an answer.
                with pytest.raises(httpx.RemoteProtocolError if begun else openai.InternalServerError):
                    await (anext(parts) if begun else task)
            status = "SELECT status FROM transcript_run WHERE owner = 'ann'"
            assert await world.database.pool.fetchval(status) == "queued"

    async def test_a_wait_that_a_stop_has_to_cut_cancels_nothing_either(
        self, migrated_url: str, own_folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = asyncio.Event()

        async def hangs(*_: object) -> None:
            asked.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(Runs, "get", hangs)
        assert HttpServer.__init__.__kwdefaults__
        monkeypatch.setitem(HttpServer.__init__.__kwdefaults__, "grace", 0.1)
        async with running_world(migrated_url, own_folder, transcribes=False) as world:
            task = asyncio.create_task(ask(world, "ann"))
            await asyncio.wait_for(asked.wait(), 10)
            await world.gateway.stop()
            with pytest.raises(openai.APIConnectionError):
                await task
            status = "SELECT status FROM transcript_run WHERE owner = 'ann'"
            assert await world.database.pool.fetchval(status) == "queued"

    @staticmethod
    def raw(world: World, owner: str, **fields: str) -> Any:
        """Ask without their client, to see the bytes."""
        return world.http.stream(
            "POST",
            PATH,
            data={"model": "whisper-1", **fields},
            files={"file": ("a.wav", media.wav())},
            headers=world.bearer(owner),
        )
