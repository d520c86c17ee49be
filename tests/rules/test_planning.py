"""Rule 10: a plan stays a bounded way ahead of the work, goes on where its ledger ends, and loses no sample."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lingoloop_common.child import Message
from lingoloop_common.contracts.engines import Abilities
from lingoloop_common.contracts.units import SAMPLE_RATE
from lingoloop_common.lifecycle import running
from lingoloop_common.store.ids import new_id
from lingoloop_transcriber.claims import Claims
from lingoloop_transcriber.slots import Slot, Slots
from tests import media
from tests.ledger import check_ledger
from tests.rows import AddedRun
from tests.rules.commits import shut_gate
from tests.rules.workshop import (
    LANE,
    EchoSlots,
    HandDelivery,
    Transcriber,
    Workshop,
    as_heard,
    claimed,
    finish,
    settled,
    simulated_slots,
)
from tests.speech import Samples, write_wav
from tests.waiting import eventually

LONG_MS = 50 * 60 * 1000
"""150 chunks of 20 seconds."""


async def hand_over(transcriber: Transcriber) -> None:
    """Give a worker one token and wait until it is settled."""
    delivery = HandDelivery()
    transcriber.worker.receive(delivery)
    await settled(delivery)


async def plan_of(shop: Workshop) -> dict[str, Any]:
    return await shop.unit(await shop.value("SELECT id FROM unit WHERE kind = 'plan'"))


async def finish_chunks(shop: Workshop, count: int) -> None:
    claims = Claims(shop.database, new_id(), LANE)
    for _ in range(count):
        await finish(claims, await claimed(claims))


async def test_a_plan_stops_when_it_is_far_enough_ahead_and_is_woken_at_half(shop: Workshop) -> None:
    await shop.add_run(units=0, planned=False, status="queued", duration_ms=LONG_MS)
    transcriber = shop.transcriber(simulated_slots(1))
    async with running(transcriber.parts):
        await hand_over(transcriber)
        assert (await plan_of(shop))["state"] == "waiting"
        assert await shop.value("SELECT count(*) FROM chunk") == 64
        tokens = await shop.tokens()
        await finish_chunks(shop, 31)
        assert (await plan_of(shop))["state"] == "waiting"
        await finish_chunks(shop, 1)
        assert (await plan_of(shop))["state"] == "ready"
        assert await shop.tokens() == tokens + 1
        await hand_over(transcriber)
        assert (await plan_of(shop))["state"] == "waiting"
        assert await shop.value("SELECT count(*) FROM chunk") == 96


async def test_a_plan_asks_how_long_an_imported_recording_is(shop: Workshop) -> None:
    options: dict[str, Any] = {"units": 0, "planned": False, "status": "queued", "duration_ms": None}
    run = await shop.add_run(sound=media.wav_of_ms(90_000), **options)
    transcriber = shop.transcriber(simulated_slots(1))
    async with running(transcriber.parts):
        await hand_over(transcriber)
        assert (await plan_of(shop))["state"] == "done"
        assert await shop.value("SELECT duration_ms FROM audio WHERE id = $1", run.audio_id) == 90_000
        assert (await shop.run(run.run_id))["planned_samples"] == 90 * SAMPLE_RATE


async def test_an_imported_recording_that_says_it_is_too_long_is_not_cut(shop: Workshop) -> None:
    options: dict[str, Any] = {"units": 0, "planned": False, "status": "queued", "duration_ms": None}
    await shop.add_run(sound=media.wav_of_ms(90_000), **options)
    transcriber = shop.transcriber(simulated_slots(1), longest_recording=60.0)
    async with running(transcriber.parts):
        await hand_over(transcriber)
    assert (await plan_of(shop))["error_code"] == "too_long"
    assert await shop.value("SELECT count(*) FROM chunk") == 0


async def test_a_recording_that_turns_out_too_long_fails_with_that(shop: Workshop) -> None:
    run = await shop.add_run(units=0, planned=False, status="queued", duration_ms=LONG_MS)
    transcriber = shop.transcriber(simulated_slots(1), longest_recording=60.0)
    async with running(transcriber.parts):
        await hand_over(transcriber)
    plan = await plan_of(shop)
    assert (plan["state"], plan["error_code"], plan["failures"]) == ("failed", "too_long", 1)
    assert await shop.value("SELECT max(end_sample) FROM chunk") == 60 * SAMPLE_RATE
    assert await shop.value("SELECT units_left FROM transcript_run WHERE id = $1", run.run_id) == 3


async def test_a_larger_fleet_is_planned_for_further_ahead(shop: Workshop) -> None:
    await shop.add_run(units=0, planned=False, status="queued", duration_ms=LONG_MS)
    transcriber = shop.transcriber(simulated_slots(1))
    async with running(transcriber.parts):
        transcriber.heartbeat.fleet_slots = 50
        await hand_over(transcriber)
    assert await shop.value("SELECT count(*) FROM chunk") == 100


async def test_a_plan_that_is_taken_back_when_it_is_far_enough_ahead_adds_nothing(shop: Workshop) -> None:
    await shop.add_run(units=0, planned=False, status="queued", duration_ms=LONG_MS)
    transcriber = shop.transcriber(simulated_slots(1))
    async with running(transcriber.parts):
        await hand_over(transcriber)
        await shop.database.pool.execute("UPDATE unit SET state = 'ready' WHERE kind = 'plan'")
        await hand_over(transcriber)
    assert (await plan_of(shop))["state"] == "waiting"
    assert await shop.value("SELECT count(*) FROM chunk") == 64


async def test_a_long_recording_is_never_more_than_its_bound_ahead_and_its_ledger_tiles(
    plant: Workshop, migrated_url: str
) -> None:
    await plant.database.pool.execute(
        "ALTER TABLE transcript_run ADD CONSTRAINT bound"
        " CHECK (units_left <= greatest(64, chunks_total / 2) + 1)"  # the plan itself counts
    )
    run = await plant.add_run(units=0, planned=False, status="queued", duration_ms=LONG_MS + 7)
    await plant.database.pool.execute("UPDATE unit SET position = 0")
    async with running(plant.transcriber(simulated_slots(2)).parts):
        await plant.send_tokens(1)
        await eventually(lambda: plant.run_ended(run.run_id))
    chunks = await check_ledger(migrated_url, str(run.run_id))
    assert chunks[-1]["end_sample"] == (LONG_MS + 7) * SAMPLE_RATE // 1000
    assert len(chunks) == 151


def speech_like(seconds: int) -> Samples:
    """Bursts of noise with quiet gaps."""
    noise = np.random.default_rng(3)
    sound = noise.normal(0, 3000, seconds * SAMPLE_RATE)
    for gap in np.arange(3, seconds, 3.7):
        sound[int(gap * SAMPLE_RATE) : int((gap + 0.4) * SAMPLE_RATE)] *= 0.01
    return sound.astype(np.int16)


def wav(folder: Path, samples: Samples) -> bytes:
    return write_wav(folder / "sound.wav", samples).read_bytes()


async def add_recording(shop: Workshop, samples: Samples, language: str | None = "en") -> AddedRun:
    run = await shop.add_run(
        sound=wav(shop.folder, samples),
        units=0,
        planned=False,
        status="queued",
        duration_ms=samples.size * 1000 // SAMPLE_RATE,
    )
    await shop.database.pool.execute("UPDATE transcript_run SET language = $1", language)
    return run


async def cuts(shop: Workshop) -> list[tuple[int, int]]:
    rows = await shop.database.pool.fetch("SELECT start_sample, end_sample FROM chunk ORDER BY index")
    return [(row["start_sample"], row["end_sample"]) for row in rows]


@pytest.mark.parametrize("what", ["kept", "missing", "half-written"])
async def test_a_chunk_is_heard_to_the_sample_also_when_its_blob_is_lost(shop: Workshop, what: str) -> None:
    samples = speech_like(90)
    await add_recording(shop, samples)
    slots = EchoSlots()
    transcriber = shop.transcriber(slots)
    await hand_over(transcriber)
    for blob in await shop.database.pool.fetch("SELECT blob FROM chunk"):
        path = shop.folder / "blobs" / blob["blob"]
        if what == "missing":
            path.unlink()
        elif what == "half-written":
            path.write_bytes(path.read_bytes()[:1000])
    ledger = await cuts(shop)
    for _ in ledger:
        await hand_over(transcriber)
    assert len(ledger) > 3
    assert await shop.value("SELECT status FROM transcript_run") == "succeeded"
    for (start, end), heard in zip(ledger, slots.engine.heard, strict=True):
        np.testing.assert_array_equal(heard, as_heard(samples[start:end]))


async def test_the_language_is_found_once_and_all_later_chunks_are_told(shop: Workshop) -> None:
    await add_recording(shop, speech_like(120), language=None)
    slots = EchoSlots()
    transcriber = shop.transcriber(slots)
    await hand_over(transcriber)
    assert await shop.value("SELECT language FROM transcript_run") == "pt"
    assert slots.engine.asked_for_language == 2
    while await shop.value("SELECT status FROM transcript_run") != "succeeded":
        await hand_over(transcriber)
    assert set(slots.engine.languages) == {"pt"}


async def test_a_language_that_was_named_is_not_looked_for(shop: Workshop) -> None:
    await add_recording(shop, speech_like(60), language="de")
    slots = EchoSlots()
    await hand_over(shop.transcriber(slots))
    assert slots.engine.asked_for_language == 0
    assert await shop.value("SELECT language FROM transcript_run") == "de"


async def test_silence_is_done_by_the_plan_without_a_unit(shop: Workshop, migrated_url: str) -> None:
    sound = speech_like(30)
    run = await add_recording(shop, np.concatenate([sound, np.zeros(90 * SAMPLE_RATE, np.int16), sound]))
    slots = EchoSlots()
    transcriber = shop.transcriber(slots)
    await hand_over(transcriber)
    silent = await shop.database.pool.fetch("SELECT * FROM chunk WHERE unit_id IS NULL")
    assert sum(row["end_sample"] - row["start_sample"] for row in silent) >= 30 * SAMPLE_RATE
    assert all(row["done_at"] and row["blob"] is None for row in silent)
    units = await shop.value("SELECT count(*) FROM unit WHERE kind = 'chunk'")
    assert units == len(await cuts(shop)) - len(silent)
    for _ in range(units):
        await hand_over(transcriber)
    assert len(slots.engine.heard) == units
    await check_ledger(migrated_url, str(run.run_id))


async def test_a_recording_of_silence_alone_succeeds_at_the_plans_end_and_leaves_no_files(
    shop: Workshop, migrated_url: str
) -> None:
    run = await add_recording(shop, np.zeros(100 * SAMPLE_RATE, np.int16))
    await hand_over(shop.transcriber(EchoSlots()))
    assert (await shop.run(run.run_id))["status"] == "succeeded"
    assert not (shop.folder / "blobs" / "chunks").exists()
    await check_ledger(migrated_url, str(run.run_id))


async def test_a_run_that_ended_leaves_no_chunk_behind(shop: Workshop) -> None:
    run = await add_recording(shop, speech_like(90))
    transcriber = shop.transcriber(EchoSlots())
    while not await shop.run_ended(run.run_id):
        await hand_over(transcriber)
    assert not list((shop.folder / "blobs" / "chunks").iterdir())


class KilledSlot(Slot):
    """A real slot process (without its model) that gets a SIGKILL in the middle of a plan."""

    def __init__(self, after: int | None) -> None:
        super().__init__(0, {"engine": "whisper", "model": None})
        self._after = after

    async def start(self) -> Abilities:
        await self._child.start()
        return Abilities()

    async def call(self, fields: Mapping[str, Any]) -> AsyncGenerator[Message, None]:
        count = 0
        async for message in super().call(fields):
            yield message
            count += 1
            if count == self._after:
                self._after = None
                assert self.pid is not None
                os.kill(self.pid, signal.SIGKILL)


class KilledSlots(Slots):
    """Only that slot."""

    def __init__(self, after: int | None) -> None:
        super().__init__(1, {})
        self._all = [KilledSlot(after)]


@pytest.mark.parametrize("after", [1, 3])
async def test_a_plan_that_goes_on_after_a_kill_gives_the_cuts_of_one_that_was_never_interrupted(
    shop: Workshop, after: int
) -> None:
    # So long that the process has not yet sent all when it is killed: a socket holds a fraction of it.
    samples = speech_like(15 * 60)
    await add_recording(shop, samples)
    transcriber = shop.transcriber(KilledSlots(after), retry_delays=(0.0,))
    async with running([transcriber.slots]):
        await hand_over(transcriber)
        stored = await cuts(shop)
        plan = await plan_of(shop)
        assert (plan["state"], plan["error_code"]) == ("waiting", "slot_died")
        await shop.database.pool.execute("UPDATE unit SET state = 'ready', due_at = NULL WHERE kind = 'plan'")
        await shop.database.pool.execute("UPDATE unit SET position = -1 WHERE kind = 'plan'")
        await hand_over(transcriber)
    resumed = await cuts(shop)
    assert resumed[: len(stored)] == stored
    assert after <= len(stored) < len(resumed)

    await shop.database.pool.execute("TRUNCATE transcript_run CASCADE")
    await add_recording(shop, samples)
    transcriber = shop.transcriber(KilledSlots(None))
    async with running([transcriber.slots]):
        await hand_over(transcriber)
    assert await cuts(shop) == resumed
    assert resumed[-1][1] == samples.size


async def test_a_plan_whose_worker_was_lost_goes_on_without_an_overlap(shop: Workshop) -> None:
    await shop.add_run(units=0, planned=False, duration_ms=60_000)
    message_id = new_id()
    lost = Claims(shop.database, new_id(), LANE)
    claim = await claimed(lost, message_id=message_id)
    await shop.ledger.add_chunk(
        claim, index=0, start=0, end=20 * SAMPLE_RATE, unit_id=new_id(), blob=None, language=None
    )
    transcriber = shop.transcriber(simulated_slots(1))
    async with running(transcriber.parts):
        delivery = HandDelivery(message_id, redelivered=True)
        transcriber.worker.receive(delivery)
        await settled(delivery)
    assert await cuts(shop) == [(at * SAMPLE_RATE, (at + 20) * SAMPLE_RATE) for at in (0, 20, 40)]


async def test_a_blob_carries_unit_and_attempt_so_a_fenced_plan_overwrites_nothing(shop: Workshop) -> None:
    await add_recording(shop, speech_like(30))
    await hand_over(shop.transcriber(EchoSlots()))
    row = await shop.database.pool.fetchrow("SELECT * FROM chunk WHERE index = 0")
    assert row is not None
    plan = await plan_of(shop)
    assert row["blob"] == f"chunks/{row['run_id']}/{row['unit_id']}.{plan['attempt']}.s16"


@pytest.mark.parametrize("first", ["plan", "chunk"])
async def test_the_plans_withholding_and_the_last_awaited_chunk_at_once_leave_a_plan_that_goes_on(
    shop: Workshop, migrated_url: str, first: str
) -> None:
    """Whoever commits first: the plan sees the room, or the chunk's end sees the plan waiting."""
    await shop.add_run(units=33, planned=False)
    one, two = Claims(shop.database, new_id(), LANE), Claims(shop.database, new_id(), LANE)
    chunk = await claimed(one)
    await shop.database.pool.execute("UPDATE unit SET position = -1 WHERE kind = 'plan'")
    plan = await claimed(two)

    async def end(kind: str) -> bool:
        return await (shop.ledger.withhold(plan, 1) if kind == "plan" else finish(one, chunk))

    async with shut_gate(shop, migrated_url) as gate:
        before = asyncio.create_task(end(first))
        await gate.holds(1)
        after = asyncio.create_task(end("chunk" if first == "plan" else "plan"))
        await gate.holds(2)
        await gate.open()
        ended = [await before, await after]
    if first == "plan":
        assert ended == [True, False]
        assert (await plan_of(shop))["state"] == "ready"
    else:
        assert ended == [False, False]
        assert (await plan_of(shop))["state"] == "running"
