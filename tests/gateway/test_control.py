"""Cancel, retry and replay: what people do to runs, what it writes, and who may."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from prometheus_client import REGISTRY

from tests import media
from tests.gateway.world import World, running_world
from tests.rows import add_worker
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONG = media.wav_of_ms(400_000)


async def post(world: World, owner: str, path: str, **more: Any) -> httpx.Response:
    return await world.http.post(path, headers=world.bearer(owner, "runs:write admin"), **more)


async def states(world: World, run_id: str) -> dict[str, int]:
    rows = await world.database.pool.fetch(
        "SELECT state, count(*) FROM unit WHERE run_id::text = $1 GROUP BY state", run_id
    )
    return {row["state"]: row["count"] for row in rows}


async def events(world: World, run_id: str) -> list[tuple[int, str, str]]:
    rows = await world.database.pool.fetch(
        "SELECT seq, type, data::jsonb->>'event' || ' ' || (data::jsonb->>'status') AS told"
        " FROM run_event WHERE run_id::text = $1 ORDER BY seq",
        run_id,
    )
    return [(row["seq"], row["type"].split(".")[2], row["told"]) for row in rows]


async def with_units(world: World, owner: str, *unit_states: str) -> tuple[str, list[UUID]]:
    """Upload a long recording and put chunks with these states into its ledger, all planned; nobody works on it."""
    body = await world.accepted(owner, LONG)
    pool, run_id = world.database.pool, UUID(body["runId"])
    # Without one, what runs is taken back within a second.
    holder = await add_worker(pool, slots=0, lease=3600) if "running" in unit_states else None
    await pool.execute("UPDATE unit SET state = 'done' WHERE run_id = $1", run_id)
    units = [uuid4() for _ in unit_states]
    for index, (unit_id, state) in enumerate(zip(units, unit_states, strict=True)):
        await pool.execute(
            "INSERT INTO unit (id, run_id, job_id, owner, lane, kind, state, small, priority, position, cost,"
            " attempt, failures, error_code, error_message, holder)"
            " SELECT $1, run_id, job_id, owner, lane, 'chunk', $3, false, 0, $4::int * 20, 20, 1, 4,"
            " CASE WHEN $3 = 'failed' THEN 'engine_failed' END, CASE WHEN $3 = 'failed' THEN 'it broke' END,"
            " CASE WHEN $3 = 'running' THEN $5::uuid END"
            " FROM unit WHERE run_id = $2 AND kind = 'plan'",
            unit_id,
            run_id,
            state,
            index,
            holder,
        )
    failed = sum(state == "failed" for state in unit_states)
    open_units = sum(state in ("waiting", "ready", "running") for state in unit_states)
    await pool.execute(
        "UPDATE transcript_run SET planned = true, units_left = $2, units_failed = $3,"
        " status = CASE WHEN $2 = 0 THEN 'failed' ELSE 'processing' END,"
        " completed_at = CASE WHEN $2 = 0 THEN now() END,"
        " error_code = CASE WHEN $3 > 0 THEN 'engine_failed' END,"
        " error_message = CASE WHEN $3 > 0 THEN 'it broke' END WHERE id = $1",
        run_id,
        open_units,
        failed,
    )
    await pool.execute(
        "UPDATE job SET status = r.status FROM transcript_run r WHERE r.id = run_id AND run_id = $1", run_id
    )
    for unit_id, state in zip(units, unit_states, strict=True):
        if state == "failed":
            await pool.execute(
                "INSERT INTO dead_letter (id, unit_id, run_id, owner, lane, error_code, error_message)"
                " SELECT gen_random_uuid(), id, run_id, owner, lane, error_code, error_message FROM unit WHERE id = $1",
                unit_id,
            )
    return str(run_id), units


async def letters(world: World, owner: str) -> dict[UUID, str]:
    """Return an owner's dead letters that were not put back: their ids by their units'."""
    rows = await world.database.pool.fetch(
        "SELECT unit_id, id::text FROM dead_letter WHERE owner = $1 AND replayed_at IS NULL", owner
    )
    return {row["unit_id"]: row["id"] for row in rows}


class TestCancel:
    async def test_it_ends_the_run_with_its_own_cause_and_keeps_what_is_finished(
        self, idle_world: World
    ) -> None:
        owner = idle_world.new_owner()
        run_id, _ = await with_units(idle_world, owner, "done", "failed", "running", "ready", "waiting")
        answer = await post(idle_world, owner, f"/api/runs/{run_id}/cancel")
        assert answer.status_code == 202
        body = answer.json()
        assert (body["status"], body["error"]) == (
            "failed",
            {"code": "canceled", "message": "the run was cancelled"},
        )
        assert await states(idle_world, run_id) == {"done": 2, "failed": 1, "canceled": 3}
        assert (await events(idle_world, run_id))[-1][1:] == ("done", "done failed")
        [job] = (await idle_world.get(owner, f"/api/runs/{run_id}/progress")).json()["jobs"]
        assert (job["status"], job["errorMessage"]) == ("failed", "the run was cancelled")

    async def test_it_takes_the_units_from_whoever_holds_them(self, idle_world: World) -> None:
        owner = idle_world.new_owner()
        run_id, [unit] = await with_units(idle_world, owner, "running")
        await post(idle_world, owner, f"/api/runs/{run_id}/cancel")
        row = await idle_world.database.pool.fetchrow("SELECT * FROM unit WHERE id = $1", unit)
        assert row is not None
        assert (row["attempt"], row["holder"], row["message_id"]) == (2, None, None)

    @pytest.mark.parametrize("unit_states", [("failed",), ()])
    async def test_what_has_ended_cannot_be_cancelled(
        self, idle_world: World, unit_states: tuple[str, ...]
    ) -> None:
        owner = idle_world.new_owner()
        run_id, _ = await with_units(idle_world, owner, *unit_states)
        answer = await post(idle_world, owner, f"/api/runs/{run_id}/cancel")
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")

    async def test_no_letter_is_written_for_what_was_cancelled(self, idle_world: World) -> None:
        owner = idle_world.new_owner()
        run_id, _ = await with_units(idle_world, owner, "ready")
        await post(idle_world, owner, f"/api/runs/{run_id}/cancel")
        assert await letters(idle_world, owner) == {}


class TestRetry:
    async def test_only_what_is_missing_is_done_again(self, idle_world: World) -> None:
        owner = idle_world.new_owner()
        run_id, units = await with_units(idle_world, owner, "done", "failed", "failed")
        answer = await post(idle_world, owner, f"/api/runs/{run_id}/retry")
        assert answer.status_code == 202
        assert (answer.json()["status"], answer.json()["error"]) == ("queued", None)
        assert await states(idle_world, run_id) == {"done": 2, "ready": 2}
        row = await idle_world.database.pool.fetchrow(
            "SELECT * FROM transcript_run WHERE id::text = $1", run_id
        )
        assert row is not None
        assert (row["units_left"], row["units_failed"], row["error_code"], row["completed_at"]) == (
            2,
            0,
            None,
            None,
        )
        revived = await idle_world.database.pool.fetch("SELECT * FROM unit WHERE id = ANY($1)", units[1:])
        assert {(unit["failures"], unit["lost"], unit["error_code"]) for unit in revived} == {(0, 0, None)}
        assert await letters(idle_world, owner) == {}

    async def test_it_is_a_new_job_and_the_numbers_go_on(self, idle_world: World) -> None:
        owner = idle_world.new_owner()
        run_id, units = await with_units(idle_world, owner, "running", "done")
        await post(idle_world, owner, f"/api/runs/{run_id}/cancel")
        last = (await events(idle_world, run_id))[-1][0]
        await post(idle_world, owner, f"/api/runs/{run_id}/retry")
        jobs = (await idle_world.get(owner, f"/api/runs/{run_id}/progress")).json()["jobs"]
        assert [(job["jobType"], job["status"]) for job in jobs] == [
            ("transcribe_long", "failed"),
            ("transcribe_long", "queued"),
        ]
        unit = await idle_world.database.pool.fetchrow("SELECT job_id FROM unit WHERE id = $1", units[0])
        assert unit is not None
        assert str(unit["job_id"]) == jobs[1]["id"]
        assert (await events(idle_world, run_id))[-1] == (last + 1, "updated", "update queued")

    async def test_whoever_reads_the_events_later_does_not_take_the_old_end_for_the_end(
        self, idle_world: World
    ) -> None:
        owner = idle_world.new_owner()
        run_id, _ = await with_units(idle_world, owner, "running")
        await post(idle_world, owner, f"/api/runs/{run_id}/cancel")
        await post(idle_world, owner, f"/api/runs/{run_id}/retry")
        assert {kind for _, kind, _ in await events(idle_world, run_id)} == {"updated"}
        assert [told for *_, told in await events(idle_world, run_id)][-2:] == [
            "update failed",
            "update queued",
        ]

    @pytest.mark.parametrize("unit_states", [("running",), ("ready", "failed")])
    async def test_what_has_not_failed_cannot_be_tried_again(
        self, idle_world: World, unit_states: tuple[str, ...]
    ) -> None:
        owner = idle_world.new_owner()
        run_id, _ = await with_units(idle_world, owner, *unit_states)
        answer = await post(idle_world, owner, f"/api/runs/{run_id}/retry")
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


class TestDeadLetters:
    async def test_a_letter_names_run_work_and_cause(self, idle_world: World) -> None:
        owner = idle_world.new_owner()
        run_id, [unit] = await with_units(idle_world, owner, "failed")
        page = (
            await idle_world.http.get(
                "/api/admin/dead-letters?limit=1", headers=idle_world.bearer("ops", "admin")
            )
        ).json()
        [letter] = [item for item in page["items"] if item["owner"] == owner] or [None]
        if letter is None:  # another test's is newer
            found = (
                await idle_world.http.get(
                    "/api/admin/dead-letters?limit=1000", headers=idle_world.bearer("ops", "admin")
                )
            ).json()["items"]
            [letter] = [item for item in found if item["owner"] == owner]
        assert letter["runId"] == run_id
        assert letter["unitId"] == str(unit)
        assert (letter["kind"], letter["lane"], letter["code"], letter["message"]) == (
            "chunk",
            "simulated",
            "engine_failed",
            "it broke",
        )

    async def test_replaying_one_retries_its_unit_only_and_the_rest_still_counts(
        self, idle_world: World
    ) -> None:
        owner = idle_world.new_owner()
        run_id, units = await with_units(idle_world, owner, "failed", "failed", "done")
        letter = (await letters(idle_world, owner))[units[1]]
        answer = await post(idle_world, "ops", f"/api/admin/dead-letters/{letter}/replay")
        assert (answer.status_code, answer.json()) == (202, {"replayed": 1})
        row = await idle_world.database.pool.fetchrow(
            "SELECT * FROM transcript_run WHERE id::text = $1", run_id
        )
        assert row is not None
        assert (row["status"], row["units_left"], row["units_failed"], row["error_code"]) == (
            "queued",
            1,
            1,
            "engine_failed",
        )
        again = await post(idle_world, "ops", f"/api/admin/dead-letters/{letter}/replay")
        assert again.status_code == 409

    async def test_a_run_that_still_works_takes_its_unit_back_within_its_job(self, idle_world: World) -> None:
        owner = idle_world.new_owner()
        run_id, units = await with_units(idle_world, owner, "failed", "running")
        letter = (await letters(idle_world, owner))[units[0]]
        await post(idle_world, "ops", f"/api/admin/dead-letters/{letter}/replay")
        progress = (await idle_world.get(owner, f"/api/runs/{run_id}/progress")).json()
        assert (progress["status"], len(progress["jobs"])) == ("processing", 1)
        row = await idle_world.database.pool.fetchrow(
            "SELECT * FROM transcript_run WHERE id::text = $1", run_id
        )
        assert row is not None
        assert (row["units_left"], row["units_failed"], row["error_code"]) == (2, 0, None)

    async def test_many_are_put_back_by_ids(self, idle_world: World) -> None:
        owner = idle_world.new_owner()
        first, _ = await with_units(idle_world, owner, "failed", "failed")
        second, _ = await with_units(idle_world, owner, "failed")
        ids = list((await letters(idle_world, owner)).values())
        answer = await post(idle_world, "ops", "/api/admin/dead-letters/replay", json={"ids": ids})
        assert (answer.status_code, answer.json()) == (202, {"replayed": 3, "remaining": 0})
        assert [
            len((await idle_world.get(owner, f"/api/runs/{run}/progress")).json()["jobs"])
            for run in (first, second)
        ] == [2, 2]

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            (b"{", 400),
            (b"{}", 422),
            (b"[]", 422),
            (b'{"all": true, "code": "x"}', 422),
            (b'{"ids": ["x"]}', 422),
        ],
    )
    async def test_a_replay_says_which(self, idle_world: World, body: bytes, status: int) -> None:
        answer = await post(idle_world, "ops", "/api/admin/dead-letters/replay", content=body)
        assert answer.status_code == status

    async def test_a_body_that_cannot_be_unpacked_is_a_bad_request(self, idle_world: World) -> None:
        for encoding in ("gzip", "deflate"):
            answer = await idle_world.http.post(
                "/api/admin/dead-letters/replay",
                headers={**idle_world.bearer("ops", "admin"), "Content-Encoding": encoding},
                content=b"this is not packed at all",
            )
            assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")

    async def test_a_code_that_is_none_is_refused(self, idle_world: World) -> None:
        answer = await idle_world.http.get(
            "/api/admin/dead-letters?code=%00", headers=idle_world.bearer("ops", "admin")
        )
        assert answer.status_code == 422

    async def test_a_letter_that_nobody_wrote_is_not_found(self, idle_world: World) -> None:
        for name in (uuid4(), "x"):
            assert (
                await post(idle_world, "ops", f"/api/admin/dead-letters/{name}/replay")
            ).status_code == 404


@pytest.mark.parametrize("change", ["cancel", "retry"])
async def test_anothers_run_is_not_there(idle_world: World, change: str) -> None:
    run_id, _ = await with_units(idle_world, idle_world.new_owner(), "running")
    for path in (f"/api/runs/{run_id}/{change}", f"/api/runs/{uuid4()}/{change}", f"/api/runs/x/{change}"):
        assert (await post(idle_world, idle_world.new_owner(), path)).status_code == 404
    assert await states(idle_world, run_id) == {"done": 1, "running": 1}


@pytest.mark.parametrize("change", ["cancel", "retry"])
async def test_who_may_only_read_may_not_change(idle_world: World, change: str) -> None:
    owner = idle_world.new_owner()
    run_id, _ = await with_units(idle_world, owner, "running")
    headers = idle_world.bearer(owner, "runs:read")
    assert (await idle_world.http.post(f"/api/runs/{run_id}/{change}", headers=headers)).status_code == 403
    assert (await idle_world.http.post(f"/api/runs/{run_id}/{change}")).status_code == 401


@contextlib.asynccontextmanager
async def slow_world(url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """A world whose engine takes a second for a second of audio, and whose worker need not be waited for."""
    monkeypatch.setenv("SIMULATED_MS_PER_SECOND", "1000")
    monkeypatch.setattr("lingoloop_transcriber.heartbeat.PERIOD", 0.1)
    async with running_world(url, folder) as world:
        yield world


async def test_cancel_stops_the_slots_within_two_seconds_and_retry_finishes_the_rest(
    migrated_url: str, own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with slow_world(migrated_url, own_folder, monkeypatch) as world:
        run_id = (await world.accepted("ann", LONG))["runId"]

        def busy() -> float:
            return REGISTRY.get_sample_value("lingoloop_slots_busy", {"lane": "simulated"}) or 0

        await eventually(lambda: busy() == 2)
        assert (await post(world, "ann", f"/api/runs/{run_id}/cancel")).status_code == 202
        await eventually(lambda: busy() == 0, seconds=2)
        assert (await states(world, run_id)).keys() <= {"canceled", "done"}
    monkeypatch.setenv("SIMULATED_MS_PER_SECOND", "0")
    async with running_world(migrated_url, own_folder) as world:
        assert (await post(world, "ann", f"/api/runs/{run_id}/retry")).status_code == 202
        assert (await world.finished("ann", run_id))["status"] == "succeeded"
        run = (await world.get("ann", f"/api/runs/{run_id}")).json()
        assert (run["progress"], run["durationMs"]) == (100, 400_000)
