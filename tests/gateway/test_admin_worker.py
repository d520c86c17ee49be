"""The worker calls: who may, what they show, and that what is wanted is stored and obeyed."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests import media
from tests.gateway.world import World, running_world
from tests.rows import add_worker
from tests.waiting import eventually


async def call(world: World, method: str, query: str = "") -> httpx.Response:
    return await world.http.request(method, f"/api/admin/worker{query}", headers=world.bearer("ops", "admin"))


async def workers(world: World) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await call(world, "GET")).json()["workers"]
    return found


@pytest.fixture
async def own_world(migrated_url: str, own_folder: Path) -> Any:
    async with running_world(migrated_url, own_folder) as world:
        yield world


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_an_admin_may_and_nobody_else(own_world: World, method: str) -> None:
    assert (await call(own_world, method)).status_code == 200
    for scope in ("runs:read runs:write", ""):
        headers = own_world.bearer("ann", scope)
        refused = await own_world.http.request(method, "/api/admin/worker", headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert (await own_world.http.request(method, "/api/admin/worker")).status_code == 401


async def test_the_shape_is_the_documents(own_world: World) -> None:
    body = (await call(own_world, "GET")).json()
    assert set(body) == {"message", "status", "workers"}
    assert body["status"] == {"isRunning": True, "processingJobs": [], "processingCount": 0}
    [worker] = body["workers"]
    assert set(worker) == {"id", "state", "engine", "model", "slots", "busy", "lastSeen"}
    assert (worker["state"], worker["engine"], worker["slots"], worker["busy"]) == (
        "running",
        "simulated",
        2,
        0,
    )


async def test_delete_drains_what_is_in_flight_and_post_starts_again(
    migrated_url: str, own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMULATED_MS_PER_SECOND", "100")  # two seconds a chunk
    async with running_world(migrated_url, own_folder) as world:
        body = await world.accepted("ann", media.wav_of_ms(200_000))

        async def chunks(state: str) -> int:
            number: int = await world.database.pool.fetchval(
                "SELECT count(*) FROM unit WHERE state = $1 AND kind = 'chunk'", state
            )
            return number

        async def shown(state: str) -> bool:
            return [worker["state"] for worker in await workers(world)] == [state]

        await eventually(lambda: chunks("running"))
        working = (await call(world, "GET")).json()["status"]
        assert (working["processingJobs"], working["processingCount"]) == ([body["jobId"]], 1)
        assert (await call(world, "DELETE")).status_code == 200
        await eventually(lambda: shown("draining"))
        await eventually(lambda: shown("stopped"), seconds=10)
        stopped = (await call(world, "GET")).json()
        assert stopped["status"]["isRunning"] is False
        assert await chunks("running") == 0
        finished = await chunks("done")
        assert finished >= 1, "what was in flight is finished"
        assert await chunks("ready") > 0, "and nothing more is taken"
        failures = await world.database.pool.fetchval("SELECT sum(failures + lost) FROM unit")
        assert failures == 0
        assert (await call(world, "POST")).json()["status"]["isRunning"] is True
        await eventually(lambda: chunks("running"))


async def test_a_worker_that_starts_later_obeys_what_was_wanted_before(
    migrated_url: str, own_folder: Path
) -> None:
    async with running_world(migrated_url, own_folder, transcribes=False) as world:
        message = (await call(world, "DELETE")).json()["message"]
        assert "no more is taken" in message
        run_id = (await world.accepted("ann", media.wav_of_ms(90_000)))["runId"]
    async with running_world(migrated_url, own_folder) as world:

        async def beats() -> bool:
            return [worker["state"] for worker in await workers(world) if worker["slots"] == 2] != []

        await eventually(beats)
        assert all(worker["state"] == "stopped" for worker in await workers(world))
        assert (await world.get("ann", f"/api/runs/{run_id}")).json()["status"] == "queued"
        await call(world, "POST")
        assert (await world.finished("ann", run_id))["status"] == "succeeded"


async def test_one_worker_alone_is_stopped_by_its_id(own_world: World) -> None:
    other = await add_worker(own_world.database.pool, slots=5)
    [mine] = [worker["id"] for worker in await workers(own_world) if worker["id"] != str(other)]
    assert (await call(own_world, "DELETE", f"?id={mine}")).status_code == 200
    assert {worker["id"]: worker["state"] for worker in await workers(own_world)} == {
        mine: "stopped",
        str(other): "running",
    }
    await call(own_world, "POST")
    assert {worker["state"] for worker in await workers(own_world)} == {"running"}


async def test_a_worker_that_is_gone_cannot_be_told_anything(own_world: World) -> None:
    gone = await add_worker(own_world.database.pool, lease=None)
    assert (await call(own_world, "POST", f"?id={gone}")).status_code == 404
    assert (await call(own_world, "DELETE", f"?id={uuid4()}")).status_code == 404
    assert (await call(own_world, "DELETE", "?id=x")).status_code == 422
    assert str(gone) not in {worker["id"] for worker in await workers(own_world)}


async def test_nobody_alive_is_said_so(migrated_url: str, own_folder: Path) -> None:
    async with running_world(
        migrated_url, own_folder, transcribes=False, transcribe_sync_timeout_ms=200
    ) as world:
        await world.database.pool.execute("UPDATE worker SET lease_until = NULL")
        body = (await call(world, "GET")).json()
        assert (body["status"]["isRunning"], body["workers"]) == (False, [])
        assert "no worker is alive" in body["message"]
        assert (await world.post("ann", media.wav())).status_code == 202
