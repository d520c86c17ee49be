"""`metadata`: an object of the client's own, kept with a recording and given back with it and its runs."""

import json
from typing import Any

import httpx
import pytest

from lingoloop_common.errors import Problem
from lingoloop_gateway.metadata import BYTES_MOST, DEPTH_MOST
from lingoloop_gateway.options import read_import_options, read_options
from tests import media
from tests.gateway.ways_in import UPLOADS, again
from tests.gateway.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

METADATA: dict[str, Any] = {
    "case": "2026-117",
    "标签": ["会议", {"board": True, "none": None}],
    "number": 12345678901234567,
    "share": 0.1,
    "": "🎧 \n",
}


def nested(depth: int) -> dict[str, Any]:
    return {"x": 1} if depth == 1 else {"x": nested(depth - 1)}


@pytest.mark.parametrize("way", UPLOADS)
async def test_it_comes_back_as_it_came_by_every_way_in(idle_world: World, way: str) -> None:
    owner = idle_world.new_owner()
    run_id = await UPLOADS[way](idle_world, owner, metadata=METADATA)
    assert isinstance(run_id, str), run_id.text
    run = (await idle_world.get(owner, f"/api/runs/{run_id}")).json()
    audio = (await idle_world.get(owner, f"/api/audios/{run['audioId']}")).json()
    assert run["metadata"] == audio["metadata"] == METADATA
    for target in ("/api/runs", "/api/audios", "/api/runs?q=recording wav"):
        for item in (await idle_world.get(owner, target)).json()["items"]:
            assert item["metadata"] == METADATA
    export = await idle_world.get(owner, f"/api/runs/{run_id}/export?fmt=json")
    assert export.json()["metadata"] == METADATA


async def test_without_it_there_is_an_empty_one(idle_world: World) -> None:
    owner = idle_world.new_owner()
    body = await idle_world.accepted(owner, model="long")
    assert (await idle_world.get(owner, f"/api/runs/{body['runId']}")).json()["metadata"] == {}


@pytest.mark.parametrize("way", UPLOADS)
async def test_what_is_no_object_is_refused_by_every_way_in_and_leaves_nothing(
    idle_world: World, way: str
) -> None:
    owner = idle_world.new_owner()
    answer = await UPLOADS[way](idle_world, owner, metadata=["a", "list"])
    assert isinstance(answer, httpx.Response)
    assert answer.status_code == 422
    assert answer.json()["fields"] == {"metadata": "must be a JSON object"}
    assert await idle_world.count("audio", owner) == 0


async def test_a_run_that_is_there_keeps_what_the_first_upload_gave(idle_world: World) -> None:
    owner = idle_world.new_owner()
    first, second = [
        await idle_world.accepted(owner, media.wav(), model="long", metadata=json.dumps({"n": number}))
        for number in range(2)
    ]
    assert second == {**first, "reused": True}
    assert (await idle_world.get(owner, f"/api/runs/{first['runId']}")).json()["metadata"] == {"n": 0}


async def test_another_run_over_the_recording_has_the_recordings(idle_world: World) -> None:
    owner = idle_world.new_owner()
    body = await idle_world.accepted(owner, model="long", metadata='{"n": 1}')
    target = f"/api/audios/{body['audioId']}/transcribe"
    answer = await idle_world.http.post(target, json={"language": "de"}, headers=idle_world.bearer(owner))
    assert (await idle_world.get(owner, f"/api/runs/{answer.json()['runId']}")).json()["metadata"] == {"n": 1}
    refused = await again(idle_world, owner, metadata={"n": 2})
    assert isinstance(refused, httpx.Response)
    assert (refused.status_code, list(refused.json()["fields"])) == (422, ["metadata"])


@pytest.mark.parametrize("name", ["hotwords", "diarize", "channels", "track", "task"])
async def test_options_that_nothing_does_yet_are_refused_by_name(idle_world: World, name: str) -> None:
    answer = await idle_world.post(idle_world.new_owner(), media.wav(), **{name: "1"})
    assert (answer.status_code, list(answer.json()["fields"])) == (422, [name])


GOOD: list[dict[str, Any]] = [
    {},
    nested(DEPTH_MOST),
    {"x": "x" * (BYTES_MOST - 8)},
    {"x": 2**63 - 1, "y": -(2**63)},
    {"x": 1e20, "y": -1e-20, "z": 0.0},
]


@pytest.mark.parametrize("value", GOOD, ids=lambda value: repr(value)[:20])
async def test_the_most_that_may_be_comes_back(idle_world: World, value: dict[str, Any]) -> None:
    owner = idle_world.new_owner()
    sent = {"url": "https://recordings.example/a.wav", "metadata": value}
    answer = await idle_world.http.post("/api/audios", json=sent, headers=idle_world.bearer(owner))
    run = (await idle_world.get(owner, f"/api/runs/{answer.json()['runId']}")).json()
    assert run["metadata"] == value


WRONG: dict[str, str] = {
    "": "must be a JSON object",
    "no JSON": "must be a JSON object",
    "null": "must be a JSON object",
    "1": "must be a JSON object",
    '"{}"': "must be a JSON object",
    '{"x": NaN}': "must be a JSON object",
    '{"x": "\\ud800"}': "must be a JSON object",
    "\ud800": "must be a JSON object",
    "[" * 5_000: "must be a JSON object",
    '{"x": "\\u0000"}': "may hold no NUL character",
    '{"\\u0000": 1}': "may hold no NUL character",
    '{"x": 1e21}': "may hold numbers from 1e-20 to 1e+20",
    '{"x": [1e-300]}': "may hold numbers from 1e-20 to 1e+20",
    json.dumps(nested(DEPTH_MOST + 1)): "may have 8 objects and lists within each other",
    '{"x": ' + "[" * 900 + "]" * 900 + "}": "may have 8 objects and lists within each other",
    json.dumps({"x": "x" * (BYTES_MOST - 7)}): "may have 16384 bytes",
    json.dumps({"x": "é" * (BYTES_MOST // 2 - 3)}, ensure_ascii=False): "may have 16384 bytes",
}


@pytest.mark.parametrize("text", WRONG, ids=lambda text: ascii(text)[:20])
async def test_what_cannot_be_kept_is_refused_and_says_why(text: str) -> None:
    with pytest.raises(Problem) as refused:
        read_options({"metadata": text})
    assert refused.value.extra["fields"] == {"metadata": WRONG[text]}


@pytest.mark.parametrize("value", ['"{}"', "[]", "1", '{"x": "\\u0000"}'])
async def test_in_json_it_is_an_object_not_its_text(value: str) -> None:
    body = f'{{"url": "https://recordings.example/a.wav", "metadata": {value}}}'
    with pytest.raises(Problem) as refused:
        read_import_options({}, body.encode())
    assert list(refused.value.extra["fields"]) == ["metadata"]
    assert read_import_options({}, body.replace(value, "null").encode()).metadata is None
