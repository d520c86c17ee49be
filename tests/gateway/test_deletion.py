"""`DELETE /api/audios/{id}`: a recording goes with all that came of it, at once or after a crash; a receipt stays."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import orjson
import pytest
from prometheus_client import REGISTRY

from lingoloop_common.blobs import FolderBlobs
from lingoloop_gateway import deletions, removals
from lingoloop_gateway.removals import Removals
from lingoloop_gateway.runs import Runs
from tests import media
from tests.gateway.world import World, running_world
from tests.rows import add_worker
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONG = media.wav_of_ms(400_000)
OF_RUNS = (
    "segment",
    "segment_edit",
    "run_text",
    "waveform",
    "run_event",
    "dead_letter",
    "chunk",
    "unit",
    "job",
    "run_webhook",
    "webhook_delivery",
)


async def delete(world: World, owner: str, audio_id: str) -> httpx.Response:
    return await world.http.delete(f"/api/audios/{audio_id}", headers=world.bearer(owner))


def files(world: World, *ids: str) -> list[str]:
    """Return the names of all files in storage that hold an id."""
    found = [str(path.relative_to(world.folder)) for path in world.folder.rglob("*") if path.is_file()]
    return [name for name in found if not ids or any(one in name for one in ids)]


async def rows(world: World, run_id: str) -> dict[str, int]:
    """Count what is left of a run."""
    counts = {
        table: await world.database.pool.fetchval(
            f"SELECT count(*) FROM {table} WHERE run_id = $1", UUID(run_id)
        )
        for table in OF_RUNS
    }
    return {table: count for table, count in counts.items() if count}


def lasting(counts: dict[str, int]) -> dict[str, int]:
    """Leave out what is written when its time has come."""
    return {table: count for table, count in counts.items() if table != "run_text"}


def add_chunk_blob(world: World, run_id: str) -> None:
    """Store a chunk, as a plan does."""
    path = world.folder / "chunks" / run_id / f"{uuid4()}.1.s16"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"00" * 100)


async def another_run(world: World, run_id: str, status: str) -> str:
    """Add a run over the same recording, with a unit that nobody has begun if it is not over."""
    other = await world.database.pool.fetchval(
        "INSERT INTO transcript_run (id, audio_id, owner, status, lane, units_left)"
        " SELECT gen_random_uuid(), audio_id, owner, $2, lane, ($2 = 'queued')::int"
        " FROM transcript_run WHERE id = $1 RETURNING id",
        UUID(run_id),
        status,
    )
    await world.database.pool.execute(
        "WITH job AS (INSERT INTO job (id, run_id, audio_id, job_type, status)"
        " SELECT gen_random_uuid(), id, audio_id, 'transcribe_long', status FROM transcript_run WHERE id = $1"
        " RETURNING id)"
        " INSERT INTO unit (id, run_id, job_id, owner, lane, kind, state, small, priority, position, cost)"
        " SELECT gen_random_uuid(), r.id, job.id, r.owner, r.lane, 'plan',"
        " CASE r.status WHEN 'queued' THEN 'ready' ELSE 'failed' END, false, 0, 0, 1"
        " FROM transcript_run r, job WHERE r.id = $1",
        other,
    )
    return str(other)


async def test_nothing_of_a_recording_stays_but_the_receipt(world: World) -> None:
    owner, data = world.new_owner(), media.wav_of_ms(61_000)
    body = await world.accepted(owner, data, filename="my secret.wav")
    await world.finished(owner, body["runId"])
    await world.accepted(owner, data, webhookUrl="https://hooks.example/")
    edit = f"/api/runs/{body['runId']}/segments/0"
    await world.http.patch(edit, content=b'{"text": "secret"}', headers=world.bearer(owner))
    await world.index(UUID(body["runId"]))
    await world.database.pool.execute("INSERT INTO waveform VALUES ($1, 0, 'x')", UUID(body["runId"]))
    assert (await rows(world, body["runId"])).keys() == set(OF_RUNS) - {"dead_letter"}
    events = (await rows(world, body["runId"]))["run_event"]
    add_chunk_blob(world, body["runId"])
    answer = await delete(world, owner, body["audioId"])
    receipt = answer.json()
    assert answer.status_code == 200
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", receipt.pop("deletedAt"))
    assert UUID(receipt.pop("id")).version == 7
    assert receipt == {
        "audioId": body["audioId"],
        "owner": owner,
        "runs": 1,
        "segments": 13,
        "events": events,
        "sizeBytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    assert await rows(world, body["runId"]) == {}
    assert await world.count("transcript_run", owner) == await world.count("audio", owner) == 0
    assert files(world, body["audioId"], body["runId"]) == []
    stored = await world.database.pool.fetchrow("SELECT * FROM receipt WHERE owner = $1", owner)
    assert stored is not None
    assert "secret" not in str(dict(stored))
    assert "simulated" not in str(dict(stored))


async def test_the_storage_is_empty_when_all_recordings_were_deleted(
    migrated_url: str, own_folder: Path
) -> None:
    async with running_world(migrated_url, own_folder, transcribes=False) as world:
        bodies = [await world.accepted("ann", model="long") for _ in range(3)]
        for body in bodies:
            add_chunk_blob(world, body["runId"])
        assert len(files(world)) == 6
        for body in bodies:
            await delete(world, "ann", body["audioId"])
        assert files(world) == []


@pytest.mark.parametrize("target", ["", "/content"])
async def test_what_was_deleted_is_not_found_any_more(idle_world: World, target: str) -> None:
    owner = idle_world.new_owner()
    body = await idle_world.accepted(owner, model="long")
    await delete(idle_world, owner, body["audioId"])
    again = await delete(idle_world, owner, body["audioId"])
    assert (again.status_code, again.json()["code"]) == (404, "not_found")
    assert (await idle_world.get(owner, f"/api/audios/{body['audioId']}{target}")).status_code == 404
    for path in ("", "/progress", "/segments", "/export", "/events"):
        assert (await idle_world.get(owner, f"/api/runs/{body['runId']}{path}")).status_code == 404
    assert await idle_world.count("receipt", owner) == 1


async def test_of_two_at_once_one_deletes(idle_world: World) -> None:
    owner = idle_world.new_owner()
    body = await idle_world.accepted(owner, model="long")
    answers = await asyncio.gather(*(delete(idle_world, owner, body["audioId"]) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 404, 404, 404]


async def test_all_runs_of_the_recording_go_with_it_and_no_others(idle_world: World) -> None:
    owner = idle_world.new_owner()
    body, kept = [await idle_world.accepted(owner, model="long") for _ in range(2)]
    runs = [body["runId"]]
    runs += [
        await another_run(idle_world, body["runId"], status) for status in ("queued", "failed", "queued")
    ]
    before = lasting(await rows(idle_world, kept["runId"]))
    receipt = (await delete(idle_world, owner, body["audioId"])).json()
    # The upload's event, and an end for each of the three that were under way.
    assert (receipt["runs"], receipt["events"]) == (4, 4)
    for run_id in runs:
        assert await rows(idle_world, run_id) == {}
    assert lasting(await rows(idle_world, kept["runId"])) == before
    assert len(files(idle_world, kept["audioId"])) == 1


async def test_pages_of_the_list_stay_right_when_the_audio_at_their_border_is_deleted(
    idle_world: World,
) -> None:
    owner = idle_world.new_owner()
    ids = [(await idle_world.accepted(owner, model="long"))["audioId"] for _ in range(4)]
    first = (await idle_world.get(owner, "/api/audios?limit=2")).json()
    await delete(idle_world, owner, first["items"][-1]["id"])
    rest = (await idle_world.get(owner, f"/api/audios?limit=2&cursor={first['nextCursor']}")).json()
    assert [item["id"] for item in rest["items"]] == [ids[1], ids[0]]


async def test_what_the_claims_charged_for_work_that_is_cut_off_is_given_back(idle_world: World) -> None:
    owner = idle_world.new_owner()
    body = await idle_world.accepted(owner, model="long")
    served = "SELECT served FROM owner_service WHERE owner = $1"
    before = await idle_world.database.pool.fetchval(served, owner)
    holder = await add_worker(idle_world.database.pool, slots=0)  # without one, it may be taken back before
    await idle_world.database.pool.execute(
        "UPDATE unit SET state = 'running', cost = 7, holder = $2 WHERE owner = $1", owner, holder
    )
    await delete(idle_world, owner, body["audioId"])
    assert await idle_world.database.pool.fetchval(served, owner) == before - 7


async def frames(response: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    """Yield the data of a stream's frames."""
    async for line in response.aiter_lines():
        if line.startswith("data:"):
            yield orjson.loads(line[5:])


