"""Runs as their owners read them: the run, its progress in the document's shape, its segments, its exports."""

import re
from typing import Any

import pytest
import pytest_asyncio

from lingoloop_gateway.runs import Runs
from tests import media
from tests.gateway.world import World
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
DOCUMENT = {
    "runId",
    "audioId",
    "status",
    "progress",
    "timeElapsed",
    "estimatedTimeRemaining",
    "audio",
    "jobs",
}
DESIGN = {"createdAt", "completedAt", "error", "queuePosition", "chunksDone", "chunksTotal"}


async def test_progress_has_the_documents_shape_and_the_designs_fields(world: World) -> None:
    owner = world.new_owner()
    data = media.wav_of_ms(60_500)
    body = await world.accepted(owner, data, filename="talk.wav")
    await world.finished(owner, body["runId"])
    progress = (await world.get(owner, f"/api/runs/{body['runId']}/progress")).json()
    assert set(progress) == DOCUMENT | DESIGN
    assert (progress["runId"], progress["audioId"]) == (body["runId"], body["audioId"])
    assert (progress["status"], progress["progress"], progress["estimatedTimeRemaining"]) == (
        "succeeded",
        100,
        0,
    )
    assert (progress["chunksDone"], progress["chunksTotal"]) == (4, 4)
    assert progress["error"] is None
    assert progress["audio"] == {
        "id": body["audioId"],
        "filename": "talk.wav",
        "durationMs": 60_500,
        "sizeBytes": len(data),
    }
    [job] = progress["jobs"]
    assert set(job) == {"id", "jobType", "status", "retryCount", "createdAt", "updatedAt", "errorMessage"}
    assert (job["id"], job["jobType"], job["status"], job["retryCount"]) == (
        body["jobId"],
        "transcribe_long",
        "succeeded",
        0,
    )
    for moment in (progress["createdAt"], progress["completedAt"], job["createdAt"], job["updatedAt"]):
        assert ISO.fullmatch(moment)


async def test_progress_comes_from_audio_really_done(idle_world: World) -> None:
    owner = idle_world.new_owner()
    body = await idle_world.accepted(owner, media.wav_of_ms(80_000))
    target = f"/api/runs/{body['runId']}/progress"
    waiting = (await idle_world.get(owner, target)).json()
    assert (waiting["status"], waiting["progress"], waiting["queuePosition"]) == ("queued", 0, 1)
    assert waiting["estimatedTimeRemaining"] is None  # nobody has measured how fast this fleet is
    assert (waiting["chunksDone"], waiting["chunksTotal"], waiting["completedAt"]) == (0, None, None)
    await idle_world.database.pool.execute(
        "UPDATE worker SET pace = 0.5"
    )  # its two slots: 4 s of audio a second
    await idle_world.database.pool.execute(
        "UPDATE transcript_run SET status = 'processing', started_at = now() - interval '10 s',"
        " created_at = now() - interval '30 s', chunks_done = 1, done_samples = 16000 * 20 WHERE id::text = $1",
        body["runId"],
    )

    async def foreseen() -> int | None:
        left: int | None = (await idle_world.get(owner, target)).json()["estimatedTimeRemaining"]
        return left

    await eventually(foreseen)
    working = (await idle_world.get(owner, target)).json()
    assert (working["status"], working["progress"], working["chunksDone"]) == ("processing", 25, 1)
    assert (working["estimatedTimeRemaining"], working["queuePosition"]) == (
        15,
        None,
    )  # 60 s of audio are left
    assert 30_000 <= working["timeElapsed"] < 40_000
    await idle_world.database.pool.execute("UPDATE worker SET pace = NULL")


async def test_a_failed_runs_progress_says_why(idle_world: World) -> None:
    owner = idle_world.new_owner()
    body = await idle_world.accepted(owner, media.wav_of_ms(80_000))
    await idle_world.fail_plan(owner, "engine_failed", "the model is broken")
    progress = (await idle_world.get(owner, f"/api/runs/{body['runId']}/progress")).json()
    assert progress["status"] == "failed"
    assert progress["error"] == {"code": "engine_failed", "message": "the model is broken"}
    assert progress["jobs"][0]["errorMessage"] == "the model is broken"
    assert progress["progress"] < 100


async def test_a_run_shows_its_recording_and_its_state(world: World) -> None:
    owner = world.new_owner()
    body = await world.accepted(owner, filename="talk.wav", language="de")
    run = (await world.get(owner, f"/api/runs/{body['runId']}")).json()
    assert (run["id"], run["runId"], run["audioId"]) == (body["runId"], body["runId"], body["audioId"])
    assert (run["status"], run["filename"], run["language"], run["durationMs"]) == (
        "succeeded",
        "talk.wav",
        "de",
        1000,
    )


@pytest_asyncio.fixture(loop_scope="module")
async def long_run(world: World) -> tuple[str, str]:
    """The owner and the id of a run of 13 segments, some of them in each of 4 chunks."""
    owner = world.new_owner()
    body = await world.accepted(owner, media.wav_of_ms(61_000))
    await world.finished(owner, body["runId"])
    return owner, body["runId"]


