"""A worker that freezes and wakes up again, as real processes: its late result is dropped, its slots stop."""

import signal
import time
from pathlib import Path
from uuid import UUID

import pytest

from lingoloop_common.lifecycle import running
from lingoloop_common.sweep import Sweep
from tests.fleet import Fleet, Service
from tests.ledger import check_ledger
from tests.rules.workshop import Workshop
from tests.waiting import eventually

pytestmark = pytest.mark.slow


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def start(fleet: Fleet, ms_per_second: int) -> Service:
    service = fleet.start("transcriber", SIMULATED_MS_PER_SECOND=str(ms_per_second))
    await service.ready()
    return service


async def test_a_frozen_workers_late_result_is_dropped_and_its_slots_stop(
    plant: Workshop, migrated_url: str, rabbitmq_url: str, tmp_path: Path
) -> None:
    fleet = Fleet(tmp_path, migrated_url, rabbitmq_url, ENGINE="simulated", MAX_CONCURRENT_JOBS="1")
    sweep = Sweep(plant.database, plant.broker, plant.relay)
    try:
        frozen = await start(fleet, 8000)  # 8 s for a chunk of a second
        run = await plant.add_run(units=1)
        async with running([sweep]):
            await plant.send_tokens(1)
            await eventually(lambda: holder_of(plant))
            late = await holder_of(plant)
            slots = children(frozen.process.pid)
            assert len(slots) == 1
            frozen.send(signal.SIGSTOP)
            await end_lease(plant, late)
            other = await start(fleet, 0)
            await eventually(lambda: plant.run_ended(run.run_id))
            before = await plant.run(run.run_id)
            assert other.process.poll() is None
            frozen.send(signal.SIGCONT)
            await eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in slots), seconds=2)
            # It lives on, and works again.
            other.send(signal.SIGTERM)
            await other.wait()
            second = await plant.add_run(units=1, owner="bob")
            await plant.database.pool.execute(
                "UPDATE chunk SET end_sample = 1600 WHERE run_id = $1", second.run_id
            )
            await plant.database.pool.execute(
                "UPDATE transcript_run SET planned_samples = 1600 WHERE id = $1", second.run_id
            )
            await plant.send_tokens(1)
            await eventually(lambda: plant.run_ended(second.run_id))
        assert await plant.run(run.run_id) == before
        for run_id in (run.run_id, second.run_id):
            await check_ledger(migrated_url, str(run_id))
    except BaseException:
        print(fleet.logs())
        raise
    finally:
        fleet.stop()


async def holder_of(plant: Workshop) -> UUID | None:
    holder: UUID | None = await plant.value("SELECT holder FROM unit WHERE state = 'running'")
    return holder


async def end_lease(plant: Workshop, worker_id: UUID | None) -> None:
    """Let the time pass that its lease still lasts."""
    await plant.database.pool.execute(
        "UPDATE worker SET lease_until = now() - interval '1 s' WHERE id = $1", worker_id
    )


async def test_a_worker_whose_result_comes_out_of_the_freeze_drops_it(
    plant: Workshop, migrated_url: str, rabbitmq_url: str, tmp_path: Path
) -> None:
    """Its slot went on while it was frozen: the result lies in the pipe when it wakes up."""
    fleet = Fleet(tmp_path, migrated_url, rabbitmq_url, ENGINE="simulated", MAX_CONCURRENT_JOBS="1")
    sweep = Sweep(plant.database, plant.broker, plant.relay)
    try:
        frozen = await start(fleet, 1500)
        run = await plant.add_run(units=1)
        async with running([sweep]):
            await plant.send_tokens(1)
            await eventually(lambda: holder_of(plant))
            frozen.send(signal.SIGSTOP)
            ready_at = time.monotonic() + 2
            late = await holder_of(plant)
            await end_lease(plant, late)
            other = await start(fleet, 0)
            await eventually(lambda: plant.run_ended(run.run_id))
            before = await plant.run(run.run_id)
            await eventually(lambda: time.monotonic() > ready_at)  # its slot, not frozen, is done by then
            frozen.send(signal.SIGCONT)
            idle = "SELECT busy = 0 AND lease_until > now() FROM worker WHERE id = $1"
            await eventually(lambda: plant.value(idle, late), seconds=5)
            assert other.process.poll() is None
        assert await plant.run(run.run_id) == before
        await check_ledger(migrated_url, str(run.run_id))
        frozen.send(signal.SIGTERM)
        assert await frozen.wait() == 0
    except BaseException:
        print(fleet.logs())
        raise
    finally:
        fleet.stop()
