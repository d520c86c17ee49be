"""Points in time are the database's: a worker whose own clock is minutes off works like any other."""

import os
from pathlib import Path

import pytest

from lingoloop_common.lifecycle import running
from lingoloop_common.sweep import Sweep
from tests.fleet import Fleet
from tests.ledger import check_ledger
from tests.rules.workshop import Workshop
from tests.waiting import eventually

WRONG_CLOCK = """
import os, time

real, real_ns, off = time.time, time.time_ns, int(os.environ["CLOCK_OFF"])
time.time = lambda: real() + off
time.time_ns = lambda: real_ns() + off * 1_000_000_000
"""
"""Python runs it at the start of each process that finds it, slots among them."""

POINTS = {
    "lease_until": "SELECT lease_until FROM worker",
    "last_seen": "SELECT last_seen FROM worker",
    "claimed_at": "SELECT max(claimed_at) FROM unit",
    "done_at": "SELECT max(done_at) FROM chunk",
    "completed_at": "SELECT completed_at FROM transcript_run",
    "an event's": "SELECT max(created_at) FROM run_event",
}


@pytest.mark.parametrize("off", [-600, 600], ids=["ten minutes slow", "ten minutes fast"])
async def test_a_worker_whose_clock_is_off(
    plant: Workshop, migrated_url: str, rabbitmq_url: str, tmp_path: Path, off: int
) -> None:
    (tmp_path / "sitecustomize.py").write_text(WRONG_CLOCK)
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    fleet = Fleet(tmp_path, migrated_url, rabbitmq_url, ENGINE="simulated", MAX_CONCURRENT_JOBS="2")
    try:
        service = fleet.start("transcriber", PYTHONPATH=path, CLOCK_OFF=str(off))
        await service.ready()
        run = await plant.add_run(units=0, planned=False, status="queued", duration_ms=100_000)
        async with running([Sweep(plant.database, plant.broker, plant.relay)]):
            await plant.send_tokens(1)
            await eventually(lambda: plant.run_ended(run.run_id))
            for name, query in POINTS.items():
                apart = await plant.value(f"SELECT abs(extract(epoch FROM ({query}) - now()))::float8")
                assert apart < 30, name
        await check_ledger(migrated_url, str(run.run_id))
        rows = await plant.database.pool.fetch("SELECT failures, lost FROM unit")
        assert {tuple(row) for row in rows} == {(0, 0)}
        # Ids do carry its clock, and so show that it is off; nothing is decided by them.
        chunk = await plant.value("SELECT unit_id FROM chunk LIMIT 1")
        at = (chunk.int >> 80) / 1000
        now = await plant.value("SELECT extract(epoch FROM now())::float8")
        assert abs(at - now - off) < 60
    finally:
        fleet.stop()