@pytest.mark.parametrize("limit", [1, 3, 12, 13, 14, 1000])
async def test_segments_are_paged_by_cursor_each_once_in_time_order(
    world: World, long_run: tuple[str, str], limit: int
) -> None:
    owner, run_id = long_run
    segments: list[dict[str, Any]] = []
    target, pages = f"/api/runs/{run_id}/segments?limit={limit}", 0
    cursor: str | None = "-1"
    while cursor is not None:
        page = (await world.get(owner, f"{target}&cursor={cursor}" if pages else target)).json()
        assert set(page) == {"items", "nextCursor"}
        segments += page["items"]
        cursor = page["nextCursor"]
        pages += 1
    assert len(segments) == 13
    assert pages == -(-13 // limit)
    assert [segment["start"] for segment in segments] == [20 * c + 5 * s for c in range(4) for s in range(4)][
        :13
    ]
    indexes = [segment["index"] for segment in segments]
    assert indexes == sorted(set(indexes))


async def test_a_segment_has_times_in_seconds_and_its_words(world: World, long_run: tuple[str, str]) -> None:
    owner, run_id = long_run
    page = (await world.get(owner, f"/api/runs/{run_id}/segments?limit=5")).json()
    assert page["items"][4] == {
        "index": 1000,
        "start": 20.0,
        "end": 25.0,
        "text": "simulated 0.0",
        "confidence": 1.0,
        "words": [{"word": " 0.0", "start": 20.0, "end": 25.0, "confidence": 1.0}],
    }


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "limit=-1",
        "limit=x",
        "cursor=x",
        "cursor=-2",
        "cursor=99999999999",
        "cursor=1e3",
        "limit=９",
    ],
)
async def test_a_limit_or_cursor_that_is_none_is_422_and_is_named(idle_world: World, query: str) -> None:
    owner = idle_world.new_owner()
    body = await idle_world.accepted(owner, model="long")
    response = await idle_world.get(owner, f"/api/runs/{body['runId']}/segments?{query}")
    assert response.status_code == 422
    assert query.partition("=")[0] in response.json()["detail"]


async def test_the_text_export_is_the_segments_in_one_paragraph_where_nobody_pauses(
    world: World, long_run: tuple[str, str]
) -> None:
    owner, run_id = long_run
    response = await world.get(owner, f"/api/runs/{run_id}/export?fmt=txt")
    segments = (await world.get(owner, f"/api/runs/{run_id}/segments?limit=1000")).json()["items"]
    assert response.text == " ".join(segment["text"] for segment in segments) + "\n"


async def test_text_is_what_is_exported_when_nothing_else_is_asked_for(
    world: World, long_run: tuple[str, str]
) -> None:
    owner, run_id = long_run
    plain = await world.get(owner, f"/api/runs/{run_id}/export")
    assert plain.text == (await world.get(owner, f"/api/runs/{run_id}/export?fmt=txt")).text


async def test_the_json_export_is_the_run_with_the_segments_of_the_api(
    world: World, long_run: tuple[str, str]
) -> None:
    owner, run_id = long_run
    response = await world.get(owner, f"/api/runs/{run_id}/export?fmt=json")
    segments = (await world.get(owner, f"/api/runs/{run_id}/segments?limit=1000")).json()["items"]
    run = (await world.get(owner, f"/api/runs/{run_id}")).json()
    assert response.headers["Content-Type"] == "application/json"
    assert response.json() == {**run, "timeElapsed": response.json()["timeElapsed"], "segments": segments}


@pytest.mark.parametrize(("fmt", "text"), [("txt", ""), ("json", None), ("srt", ""), ("vtt", "WEBVTT\n\n")])
async def test_a_run_without_segments_can_be_exported(idle_world: World, fmt: str, text: str | None) -> None:
    owner = idle_world.new_owner()
    body = await idle_world.accepted(owner, model="long")
    response = await idle_world.get(owner, f"/api/runs/{body['runId']}/export?fmt={fmt}")
    assert response.status_code == 200
    assert response.text == text if text is not None else response.json()["segments"] == []


async def test_an_unknown_format_is_422_and_names_the_known(idle_world: World) -> None:
    owner = idle_world.new_owner()
    body = await idle_world.accepted(owner, model="long")
    response = await idle_world.get(owner, f"/api/runs/{body['runId']}/export?fmt=pdf")
    assert response.status_code == 422
    assert "txt" in response.json()["detail"]


async def test_an_export_that_breaks_in_the_middle_does_not_look_whole(
    world: World, long_run: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, run_id = long_run
    segments = Runs.segments

    async def breaks(self: Runs, *ids: Any, after: int, limit: int) -> list[dict[str, Any]]:
        if after >= 0:
            raise OSError("the database is away")
        return await segments(self, *ids, after=after, limit=2)

    monkeypatch.setattr(Runs, "segments", breaks)
    with pytest.raises(Exception, match=r"(?i)peer closed|incomplete|disconnected|read"):
        await world.get(owner, f"/api/runs/{run_id}/export?fmt=txt")
