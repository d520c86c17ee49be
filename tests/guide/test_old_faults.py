"""Faults of the product before this one, so that none comes back; each test says first what went wrong then.

Its WORKER_* settings were read by nobody: test_settings.py. It had no lease: tests/rules/test_sweep.py, test_heartbeat.py.
"""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

import lingoloop_transcriber.app
from lingoloop_common.blobs import FolderBlobs
from lingoloop_common.broker.rabbitmq import RabbitBroker
from lingoloop_common.lifecycle import running
from lingoloop_common.relay import Relay
from lingoloop_common.settings import read_settings
from lingoloop_common.store.database import Database
from lingoloop_transcriber.settings import TranscriberSettings
from tests import media
from tests.gateway.world import World
from tests.guide.conftest import StartWorld, kept_environment
from tests.rows import add_run
from tests.rules.workshop import HandSlots, Workshop
from tests.waiting import eventually

in_module = pytest.mark.asyncio(loop_scope="module")

STREAMS = ["/api/runs/{run}/events", "/api/runs/events"]


async def long_run(world: World, owner: str) -> str:
    return str((await world.accepted(owner, media.wav(), model="long"))["runId"])


@contextlib.asynccontextmanager
async def opened(world: World, target: str, headers: dict[str, str]) -> AsyncIterator[httpx.Response]:
    """Send a request for a stream; of one that opens, nothing is read yet."""
    async with world.http.stream("GET", target, headers=headers) as response:
        yield response


async def first_frame(response: httpx.Response) -> list[str]:
    """Return the lines of a stream's first frame; `retry:` before it is none."""
    lines: list[str] = []
    async for line in response.aiter_lines():
        lines = [*lines, line] if line else lines
        if not line and any(line.startswith("data: ") for line in lines):
            break
    return lines


async def frame(response: httpx.Response) -> dict[str, Any]:
    """Return what a stream's first frame tells."""
    [data] = [line for line in await first_frame(response) if line.startswith("data: ")]
    told: dict[str, Any] = json.loads(data.removeprefix("data: "))
    return told


@in_module
@pytest.mark.parametrize("stream", STREAMS)
async def test_frames_had_names_so_that_the_guides_onmessage_never_saw_them(
    idle_world: World, stream: str
) -> None:
    """A frame with an `event:` line is for addEventListener; the guide's client has `onmessage`."""
    owner = idle_world.new_owner()
    target = stream.format(run=await long_run(idle_world, owner))
    async with opened(idle_world, target, idle_world.bearer(owner)) as response:
        plain = await first_frame(response)
    async with opened(idle_world, f"{target}?named=1", idle_world.bearer(owner)) as response:
        named = await first_frame(response)
    assert not [line for line in plain if line.startswith("event:")]
    [data] = [json.loads(line.removeprefix("data: ")) for line in plain if line.startswith("data: ")]
    assert data["event"] in ("init", "snapshot")
    assert f"event: {data['event']}" in named


def worker_environment(folder: Path, database_url: str, broker_url: str, **more: str) -> dict[str, str]:
    """Return what an operator sets for a worker."""
    return {
        **kept_environment(),
        "DATABASE_URL": database_url,
        "BROKER_URL": broker_url,
        "BLOB_DIR": str(folder / "blobs"),
        "ENGINE": "simulated",
        "MAX_CONCURRENT_JOBS": "1",
        "LOG_FORMAT": "json",
        "OPS_HOST": "127.0.0.1",
        "OPS_PORT": "0",
        **more,
    }


