"""OpenAI's audio API, as their own Python client, unmodified, sees it."""

import asyncio
import json
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI

from lingoloop_common import keys
from tests import media
from tests.gateway.their_client import PATH, TEXT, TWELVE_SECONDS, ask, client
from tests.gateway.world import BOUNDARY, END, World, part, running_world

pytestmark = pytest.mark.asyncio(loop_scope="module")

SRT = """1
00:00:00,000 --> 00:00:05,000
simulated 0.0

2
00:00:05,000 --> 00:00:10,000
simulated 5.0

3
00:00:10,000 --> 00:00:12,000
simulated 10.0

"""
VTT = """WEBVTT

00:00:00.000 --> 00:00:05.000
simulated 0.0

00:00:05.000 --> 00:00:10.000
simulated 5.0

00:00:10.000 --> 00:00:12.000
simulated 10.0

"""


class TestFormats:
    async def test_json_is_what_the_client_gets_if_it_says_nothing(self, world: World) -> None:
        answer = await ask(world, world.new_owner())
        assert (answer.text, answer.usage.type, answer.usage.seconds) == (TEXT, "duration", 12)

    @pytest.mark.parametrize(("name", "expected"), [("text", TEXT + "\n"), ("srt", SRT), ("vtt", VTT)])
    async def test_text_and_subtitles_come_as_they_are(self, world: World, name: str, expected: str) -> None:
        assert await ask(world, world.new_owner(), response_format=name) == expected

    @pytest.mark.parametrize(("granularities", "segments", "words"), [
        (None, 3, None), (["segment"], 3, None), (["word"], None, 3), (["word", "segment"], 3, 3),
    ])  # fmt: skip
    async def test_verbose_json_has_segments_and_words_as_asked_for(
        self, world: World, granularities: list[str] | None, segments: int | None, words: int | None
    ) -> None:
        fields: dict[str, Any] = {"timestamp_granularities": granularities} if granularities else {}
        answer = await ask(
            world, world.new_owner(), response_format="verbose_json", language="en", temperature=0, **fields
        )
        assert (answer.text, answer.duration, answer.language, answer.task) == (TEXT, 12, "en", "transcribe")
        assert answer.segments is None if segments is None else len(answer.segments) == segments
        assert answer.words is None if words is None else len(answer.words) == words
        # Strictly: each field that their types require is there, and of its type.
        type(answer).model_validate(json.loads(answer.model_dump_json()), strict=True)
        if segments:
            assert [(each.id, each.start, each.end) for each in answer.segments] == [
                (0, 0, 5),
                (1, 5, 10),
                (2, 10, 12),
            ]
            assert set(answer.segments[0].model_fields_set) == set(type(answer.segments[0]).model_fields)
        if words:
            assert [(each.word, each.start, each.end) for each in answer.words] == [
                ("0.0", 0, 5),
                ("5.0", 5, 10),
                ("10.0", 10, 12),
            ]

    async def test_the_client_without_asyncio_works_too(self, world: World) -> None:
        def ask_and_wait() -> str:
            url, token = f"{world.gateway.url}/v1", world.token("ann")
            with OpenAI(base_url=url, api_key=token, max_retries=0) as theirs:
                file = ("talk.wav", TWELVE_SECONDS)
                return theirs.audio.transcriptions.create(file=file, model="whisper-1").text

        assert await asyncio.to_thread(ask_and_wait) == TEXT

    async def test_a_file_on_disk_is_sent_under_its_name(self, world: World, tmp_path: Path) -> None:
        owner, path = world.new_owner(), tmp_path / "my talk.wav"
        path.write_bytes(TWELVE_SECONDS)
        async with client(world, owner) as theirs:
            await theirs.audio.transcriptions.create(file=path, model="whisper-1")
        assert (
            await world.database.pool.fetchval("SELECT filename FROM audio WHERE owner = $1", owner)
            == path.name
        )


