"""Rule 9: a unit that takes too long is ended with its slot, and that is a failure."""

from pathlib import Path

import pytest

from lingoloop_common.lifecycle import running
from lingoloop_transcriber import attempts
from tests.rules.workshop import HandDelivery, Workshop, settled, simulated_slots
from tests.waiting import eventually


async def test_a_unit_past_its_deadline_ends_with_its_slot_and_counts_a_failure(shop: Workshop) -> None:
    [unit_id] = (await shop.add_run()).unit_ids
    transcriber = shop.transcriber(simulated_slots(1, seconds_each=60), job_timeout=0.3, retry_delays=(60.0,))
    async with running(transcriber.parts):
        [pid] = transcriber.slots.pids
        delivery = HandDelivery()
        transcriber.worker.receive(delivery)
        assert await settled(delivery) == "ack"
        unit = await shop.unit(unit_id)
        assert (unit["state"], unit["failures"], unit["error_code"]) == ("waiting", 1, "deadline")
        await eventually(lambda: not Path(f"/proc/{pid}").exists())


async def test_the_slot_that_took_too_long_comes_back_for_the_next_unit(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = iter([0.3, 60.0])  # the second may take its time: its slot is only just there
    monkeypatch.setattr(attempts, "deadline", lambda *_, **__: next(limits))
    await shop.add_run()
    transcriber = shop.transcriber(simulated_slots(1, seconds_each=60), retry_delays=(60.0,))
    async with running(transcriber.parts):
        late, second = HandDelivery(), HandDelivery()
        transcriber.worker.receive(late)
        await settled(late)
        run = await shop.add_run(owner="bob")
        await shop.database.pool.execute("UPDATE chunk SET end_sample = 16 WHERE run_id = $1", run.run_id)
        transcriber.worker.receive(second)
        await settled(second)
    assert (await shop.unit(run.unit_ids[0]))["state"] == "done"
