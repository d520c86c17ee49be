"""配置参数: each setting has the guide's name and default, is read from the environment, and does what it says.

Of the thresholds and of TASKS_INLINE_PROCESSING, test_thresholds.py shows what they do.
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic_settings import BaseSettings

import lingoloop_transcriber.app
from lingoloop_common.broker.memory import MemoryBroker
from lingoloop_common.lifecycle import Part, running
from lingoloop_common.settings import SettingsError, read_settings
from lingoloop_gateway.settings import GatewaySettings
from lingoloop_notifier.progress import Progress
from lingoloop_notifier.settings import NotifierSettings
from lingoloop_transcriber.settings import TranscriberSettings
from lingoloop_transcriber.slots import Slots
from lingoloop_transcriber.worker import Worker
from tests.guide.conftest import StartWorld, kept_environment
from tests.notifier.world import running_world
from tests.rows import add_worker
from tests.rules.workshop import HandDelivery, HandSlots, Workshop, settled
from tests.waiting import eventually

NEEDED = {
    "DATABASE_URL": "postgresql://lingoloop@db/lingoloop",
    "BROKER_URL": "memory://",
    "BLOB_DIR": "/blobs",
    "AUTH_JWT_SECRET": "a-secret-for-tests-that-is-long-enough-0123456789",
    "ENGINE": "simulated",
}


@pytest.fixture
def needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a service does not start without."""
    for name, value in NEEDED.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("needed")
@pytest.mark.parametrize(
    ("settings", "name", "default"),
    [
        (GatewaySettings, "transcribe_sync_max_bytes", 10_485_760),
        (GatewaySettings, "transcribe_sync_max_duration_ms", 60_000),
        (GatewaySettings, "tasks_inline_processing", False),  # the guide sets it for development
        (GatewaySettings, "poll_interval_ms", 2_000),
        (GatewaySettings, "gateway_port", 3002),  # of `curl http://localhost:3002/api/admin/worker`
        (NotifierSettings, "poll_interval_ms", 2_000),
        (TranscriberSettings, "worker_max_retries", 3),
        (TranscriberSettings, "worker_retry_delays", (5_000, 30_000, 120_000)),
        (TranscriberSettings, "job_timeout_ms", 30 * 60 * 1000),
    ],
)
def test_the_default_is_the_guides(settings: type[BaseSettings], name: str, default: object) -> None:
    assert getattr(read_settings(settings), name) == default


@pytest.mark.usefixtures("needed")
def test_without_max_concurrent_jobs_a_local_engine_gets_the_cores() -> None:
    """The guide says 3, for an engine elsewhere; one on this machine is as fast as its cores (design, section 8)."""
    assert read_settings(TranscriberSettings).slots == os.cpu_count()
    assert read_settings(TranscriberSettings, engine="openai").slots == 3


def parts(shop: Workshop) -> list[Part]:
    """Put a transcriber together as its settings in the environment say."""
    return lingoloop_transcriber.app.parts(
        read_settings(TranscriberSettings),
        database=shop.database,
        broker=shop.broker,
        relay=shop.relay,
        blobs=shop.blobs,
    )


def one(kind: type[Any], parts: list[Part]) -> Any:
    [part] = [part for part in parts if isinstance(part, kind)]
    return part


@pytest.fixture
def hand_slots(monkeypatch: pytest.MonkeyPatch) -> HandSlots:
    """A slot whose work the test does, for the transcriber that is put together next."""
    slots = HandSlots(1)
    monkeypatch.setattr(lingoloop_transcriber.app, "Slots", lambda count, config: slots)
    return slots


