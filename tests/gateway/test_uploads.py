"""`POST /api/audios`: small recordings are answered with their words, large ones with 202."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from asyncpg.exceptions import ConnectionDoesNotExistError
from asyncpg.transaction import Transaction

from lingoloop_common.store import runs
from lingoloop_gateway import new_runs
from tests import media
from tests.gateway.world import World, running_world
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

IDS = ("audioId", "runId", "jobId")

KINDS: dict[str, Any] = {
    "wav": lambda: media.wav(media.tone(3.0, rate=16_000)),
    "mp3": lambda: media.sound("mp3", "libmp3lame"),
    "flac": lambda: media.sound("flac", "flac"),
    "ogg": lambda: media.sound("ogg", "libopus"),
    "m4a": lambda: media.sound("ipod", "aac"),
    "mp4": lambda: media.video("mp4", "mpeg4", "aac"),
    "webm": lambda: media.video("webm", "libvpx", "libopus"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["raw", "form"])
async def test_sound_and_video_in_every_usual_format_are_taken_with_their_length(
    world: World, kind: str, how: str
) -> None:
    owner, name = world.new_owner(), f"talk.{kind}"
    data = KINDS[kind]()
    if how == "raw":
        response = await world.post(owner, data, kind=f"audio/{kind}", filename=name)
    else:
        response = await world.post_form(owner, data, filename=name, kind=f"audio/{kind}")
    body = response.json()
    assert response.status_code == 200, body
    assert body["status"] == "succeeded"
    assert abs(body["durationMs"] - 3000) <= 60
    stored = await world.database.pool.fetchrow("SELECT * FROM audio WHERE owner = $1", owner)
    assert stored is not None
    assert (stored["filename"], stored["size_bytes"], stored["content_type"]) == (
        name,
        len(data),
        f"audio/{kind}",
    )
    assert (world.folder / stored["blob"]).read_bytes() == data


async def test_a_small_recording_is_answered_with_text_and_segments(world: World) -> None:
    owner = world.new_owner()
    response = await world.post(owner, media.wav_of_ms(12_000), language="en")
    body = response.json()
    assert response.status_code == 200
    assert set(body) == {*IDS, "status", "text", "language", "durationMs", "segments"}
    assert body["text"] == "simulated 0.0 simulated 5.0 simulated 10.0"
    assert (body["language"], body["durationMs"]) == ("en", 12_000)
    assert [(segment["start"], segment["end"]) for segment in body["segments"]] == [(0, 5), (5, 10), (10, 12)]
    assert set(body["segments"][0]) == {"index", "start", "end", "text", "confidence", "words"}
    assert set(body["segments"][0]["words"][0]) == {"word", "start", "end", "confidence"}


async def test_a_small_recording_is_a_run_like_any_other_of_job_type_transcribe_short(world: World) -> None:
    owner = world.new_owner()
    body = await world.accepted(owner)
    progress = (await world.get(owner, f"/api/runs/{body['runId']}/progress")).json()
    assert progress["status"] == "succeeded"
    assert [(job["id"], job["jobType"]) for job in progress["jobs"]] == [(body["jobId"], "transcribe_short")]


LARGE: dict[str, Any] = {
    "bytes": lambda: (media.wav_of_size(10_485_761), {}),
    "length": lambda: (media.wav_of_ms(60_001), {}),
    "unknown length": lambda: (media.without_duration(), {}),
    "model=long": lambda: (media.wav(), {"model": "long"}),
}


@pytest.mark.parametrize("why", LARGE)
async def test_a_large_recording_is_answered_with_202_and_where_its_run_is(
    idle_world: World, why: str
) -> None:
    owner = idle_world.new_owner()
    data, query = LARGE[why]()
    response = await idle_world.post(owner, data, **query)
    body = response.json()
    assert response.status_code == 202, body
    assert set(body) == {*IDS, "status", "queued"}
    assert (body["status"], body["queued"]) == ("queued", True)
    location = response.headers["Location"]
    assert location == f"/api/runs/{body['runId']}"
    assert (await idle_world.get(owner, location)).json()["id"] == body["runId"]
    progress = (await idle_world.get(owner, f"{location}/progress")).json()
    assert [job["jobType"] for job in progress["jobs"]] == ["transcribe_long"]


SMALL: dict[str, Any] = {
    "exactly 10485760 bytes": lambda: media.wav_of_size(10_485_760),
    "exactly 60000 ms": lambda: media.wav_of_ms(60_000),
}


@pytest.mark.parametrize("border", SMALL)
async def test_at_the_border_a_recording_is_still_small(world: World, border: str) -> None:
    response = await world.post(world.new_owner(), SMALL[border]())
    assert response.status_code == 200, response.text
    assert response.json()["text"]


@pytest.mark.parametrize(("options", "charged"), [({}, 0.0), ({"model": "long"}, 1.0)])
async def test_a_plan_is_charged_only_where_it_is_work(
    world: World, options: dict[str, str], charged: float
) -> None:
    response = await world.post(world.new_owner(), media.wav(), **options)
    cost = "SELECT cost FROM unit WHERE kind = 'plan' AND run_id::text = $1"
    assert await world.database.pool.fetchval(cost, response.json()["runId"]) == charged


async def test_a_large_recording_is_transcribed(world: World) -> None:
    owner = world.new_owner()
    body = await world.accepted(owner, media.wav_of_ms(61_000), model="long")
    run = await world.finished(owner, body["runId"])
    assert (run["status"], run["progress"], run["chunksDone"], run["chunksTotal"]) == ("succeeded", 100, 4, 4)


async def test_model_long_is_a_wish_for_the_long_way_and_not_a_models_name(world: World) -> None:
    owner = world.new_owner()
    body = await world.accepted(owner, model="long")
    lane = await world.database.pool.fetchval(
        "SELECT lane FROM transcript_run WHERE id::text = $1", body["runId"]
    )
    assert lane == "simulated"


async def test_a_small_run_that_fails_is_422_with_its_cause_and_its_ids(
    migrated_url: str, own_folder: Path
) -> None:
    async with running_world(migrated_url, own_folder, transcribes=False) as world:
        posting = asyncio.create_task(world.post("ann", media.wav()))
        await world.fail_plan("ann", "not_audio", "nothing in it can be decoded")
        response = await posting
    body = response.json()
    assert response.status_code == 422
    assert response.headers["Content-Type"] == "application/problem+json"
    assert body["cause"] == {"code": "not_audio", "message": "nothing in it can be decoded"}
    assert (body["code"], body["status"]) == ("run_failed", 422)
    assert body["error"] == body["detail"] == "nothing in it can be decoded"
    assert all(body[name] for name in IDS)


async def test_a_small_run_that_takes_too_long_is_202_and_nothing_is_lost(
    migrated_url: str, own_folder: Path
) -> None:
    async with running_world(
        migrated_url, own_folder, transcribes=False, transcribe_sync_timeout_ms=150
    ) as world:
        response = await world.post("ann", media.wav())
        body = response.json()
        assert response.status_code == 202
        assert (body["status"], body["queued"]) == ("queued", True)
        assert response.headers["Location"] == f"/api/runs/{body['runId']}"
        await world.database.pool.execute("DELETE FROM worker")
    async with running_world(migrated_url, own_folder) as world:  # a transcriber comes later
        run = await world.finished("ann", body["runId"])
    assert run["status"] == "succeeded"


async def test_inline_processing_answers_every_upload_like_a_small_one(
    migrated_url: str, own_folder: Path
) -> None:
    async with running_world(
        migrated_url, own_folder, tasks_inline_processing=True, transcribe_sync_timeout_ms=1
    ) as world:
        response = await world.post("ann", media.wav_of_ms(61_000), model="long")
    assert response.status_code == 200
    assert len(response.json()["segments"]) == 13


async def test_many_small_uploads_at_once_are_all_answered(world: World) -> None:
    owner = world.new_owner()
    bodies = await asyncio.gather(*(world.accepted(owner) for _ in range(12)))
    assert len({body["runId"] for body in bodies}) == 12
    assert all(body["text"] == "simulated 0.0" for body in bodies)


async def test_an_upload_larger_than_memory_limits_of_forms_is_streamed(world: World) -> None:
    response = await world.post_form(world.new_owner(), media.wav_of_size(5 * 2**20))
    assert response.status_code == 200, response.text


async def test_the_first_event_of_a_run_is_1_and_is_written_with_it(idle_world: World) -> None:
    owner = idle_world.new_owner()
    body = await idle_world.accepted(owner, model="long")
    row = await idle_world.database.pool.fetchrow(
        "SELECT r.seq, e.seq AS event, u.kind, u.state FROM transcript_run r"
        " JOIN run_event e ON e.run_id = r.id JOIN unit u ON u.run_id = r.id WHERE r.id::text = $1",
        body["runId"],
    )
    assert row is not None
    assert tuple(row) == (1, 1, "plan", "ready")


async def test_an_upload_is_one_transaction(idle_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """If its last statement fails, nothing of it stays: no row, no file."""

    def broken(*_: Any) -> None:
        raise ValueError("no event today")

    monkeypatch.setattr("lingoloop_common.contracts.events.routing_key", broken)
    owner = idle_world.new_owner()
    async with idle_world.leaving_nothing(owner):
        assert (await idle_world.post(owner, media.wav())).status_code == 500
    assert await idle_world.count("unit", owner) == 0


async def test_a_commit_whose_answer_is_lost_keeps_the_recording_of_the_run_that_it_made(
    idle_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = getattr(Transaction, "_Transaction__commit")  # noqa: B009  (a private name)
    change_run = runs.change_run

    async def lost(self: Transaction) -> None:
        monkeypatch.setattr(Transaction, "_Transaction__commit", commit)
        await commit(self)
        raise ConnectionDoesNotExistError("the answer to COMMIT is lost")

    async def change_and_lose(*arguments: Any) -> Any:
        row = await change_run(*arguments)
        monkeypatch.setattr(Transaction, "_Transaction__commit", lost)
        return row

    owner = idle_world.new_owner()
    before = idle_world.stored()
    monkeypatch.setattr(new_runs, "change_run", change_and_lose)
    assert (await idle_world.post(owner, media.wav(), model="long")).status_code == 503
    assert await idle_world.count("transcript_run", owner) == 1
    assert len(idle_world.stored() - before) == 1


async def test_a_client_that_goes_away_after_its_last_byte_leaves_a_whole_run_or_nothing(
    idle_world: World,
) -> None:
    owner = idle_world.new_owner()
    before = idle_world.stored()
    for delay in (0.0, 0.002, 0.005, 0.01, 0.02, 0.05):
        posting = asyncio.create_task(idle_world.post(owner, media.wav()))
        await asyncio.sleep(delay)  # anywhere within the request
        posting.cancel()
        await asyncio.wait([posting])

    async def whole() -> bool:
        blobs = await idle_world.database.pool.fetch("SELECT blob FROM audio WHERE owner = $1", owner)
        return idle_world.stored() - before == {row["blob"] for row in blobs}

    await eventually(whole)