@contextlib.asynccontextmanager
async def started_worker(environment: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `lingoloop worker`; yield when it says that it is ready."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "lingoloop", "worker"),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stderr is not None
        async with asyncio.timeout(60):
            while b'"event": "ready"' not in (line := await process.stderr.readline()):
                assert line, "it ended before it was ready"
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def test_the_worker_would_not_start(migrated_url: str, tmp_path: Path) -> None:
    """What the guide calls `npm run worker` did not come up; now it needs nothing but its environment."""
    environment = worker_environment(tmp_path, migrated_url, "memory://")
    async with started_worker(environment) as process:
        connection = await asyncpg.connect(migrated_url)
        alive = await connection.fetchval("SELECT count(*) FROM worker WHERE lease_until > now()")
        await connection.close()
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    assert alive == 1


SKIPPED = """
SELECT r.id FROM transcript_run r
WHERE r.status = 'processing' AND NOT EXISTS (
    SELECT FROM unit u LEFT JOIN worker w ON w.id = u.holder AND w.lease_until >= now()
    WHERE u.run_id = r.id AND (u.state = 'ready' OR u.state = 'waiting' OR (u.state = 'running' AND w.id IS NOT NULL)))
"""
"""Runs that are said to be worked on, of which nothing is in a living worker's hands, nor ready for one."""


async def test_a_job_was_marked_processing_and_then_skipped(
    migrated_url: str, rabbitmq_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody worked on what was marked, and nobody took it up again."""
    environment = worker_environment(tmp_path, migrated_url, rabbitmq_url)
    database = Database(migrated_url, pool_max=10, startup_timeout=10, exclusive=False)
    broker, blobs = RabbitBroker(rabbitmq_url, startup_timeout=20), FolderBlobs(tmp_path / "blobs")
    relay = Relay(database, broker)
    async with running([blobs, database, broker, relay]):
        shop = Workshop(database, broker, relay, blobs, tmp_path)
        run = await shop.add_run(status="queued")
        async with started_worker({**environment, "SIMULATED_MS_PER_SECOND": "600000"}) as process:
            await shop.send_tokens(1)
            await eventually(lambda: shop.value("SELECT status = 'processing' FROM transcript_run"))
            assert await database.pool.fetch(SKIPPED) == []
            process.kill()
            await process.wait()
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        other = lingoloop_transcriber.app.parts(
            read_settings(TranscriberSettings), database=database, broker=broker, relay=relay, blobs=blobs
        )
        async with running(other):
            await eventually(lambda: shop.run_ended(run.run_id))
        assert await database.pool.fetch(SKIPPED) == []
        assert (await shop.run(run.run_id))["status"] == "succeeded"
        unit = await shop.unit(run.unit_ids[0])
        assert (unit["state"], unit["attempt"], unit["lost"], unit["failures"]) == ("done", 2, 1, 0)


async def test_retries_always_failed(start_world: StartWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second try could not succeed, whatever it did."""
    slots = HandSlots(2)
    monkeypatch.setattr(lingoloop_transcriber.app, "Slots", lambda count, config: slots)
    monkeypatch.setattr("lingoloop_common.sweep.PAUSE", 0.02)
    async with start_world(WORKER_MAX_RETRIES="3", WORKER_RETRY_DELAYS="50") as world:
        run_id = await long_run(world, "ann")
        for _ in range(2):
            (await slots.call()).fail()
        plan = await slots.call()
        plan.answer(start=0, stop=16_000, silent=False, channels=None, language="en")
        plan.answer(end=True, complete=True)
        (await slots.call()).finish()
        run = await world.finished("ann", run_id)
        [job] = (await world.get("ann", f"/api/runs/{run_id}/progress")).json()["jobs"]
    assert (run["status"], job["status"], job["retryCount"]) == ("succeeded", "succeeded", 2)


@in_module
async def test_admin_always_answered_403_while_progress_was_open_to_anyone(idle_world: World) -> None:
    """Operators could not steer their workers, and anyone could look at anyone's runs."""
    owner = idle_world.new_owner()
    progress = f"/api/runs/{await long_run(idle_world, owner)}/progress"
    admin, ordinary = idle_world.bearer("ops", "admin"), idle_world.bearer(owner)
    for method in ("GET", "DELETE", "POST"):
        answers = [
            await idle_world.http.request(method, "/api/admin/worker", headers=headers)
            for headers in (admin, ordinary, {})
        ]
        assert [answer.status_code for answer in answers] == [200, 403, 401]
    answers = [
        await idle_world.http.get(progress, headers=headers)
        for headers in (ordinary, idle_world.bearer(idle_world.new_owner()), {})
    ]
    assert [answer.status_code for answer in answers] == [200, 404, 401]


@in_module
@pytest.mark.parametrize("number", [2**31, 2**32 + 1, 2**53 + 1])
async def test_big_numbers_were_a_500(idle_world: World, number: int) -> None:
    """They do not fit into 32 bits, or into the 53 that a float keeps exactly."""
    owner = idle_world.new_owner()
    async with idle_world.database.pool.acquire() as connection:
        run = await add_run(connection, owner=owner, units=0, planned=False, duration_ms=number)
        await connection.execute("UPDATE audio SET size_bytes = $2 WHERE id = $1", run.audio_id, number)
        await connection.execute(
            "UPDATE transcript_run SET planned_samples = $2, done_samples = $2 WHERE id = $1",
            run.run_id,
            number,
        )
        # Long ago, so that the time that has passed is a big number too.
        await connection.execute(
            "UPDATE transcript_run SET created_at = now() - interval '70 years' WHERE id = $1", run.run_id
        )
    shown = (await idle_world.get(owner, f"/api/runs/{run.run_id}")).json()
    progress = (await idle_world.get(owner, f"/api/runs/{run.run_id}/progress")).json()
    [listed] = (await idle_world.get(owner, "/api/runs")).json()["items"]
    exported = (await idle_world.get(owner, f"/api/runs/{run.run_id}/export?fmt=json")).json()
    headers = idle_world.bearer(owner)
    async with opened(idle_world, f"/api/runs/{run.run_id}/events", headers) as response:
        init = await frame(response)
    async with opened(idle_world, "/api/runs/events", headers) as response:
        snapshot = await frame(response)
    assert progress["audio"]["sizeBytes"] == number
    for told in (shown, listed, exported, progress["audio"], init):
        assert told["durationMs"] == number
    for told in (shown, progress, listed, init, *snapshot["items"]):
        assert told["timeElapsed"] > 2**31
        assert told["progress"] == 6


HUGE = {
    "2^31": str(2**31),
    "2^63": str(2**63),
    "40 digits": "9" * 40,
    "5000 digits": "9" * 5_000,
    "far below zero": "-" + "9" * 40,
    "beyond floats": "1e400",
}


@in_module
@pytest.mark.parametrize("number", HUGE.values(), ids=HUGE)
async def test_big_numbers_in_a_query_were_a_500(idle_world: World, number: str) -> None:
    """They are a mistake of the caller, and are answered as one."""
    owner = idle_world.new_owner()
    run_id = await long_run(idle_world, owner)
    headers = idle_world.bearer(owner, "runs:write admin")
    for target in (
        "/api/runs?limit=",
        "/api/runs?cursor=",
        f"/api/runs/{run_id}/segments?limit=",
        f"/api/runs/{run_id}/segments?cursor=",
        "/api/admin/dead-letters?limit=",
        "/api/admin/dead-letters?cursor=",
        "/api/admin/worker?id=",
    ):
        method = "POST" if "worker" in target else "GET"
        answer = await idle_world.http.request(method, target + number, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_value"), target
    upload = await idle_world.post(owner, media.wav(), priority=number)
    assert (upload.status_code, upload.json()["code"]) == (422, "invalid_value")


@in_module
@pytest.mark.parametrize("number", HUGE.values(), ids=HUGE)
@pytest.mark.parametrize("stream", STREAMS)
async def test_big_numbers_as_the_last_event_id_were_a_500(
    idle_world: World, stream: str, number: str
) -> None:
    """An id beyond what is stored gets a fresh first frame."""
    owner = idle_world.new_owner()
    target = stream.format(run=await long_run(idle_world, owner))
    headers = {**idle_world.bearer(owner), "Last-Event-ID": number}
    async with opened(idle_world, target, headers) as response:
        assert (await frame(response))["event"] in ("init", "snapshot")


@in_module
@pytest.mark.parametrize(
    ("stream", "who", "status"),
    [
        (STREAMS[0], "somebody else", 404),
        (STREAMS[0], "without the scope", 403),
        (STREAMS[1], "without the scope", 403),
        (STREAMS[0], "with an old token", 401),
        (STREAMS[1], "with an old token", 401),
    ],
)
async def test_a_refused_stream_was_answered_with_200(
    idle_world: World, stream: str, who: str, status: int
) -> None:
    """A client could not tell that it was refused from a stream that has nothing to say yet."""
    owner = idle_world.new_owner()
    target = stream.format(run=await long_run(idle_world, owner))
    old = idle_world.token(owner, ttl=-31)
    headers = {
        "somebody else": idle_world.bearer(idle_world.new_owner()),
        "without the scope": idle_world.bearer(owner, "admin"),
        "with an old token": {"Authorization": f"Bearer {old}"},
    }[who]
    await check_refusal(idle_world, target, headers, status)


@in_module
@pytest.mark.parametrize("stream", STREAMS)
async def test_a_status_stream_needed_no_sign_in(idle_world: World, stream: str) -> None:
    """Whoever knew the address could listen."""
    target = stream.format(run=await long_run(idle_world, idle_world.new_owner()))
    await check_refusal(idle_world, target, {}, 401)
    await check_refusal(idle_world, f"{target}?access_token=", {}, 401)


async def check_refusal(world: World, target: str, headers: dict[str, str], status: int) -> None:
    async with opened(world, target, headers) as response:
        assert response.status_code == status
        assert response.headers["Content-Type"] == "application/problem+json"
        await response.aread()
    assert response.json()["status"] == status