async def test_whoever_follows_a_run_is_told_its_end_and_its_stream_ends(idle_world: World) -> None:
    owner = idle_world.new_owner()
    body = await idle_world.accepted(owner, model="long")
    headers, run_id = idle_world.bearer(owner), body["runId"]
    async with (
        idle_world.http.stream("GET", f"/api/runs/{run_id}/events", headers=headers) as of_run,
        idle_world.http.stream("GET", "/api/runs/events", headers=headers) as of_owner,
    ):
        run_frames, owner_frames = frames(of_run), frames(of_owner)
        assert (await anext(run_frames))["event"] == "init"
        assert (await anext(owner_frames))["event"] == "snapshot"
        await delete(idle_world, owner, body["audioId"])
        *between, end = [frame async for frame in run_frames]
        told = await anext(frame async for frame in owner_frames if frame["event"] == "done")
    assert {frame["event"] for frame in between} <= {"update"}
    for frame in (end, told):
        assert (frame["event"], frame["runId"], frame["status"]) == ("done", run_id, "failed")
        assert frame["error"] == {"code": "canceled", "message": "the recording was deleted"}


async def test_a_small_upload_that_is_deleted_while_it_is_waited_for_is_answered(
    migrated_url: str, own_folder: Path
) -> None:
    async with running_world(migrated_url, own_folder, transcribes=False) as world:
        posting = asyncio.create_task(world.post("ann", media.wav()))
        await eventually(lambda: world.count("audio", "ann"))
        [item] = (await world.get("ann", "/api/audios")).json()["items"]
        await delete(world, "ann", item["id"])
        assert (await posting).status_code == 404