@pytest.mark.usefixtures("needed")
@pytest.mark.parametrize(
    ("variables", "waits"),
    [
        ({}, [5, 30, 120]),
        ({"WORKER_MAX_RETRIES": "0"}, []),
        ({"WORKER_MAX_RETRIES": "1"}, [5]),
        ({"WORKER_MAX_RETRIES": "4", "WORKER_RETRY_DELAYS": "1000, 70000"}, [1, 70, 70, 70]),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
async def test_a_unit_is_tried_again_as_often_and_as_late_as_the_environment_says(
    shop: Workshop,
    hand_slots: HandSlots,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    waits: list[int],
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    worker: Worker = one(Worker, parts(shop))
    [unit_id] = (await shop.add_run()).unit_ids

    async def fail_once() -> dict[str, Any]:
        delivery = HandDelivery()
        worker.receive(delivery)
        (await hand_slots.call()).fail()
        assert await settled(delivery) == "ack"
        return await shop.unit(unit_id)

    for wait in waits:
        before = await shop.value("SELECT now()")
        unit = await fail_once()
        after = await shop.value("SELECT now()")
        assert unit["state"] == "waiting"
        assert (unit["due_at"] - after).total_seconds() <= wait <= (unit["due_at"] - before).total_seconds()
        await shop.database.pool.execute("UPDATE unit SET state = 'ready', due_at = NULL")  # it is due
    unit = await fail_once()
    assert (unit["state"], unit["failures"], unit["due_at"]) == ("failed", len(waits) + 1, None)


@pytest.mark.usefixtures("needed")
@pytest.mark.parametrize("count", [1, 3])
async def test_max_concurrent_jobs_is_the_number_of_slots_and_of_units_at_a_time(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setenv("MAX_CONCURRENT_JOBS", str(count))
    monkeypatch.setenv("SHUTDOWN_GRACE_MS", "0")
    monkeypatch.setenv("SIMULATED_MS_PER_SECOND", "600000")
    run = await shop.add_run(units=count + 2)
    await shop.blobs.write(f"audio/{run.audio_id}", b"sound")
    await shop.send_tokens(count + 2)
    transcriber = parts(shop)
    async with running(transcriber):
        slots: Slots = one(Slots, transcriber)
        pids = slots.pids
        assert len(set(pids)) == count
        assert all(Path(f"/proc/{pid}").exists() for pid in pids)
        await eventually(lambda: shop.value("SELECT count(*) = $1 FROM unit WHERE state = 'running'", count))
        assert await shop.value("SELECT count(*) FROM unit WHERE state = 'ready'") == 2
        assert await shop.value("SELECT slots FROM worker") == count
        assert await shop.broker.depth("simulated") == 2, "a token was taken that no slot is free for"


@pytest.mark.usefixtures("needed")
async def test_job_timeout_ms_ends_a_unit_with_the_cause_deadline(
    shop: Workshop, hand_slots: HandSlots, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOB_TIMEOUT_MS", "1000")
    worker: Worker = one(Worker, parts(shop))
    [unit_id] = (await shop.add_run()).unit_ids
    delivery = HandDelivery()
    begin = time.monotonic()
    worker.receive(delivery)
    call = await hand_slots.call()
    assert await settled(delivery) == "ack"
    assert 1 <= time.monotonic() - begin < 15
    assert call.stopped.is_set()
    unit = await shop.unit(unit_id)
    assert (unit["state"], unit["failures"], unit["error_code"]) == ("waiting", 1, "deadline")


async def test_progress_in_between_comes_at_the_pace_of_poll_interval_ms(
    migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLL_INTERVAL_MS", "300")
    looks: list[tuple[float, float]] = []
    look = Progress.look

    async def noted(self: Progress) -> None:
        begin = time.monotonic()
        await look(self)
        looks.append((begin, time.monotonic()))

    monkeypatch.setattr(Progress, "look", noted)
    async with running_world(migrated_url, MemoryBroker()) as world:
        await add_worker(world.database.pool, lease=3600)
        run = await world.add_run("ann", units=0, planned=False, duration_ms=3_600_000)
        async with world.listen("ann", run) as listener:
            await listener.next()
            for pace in range(1, 6):  # each time there is something new to tell, as soon as the last was told
                await world.database.pool.execute("UPDATE worker SET pace = $1", float(pace))
                while (told := await listener.next()).data["estimatedTimeRemaining"] != 1800 * pace:
                    pass  # a look from before
                assert (told.id, told.kind) == (None, "update")
    pauses = [begin - end for (_, end), (begin, _) in pairwise(looks)]
    assert len(pauses) >= 4
    assert 0.29 < min(pauses) < 1.0


async def test_a_look_at_the_fleet_may_be_as_old_as_poll_interval_ms(
    start_world: StartWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("lingoloop_common.store.forecast.time", SimpleNamespace(monotonic=lambda: now))
    async with start_world(transcribes=False, POLL_INTERVAL_MS="50000") as world:
        run_id = (await world.accepted("ann", model="long"))["runId"]

        async def estimate_with(pace: int) -> int:
            await world.database.pool.execute(
                "UPDATE worker SET pace = $1, lease_until = now() + interval '1 h'", float(pace)
            )
            answer = await world.get("ann", f"/api/runs/{run_id}/progress")
            left: int = answer.json()["estimatedTimeRemaining"]
            return left

        assert await estimate_with(200) == 100  # a second of audio, in two slots
        now += 49
        assert await estimate_with(400) == 100
        now += 2
        assert await estimate_with(400) == 200


@pytest.fixture
async def untouched() -> AsyncIterator[Callable[[], tuple[int, int]]]:
    """A port that counts who comes; call what is given for the port and the count."""
    visits = 0

    async def count(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal visits
        visits += 1
        writer.close()

    async with await asyncio.start_server(count, "127.0.0.1", 0) as server:
        yield lambda: (server.sockets[0].getsockname()[1], visits)


WRONG = {
    "gateway": {
        "TRANSCRIBE_SYNC_MAX_BYTES": "-1",
        "TRANSCRIBE_SYNC_MAX_DURATION_MS": "one minute",
        "TASKS_INLINE_PROCESSING": "perhaps",
        "POLL_INTERVAL_MS": "0",
        "TRUSTED_PROXIES": "10.0.0.0/8, the office",
        "OWNER_STORAGE_BYTES": "1 GB",
        "OWNER_QUEUED_HOURS": "-1",
        "EVENT_RETENTION_HOURS": "0",
        "RETENTION_DAYS": "-1",
        "RATE_LIMIT_PER_OWNER": "few",
        "RATE_LIMIT_PER_ADDRESS": "-5",
    },
    "transcriber": {
        "WORKER_MAX_RETRIES": "many",
        "WORKER_RETRY_DELAYS": "5s,30s,2min",
        "MAX_CONCURRENT_JOBS": "0",
        "JOB_TIMEOUT_MS": "999",
        "OPENAI_REQUESTS_PER_MINUTE": "0",
    },
    "notifier": {
        "POLL_INTERVAL_MS": "2s",
        "RATE_LIMIT_PER_OWNER": "-1",
        "RATE_LIMIT_PER_ADDRESS": "-1",
        "AUTH_JWT_SECRET": "short",
    },
}


async def refusal(*command: str, port: int, folder: Path, **variables: str) -> list[str]:
    """Start a service that must not start, and return the lines that say why."""
    environment = {
        **kept_environment(),
        **NEEDED,
        "DATABASE_URL": f"postgresql://lingoloop@127.0.0.1:{port}/lingoloop",
        "BROKER_URL": f"amqp://guest:guest@127.0.0.1:{port}/",
        "BLOB_DIR": str(folder / "blobs"),
        "LINGOLOOP_DATA": str(folder / "data"),
        **variables,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        *command,
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await process.communicate()
    assert process.returncode == 1
    return err.decode().splitlines()


def names(lines: list[str]) -> set[str]:
    return {line.split(":")[0].strip() for line in lines if line.startswith("  ")}


@pytest.mark.parametrize("service", WRONG)
async def test_wrong_values_are_named_all_together_and_nothing_starts(
    service: str, untouched: Callable[[], tuple[int, int]], tmp_path: Path
) -> None:
    port, _ = untouched()
    lines = await refusal(f"lingoloop_{service}", port=port, folder=tmp_path, **WRONG[service])
    assert lines[0] == f"{service}: These settings cannot be used:"
    assert len(lines) == 1 + len(WRONG[service])
    assert names(lines) == set(WRONG[service])
    assert untouched() == (port, 0)
    assert not (tmp_path / "blobs").exists()


async def test_a_wrong_delay_is_not_shown_but_what_would_be_right(
    untouched: Callable[[], tuple[int, int]], tmp_path: Path
) -> None:
    port, _ = untouched()
    [_, line] = await refusal("lingoloop_transcriber", port=port, folder=tmp_path, WORKER_RETRY_DELAYS="5s,x")
    assert "5s" not in line
    assert "5000,30000,120000" in line


@pytest.mark.usefixtures("needed")
def test_a_delay_is_not_below_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKER_RETRY_DELAYS", "5000,-30000")
    with pytest.raises(SettingsError, match="WORKER_RETRY_DELAYS"):
        read_settings(TranscriberSettings)


async def test_in_one_process_too_they_are_named_all_together_and_nothing_starts(
    untouched: Callable[[], tuple[int, int]], tmp_path: Path
) -> None:
    port, _ = untouched()
    wrong = {**WRONG["gateway"], **WRONG["transcriber"]}
    lines = await refusal("lingoloop", "up", "--port", "0", port=port, folder=tmp_path, **wrong)
    assert names(lines) == set(wrong)
    assert untouched() == (port, 0)