class TestUpload:
    @pytest.mark.parametrize("order", ["the file first", "the file last", "the file between"])
    async def test_the_parts_come_in_any_order(self, world: World, order: str) -> None:
        file, model = part("file", TWELVE_SECONDS, filename="a.wav"), part("model", b"simulated")
        kind = part("response_format", b"text")
        parts = {"the file first": [file, model, kind], "the file last": [model, kind, file], "the file between": [kind, file, model]}[order]  # fmt: skip
        headers = {
            **world.bearer(world.new_owner()),
            "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
        }
        answer = await world.http.post(PATH, content=b"".join(parts) + END, headers=headers)
        assert (answer.status_code, answer.text) == (200, TEXT + "\n")

    async def test_it_is_an_upload_like_any_other(self, world: World) -> None:
        owner = world.new_owner()
        async with client(world, owner) as theirs:
            raw = await theirs.audio.transcriptions.with_raw_response.create(
                file=("talk.wav", TWELVE_SECONDS), model="whisper-1", language="de"
            )
        run = (await world.get(owner, f"/api/runs/{raw.headers['Lingoloop-Run-Id']}")).json()
        assert (run["status"], run["filename"], run["language"]) == ("succeeded", "talk.wav", "de")
        assert raw.headers["X-Request-Id"]
        assert await world.count("audio", owner) == 1

    async def test_a_long_recording_is_answered_when_all_of_it_is_there(self, world: World) -> None:
        answer = await ask(world, world.new_owner(), media.wav_of_ms(400_000), response_format="verbose_json")
        assert answer.duration == 400
        assert answer.segments[-1].end == 400
        assert len(answer.text.split("simulated")) == len(answer.segments) + 1

    @pytest.mark.parametrize("model", ["whisper-1", "simulated"])
    async def test_a_model_is_the_default_or_a_lane_of_this_server(self, world: World, model: str) -> None:
        owner = world.new_owner()
        await ask(world, owner, model=model)
        lane = await world.database.pool.fetchval("SELECT lane FROM transcript_run WHERE owner = $1", owner)
        assert lane == "simulated"

    async def test_an_api_key_will_do(self, world: World) -> None:
        _, key = await keys.create_key(world.database.pool, owner="ann", scope="runs:write", name="")
        async with client(world, "ann", api_key=key) as theirs:
            answer = await theirs.audio.transcriptions.create(
                file=("a.wav", TWELVE_SECONDS), model="whisper-1"
            )
        assert answer.text == TEXT


class TestModels:
    async def test_the_list_has_the_default_and_each_lane(self, world: World) -> None:
        async with client(world, "ann") as theirs:
            models = [model async for model in theirs.models.list()]
        assert [model.id for model in models] == ["whisper-1", "simulated"]
        assert {model.object for model in models} == {"model"}
        assert all(model.created > 1_600_000_000 for model in models)

    @pytest.mark.parametrize("name", ["whisper-1", "simulated"])
    async def test_one_is_told_by_its_id(self, world: World, name: str) -> None:
        async with client(world, "ann") as theirs:
            assert (await theirs.models.retrieve(name)).id == name

    @pytest.mark.parametrize("name", ["nosuch", "a/b", "gpt-4o-transcribe"])
    async def test_an_unknown_one_is_404(self, world: World, name: str) -> None:
        async with client(world, "ann") as theirs:
            with pytest.raises(openai.NotFoundError) as caught:
                await theirs.models.retrieve(name)
        assert (caught.value.code, caught.value.param) == ("model_not_found", "model")

    async def test_the_default_is_not_listed_where_nobody_ever_offered_it(
        self, migrated_url: str, own_folder: Path
    ) -> None:
        async with running_world(migrated_url, own_folder, transcribes=False, engine="nosuch") as world:
            async with client(world, "ann") as theirs:
                assert [model.id async for model in theirs.models.list()] == ["simulated"]
            with pytest.raises(openai.NotFoundError):
                await ask(world, "ann")
            assert (await ask_and_fail(world, "ann")).code == "model_not_found"


async def ask_and_fail(world: World, owner: str, **fields: Any) -> openai.APIStatusError:
    """Ask for what cannot be had, which must leave nothing, and return the error that their client raises."""
    async with world.leaving_nothing(owner):
        with pytest.raises(openai.APIStatusError) as caught:
            await ask(world, owner, **fields)
    assert caught.value.request_id
    return caught.value


