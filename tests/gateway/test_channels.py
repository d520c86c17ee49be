"""`track` and `channels`: asked for by an upload, an import or another run, and seen by whoever reads the words."""

from collections.abc import AsyncIterator
from typing import Any

import docx
import httpx
import numpy as np
import pytest
import pytest_asyncio

from lingoloop_common.contracts.engines import Abilities, Ability
from tests import media
from tests.gateway.listening import listening_world
from tests.gateway.world import World
from tests.origin import Origin, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

RATE = 16_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def listening(
    module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """Everything, with an engine that says how loud each chunk is, and that knows nothing of channels or tracks."""
    async with listening_world(module_database_url, tmp_path_factory, allow_private_addresses=True) as world:
        yield world


def level(peak: float, seconds: float = 3.0) -> media.Samples:
    """Return a tone so loud, which is what the engine says of it."""
    return (media.tone(seconds, rate=RATE) / 8000 * peak * 32768).astype(np.int16)


def call(*peaks: float, seconds: float = 3.0) -> bytes:
    """Return a recording with a channel of each loudness."""
    return media.wav_of_channels(np.stack([level(peak, seconds) for peak in peaks]))


async def segments(world: World, owner: str, run_id: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await world.get(owner, f"/api/runs/{run_id}/segments")).json()["items"]
    return items


async def test_an_engine_that_is_given_the_sound_can_do_both(listening: World) -> None:
    row = await listening.database.pool.fetchval("SELECT abilities FROM worker")
    assert Abilities.model_validate(row).can >= {Ability.CHANNELS, Ability.TRACK}


async def test_each_channel_has_words_of_its_own_in_one_order(listening: World) -> None:
    owner = listening.new_owner()
    body = await listening.accepted(owner, call(0.9, 0.0, 0.3, seconds=62), channels="separate")
    run = await listening.finished(owner, body["runId"])
    assert run["status"] == "succeeded"
    found = await segments(listening, owner, body["runId"])
    assert [one["channel"] for one in found] == [0, 2] * (len(found) // 2)
    assert {(one["channel"], one["text"]) for one in found} == {(0, "0.90"), (2, "0.30")}
    assert [one["start"] for one in found] == sorted(one["start"] for one in found)
    assert [one["index"] for one in found] == sorted({one["index"] for one in found})
    assert len(found) == 2 * run["chunksTotal"]
    exported = (await listening.get(owner, f"/api/runs/{body['runId']}/export?fmt=json")).json()
    assert exported["segments"] == found


async def test_a_mix_has_no_channels(listening: World) -> None:
    owner = listening.new_owner()
    body = await listening.accepted(owner, call(0.8, 0.4))
    assert [one.get("text") for one in body["segments"]] == ["0.60"]
    assert "channel" not in body["segments"][0]


async def test_live_events_say_the_channel(listening: World) -> None:
    owner = listening.new_owner()
    body = await listening.accepted(owner, call(0.9, 0.3), channels="separate")
    assert [one["channel"] for one in body["segments"]] == [0, 1]
    path = f"/api/runs/{body['runId']}/events"
    events = (await listening.get(owner, path)).text
    assert '"event":"init"' in events
    assert '"channel":1' in events.split('"event":"done"')[0]
    since = {**listening.bearer(owner), "Last-Event-ID": "1"}
    missed = await listening.http.get(path, headers=since)
    assert '"channel":0' in missed.text
    assert '"channel":1' in missed.text


async def test_files_name_the_channel_or_who_is_on_it(listening: World) -> None:
    owner = listening.new_owner()
    run_id = (await listening.accepted(owner, call(0.9, 0.3), channels="separate"))["runId"]

    async def export(fmt: str) -> str:
        response = await listening.get(owner, f"/api/runs/{run_id}/export?fmt={fmt}")
        return response.text

    assert await export("txt") == "Channel 0: 0.90\n\nChannel 1: 0.30\n"
    assert "Channel 0: 0.90\n" in await export("srt")
    assert "<v Channel 1>0.30\n" in await export("vtt")
    names = {"speakers": {"Channel 0": "Agent"}}
    answer = await listening.http.put(
        f"/api/runs/{run_id}/speakers", json=names, headers=listening.bearer(owner)
    )
    assert answer.status_code == 200
    assert await export("txt") == "Agent: 0.90\n\nChannel 1: 0.30\n"
    assert [one.get("speakerName") for one in await segments(listening, owner, run_id)] == ["Agent", None]
    machine = await listening.get(owner, f"/api/runs/{run_id}/export?fmt=txt&original=1")
    assert machine.text == "Channel 0: 0.90\n\nChannel 1: 0.30\n"


async def test_a_document_names_the_channel(listening: World) -> None:
    owner = listening.new_owner()
    run_id = (await listening.accepted(owner, call(0.9, 0.3), channels="separate"))["runId"]
    response = await listening.get(owner, f"/api/runs/{run_id}/export?fmt=docx")
    path = listening.folder / "call.docx"
    path.write_bytes(response.content)
    lines = [paragraph.text for paragraph in docx.Document(str(path)).paragraphs]
    assert any(line.endswith("Channel 0: 0.90") for line in lines)
    assert any(line.endswith("Channel 1: 0.30") for line in lines)


async def test_another_track_is_transcribed(listening: World) -> None:
    owner = listening.new_owner()
    film = media.tracks(level(0.9), level(0.3))
    first = await listening.accepted(owner, film)
    second = await listening.accepted(owner, film, track="1")
    assert [first["segments"][0]["text"], second["segments"][0]["text"]] == ["0.90", "0.30"]
    assert first["runId"] != second["runId"]


UNFIT: list[tuple[dict[str, str], str, str]] = [
    ({"track": "2"}, "track", "there is no sound track 2, counted from 0; the file has 2 sound tracks"),
    ({"channels": "separate"}, "channels", "the sound has 9 channels; one by one it may have 8"),
]


def unfit(field: str) -> bytes:
    return media.tracks(level(0.9), level(0.3)) if field == "track" else call(*[0.5] * 9)


def check_refused(response: httpx.Response, field: str, message: str) -> None:
    body = response.json()
    assert (response.status_code, body["code"], body["fields"]) == (422, "invalid_value", {field: message})
    assert body["detail"] == f"{field}: {message}"


@pytest.mark.parametrize(("asked", "field", "message"), UNFIT)
async def test_what_the_file_does_not_have_is_refused_at_the_upload(
    listening: World, asked: dict[str, str], field: str, message: str
) -> None:
    owner = listening.new_owner()
    async with listening.leaving_nothing(owner):
        check_refused(await listening.post(owner, unfit(field), **asked), field, message)


@pytest.mark.parametrize(("asked", "field", "message"), UNFIT)
async def test_and_when_another_run_asks_for_it(
    listening: World, asked: dict[str, str], field: str, message: str
) -> None:
    owner = listening.new_owner()
    body = await listening.accepted(owner, unfit(field))
    again = f"/api/audios/{body['audioId']}/transcribe"
    check_refused(
        await listening.http.post(again, json=asked | _typed(asked), headers=listening.bearer(owner)),
        field,
        message,
    )
    assert await listening.count("transcript_run", owner) == 1


@pytest.mark.parametrize(("asked", "field", "message"), UNFIT)
async def test_and_an_import_fails_with_it(
    listening: World, asked: dict[str, str], field: str, message: str
) -> None:
    owner = listening.new_owner()
    async with serving(Origin(unfit(field))) as origin:
        response = await listening.http.post(
            "/api/audios", json={"url": origin.url, **_typed(asked)}, headers=listening.bearer(owner)
        )
        run = await listening.finished(owner, response.json()["runId"])
    assert run["error"] == {"code": "unfit_audio", "message": message}


def _typed(asked: dict[str, str]) -> dict[str, Any]:
    return {name: int(value) if value.isdigit() else value for name, value in asked.items()}