async def test_an_export_during_which_its_run_is_deleted_does_not_look_whole(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = world.new_owner()
    body = await world.accepted(owner, media.wav_of_ms(61_000))
    await world.finished(owner, body["runId"])
    segments = Runs.segments

    async def slow(self: Runs, *ids: Any, after: int, limit: int, **more: Any) -> list[dict[str, Any]]:
        if after >= 0:
            await delete(world, owner, body["audioId"])
        return await segments(self, *ids, after=after, limit=2, **more)

    monkeypatch.setattr(Runs, "segments", slow)
    with pytest.raises(httpx.RemoteProtocolError):
        await world.get(owner, f"/api/runs/{body['runId']}/export?fmt=txt")


class TestWhenItIsCutOff:
    async def test_a_crash_after_the_commit_leaves_no_blob_for_good(
        self, migrated_url: str, own_folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def crashes(*_: object) -> None:
            raise ConnectionResetError("the process died")

        async with running_world(migrated_url, own_folder, transcribes=False) as world:
            body = await world.accepted("ann", model="long")
            add_chunk_blob(world, body["runId"])
            with monkeypatch.context() as patch:
                patch.setattr(Removals, "remove", crashes)
                assert (await delete(world, "ann", body["audioId"])).status_code == 200
            assert len(files(world)) == 2
        async with running_world(migrated_url, own_folder, transcribes=False) as world:
            await eventually(lambda: files(world) == [])

    async def test_a_failure_before_the_commit_leaves_everything(
        self, idle_world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        owner = idle_world.new_owner()
        body = await idle_world.accepted(owner, model="long")
        before = lasting(await rows(idle_world, body["runId"]))
        with monkeypatch.context() as patch:
            patch.setitem(deletions.SQL, "delete_audio", deletions.SQL["delete_audio"] + ", 1 / 0")
            assert (await delete(idle_world, owner, body["audioId"])).status_code == 500
        assert lasting(await rows(idle_world, body["runId"])) == before
        assert len(files(idle_world, body["audioId"])) == 1
        assert (await idle_world.get(owner, f"/api/runs/{body['runId']}")).json()["status"] == "queued"

    async def test_a_blob_that_cannot_be_deleted_is_tried_again_and_keeps_no_other_waiting(
        self, idle_world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        owner = idle_world.new_owner()
        stuck, other = [await idle_world.accepted(owner, model="long") for _ in range(2)]
        remove = FolderBlobs.remove

        async def refuses(self: FolderBlobs, name: str) -> None:
            if stuck["audioId"] in name:
                raise PermissionError(13, "Permission denied")
            await remove(self, name)

        with monkeypatch.context() as patch:
            patch.setattr(FolderBlobs, "remove", refuses)
            for body in (stuck, other):
                assert (await delete(idle_world, owner, body["audioId"])).status_code == 200
        assert len(files(idle_world, stuck["audioId"])) == 1
        assert files(idle_world, other["audioId"]) == []
        pool, name = idle_world.database.pool, f"audio/{stuck['audioId']}"
        assert await pool.fetchval(
            "SELECT due_at > now() + interval '50 s' FROM removal WHERE name = $1", name
        )
        await pool.execute("UPDATE removal SET due_at = now() WHERE name = $1", name)
        await Removals(idle_world.database, FolderBlobs(idle_world.folder)).remove_due()
        assert files(idle_world, stuck["audioId"]) == []
        assert await pool.fetchval("SELECT count(*) FROM removal WHERE name = $1", name) == 0

    async def test_a_chunk_that_a_late_worker_stores_goes_too_and_then_nothing_is_remembered(
        self, idle_world: World
    ) -> None:
        owner = idle_world.new_owner()
        body = await idle_world.accepted(owner, model="long")
        await delete(idle_world, owner, body["audioId"])
        add_chunk_blob(idle_world, body["runId"])
        pool, name = idle_world.database.pool, f"chunks/{body['runId']}"
        late = await pool.fetchrow(
            "SELECT last_at - now() AS left, due_at = last_at AS once_more FROM removal WHERE name = $1", name
        )
        assert late is not None
        assert 50 < late["left"].total_seconds() < 60
        assert late["once_more"]
        await pool.execute("UPDATE removal SET due_at = now(), last_at = now() WHERE name = $1", name)
        await Removals(idle_world.database, FolderBlobs(idle_world.folder)).remove_due()
        assert files(idle_world, body["runId"]) == []
        assert await pool.fetchval("SELECT count(*) FROM removal WHERE name = $1", name) == 0

    async def test_more_than_a_batch_is_removed_in_one_pass(
        self, idle_world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(removals, "BATCH", 2)
        names = [f"chunks/{uuid4()}" for _ in range(5)]
        for name in names:
            add_chunk_blob(idle_world, name.removeprefix("chunks/"))
        pool = idle_world.database.pool
        await pool.execute("INSERT INTO removal (name, last_at) SELECT unnest($1::text[]), now()", names)
        await Removals(idle_world.database, FolderBlobs(idle_world.folder)).remove_due()
        assert files(idle_world, *(name.removeprefix("chunks/") for name in names)) == []


async def test_workers_of_a_deleted_run_stop_within_two_seconds_and_write_nothing(
    migrated_url: str, own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy() -> float:
        return REGISTRY.get_sample_value("lingoloop_slots_busy", {"lane": "simulated"}) or 0

    monkeypatch.setenv("SIMULATED_MS_PER_SECOND", "1000")
    monkeypatch.setattr("lingoloop_transcriber.heartbeat.PERIOD", 0.1)  # so that most of the time is left
    async with running_world(migrated_url, own_folder) as world:
        body = await world.accepted("ann", LONG)
        await eventually(lambda: busy() == 2)
        assert (await delete(world, "ann", body["audioId"])).status_code == 200
        await eventually(lambda: busy() == 0, seconds=2)
        assert await rows(world, body["runId"]) == {}
        assert files(world) == []
        # The slots are free for others: one second of sound takes a second.
        other = await world.accepted("bob", media.wav())
        assert (await world.finished("bob", other["runId"]))["status"] == "succeeded"