class TestErrors:
    @pytest.mark.parametrize(("fields", "status", "code", "param"), [
        ({"model": "nosuch"}, 404, "model_not_found", "model"),
        ({"model": ""}, 400, "invalid_value", "model"),
        ({"response_format": "docx"}, 400, "invalid_value", "response_format"),
        ({"response_format": "diarized_json"}, 400, "invalid_value", "response_format"),
        ({"language": "no language!"}, 400, "invalid_value", "language"),
        ({"temperature": 7}, 400, "invalid_value", "temperature"),
        ({"timestamp_granularities": ["word"]}, 400, "invalid_value", "timestamp_granularities"),
        ({"response_format": "srt", "stream": True}, 400, "invalid_value", "stream"),
        ({"data": b"this is no recording"}, 400, "not_audio", "file"),
        ({"data": b""}, 400, "not_audio", "file"),
    ])  # fmt: skip
    async def test_what_is_wrong_is_named_and_leaves_nothing(
        self, idle_world: World, fields: dict[str, Any], status: int, code: str, param: str
    ) -> None:
        error = await ask_and_fail(idle_world, idle_world.new_owner(), **fields)
        assert (error.status_code, error.code, error.param) == (status, code, param)
        assert error.type == "invalid_request_error"

    @pytest.mark.parametrize("fields", [
        {"prompt": "LingoLoop"}, {"temperature": 0.7}, {"chunking_strategy": "auto"}, {"extra_body": {"colour": "blue"}},
    ])  # fmt: skip
    async def test_what_no_engine_uses_does_no_harm(self, world: World, fields: dict[str, Any]) -> None:
        assert (await ask(world, world.new_owner(), **fields)).text == TEXT

    async def test_more_bytes_than_allowed_is_413(self, migrated_url: str, own_folder: Path) -> None:
        async with running_world(
            migrated_url, own_folder, transcribes=False, max_upload_bytes=1_000
        ) as world:
            error = await ask_and_fail(world, "ann")
        assert (error.status_code, error.code, error.param) == (413, "too_large", "file")

    async def test_a_key_that_is_none_is_401(self, world: World) -> None:
        async with client(world, "ann", api_key="sk-wrong") as theirs:
            with pytest.raises(openai.AuthenticationError) as caught:
                await theirs.audio.transcriptions.create(file=("a.wav", media.wav()), model="whisper-1")
        assert (caught.value.code, caught.value.type) == ("invalid_api_key", "invalid_request_error")

    async def test_a_token_that_may_only_read_is_403(self, world: World) -> None:
        async with client(world, "ann", api_key=world.token("ann", "runs:read")) as theirs:
            assert (await theirs.models.retrieve("whisper-1")).id == "whisper-1"
            with pytest.raises(openai.PermissionDeniedError):
                await theirs.audio.transcriptions.create(file=("a.wav", media.wav()), model="whisper-1")

    @pytest.mark.parametrize(("method", "path", "kind", "status", "code"), [
        ("GET", "/v1/nothing", None, 404, "not_found"),
        ("POST", "/v1/audio/translations", None, 404, "not_found"),
        ("GET", PATH, None, 405, "method_not_supported"),
        ("DELETE", "/v1/models/simulated", None, 405, "method_not_supported"),
        ("POST", PATH, "application/json", 415, "unsupported_media_type"),
        ("POST", PATH, "audio/wav", 415, "unsupported_media_type"),
        ("POST", PATH, "multipart/mixed; boundary=x", 415, "unsupported_media_type"),
        ("POST", PATH, "multipart/form-data; boundary=x", 400, "bad_request"),
        ("POST", PATH, "multipart/form-data", 400, "bad_request"),
    ])  # fmt: skip
    async def test_every_refusal_has_their_shape_and_an_id(
        self, idle_world: World, method: str, path: str, kind: str | None, status: int, code: str
    ) -> None:
        headers = {**idle_world.bearer("ann"), **({"Content-Type": kind} if kind else {})}
        answer = await idle_world.http.request(method, path, headers=headers, content=b"{}" if kind else None)
        assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/json")
        error = answer.json()["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert (error["code"], error["type"]) == (code, "invalid_request_error")
        assert answer.headers["X-Request-Id"]
        assert ("Allow" in answer.headers) == (status == 405)

    async def test_a_fault_here_is_500_and_keeps_its_text_to_itself(
        self, idle_world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def broken(*_: object) -> None:
            raise RuntimeError("password=hunter2")

        monkeypatch.setattr("lingoloop_gateway.lanes.Lanes.known", broken)
        error = await ask_and_fail(idle_world, idle_world.new_owner())
        assert (error.status_code, error.type) == (500, "server_error")
        assert "hunter2" not in str(error.body)
