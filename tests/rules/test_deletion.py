"""A deletion meets workers that hold the units, retries and claims: nothing is written after it, nothing deadlocks."""

import asyncio
import random

import pytest

from lingoloop_common.child import Message
from lingoloop_common.errors import Problem
from lingoloop_common.store.ids import new_id
from lingoloop_common.store.runs import Fenced, lock_run
from lingoloop_common.sweep import Sweep
from lingoloop_gateway.control import SQL as CONTROL_SQL
from lingoloop_gateway.control import Control
from lingoloop_gateway.deletions import Deletions
from lingoloop_gateway.removals import Removals
from lingoloop_transcriber.claims import Claims
from tests.rows import AddedRun, add_worker
from tests.rules.workshop import LANE, HandDelivery, HandSlots, Workshop, claimed, finish, settled
from tests.waiting import eventually

LEFT = (
    "SELECT (SELECT count(*) FROM audio) + (SELECT count(*) FROM transcript_run) + (SELECT count(*) FROM job)"
    " + (SELECT count(*) FROM unit) + (SELECT count(*) FROM chunk) + (SELECT count(*) FROM segment)"
    " + (SELECT count(*) FROM waveform) + (SELECT count(*) FROM run_text) + (SELECT count(*) FROM run_event) + (SELECT count(*) FROM dead_letter)"
)


def deletions(shop: Workshop) -> Deletions:
    return Deletions(shop.database, shop.relay, Removals(shop.database, shop.blobs))


async def delete(shop: Workshop, run: AddedRun) -> None:
    await deletions(shop).delete(run.audio_id, run.owner)


async def test_a_worker_in_the_middle_of_a_chunk_is_stopped_by_its_next_heartbeat(shop: Workshop) -> None:
    run = await shop.add_run(units=1)
    slots = HandSlots(1)
    transcriber = shop.transcriber(slots)
    await transcriber.heartbeat.beat()
    token = HandDelivery()
    transcriber.worker.receive(token)
    call = await slots.call()
    await delete(shop, run)
    assert not call.stopped.is_set()
    await transcriber.heartbeat.beat()
    assert await settled(token) == "ack"
    assert call.stopped.is_set()
    assert await shop.value(LEFT) == 0


@pytest.mark.parametrize("end", ["finish", "fail"])
async def test_an_answer_that_comes_after_the_deletion_writes_nothing(shop: Workshop, end: str) -> None:
    run = await shop.add_run(units=1)
    slots = HandSlots(1)
    transcriber = shop.transcriber(slots, max_retries=0)
    await transcriber.heartbeat.beat()
    token = HandDelivery()
    transcriber.worker.receive(token)
    call = await slots.call()
    await delete(shop, run)
    getattr(call, end)()
    assert await settled(token) == "ack"
    assert await shop.value(LEFT) == 0


async def test_a_plan_that_goes_on_after_the_deletion_leaves_no_chunk_behind(shop: Workshop) -> None:
    run = await shop.add_run(units=0, planned=False)
    await shop.blobs.write(f"audio/{run.audio_id}", b"sound")
    slots = HandSlots(1)
    transcriber = shop.transcriber(slots)
    await transcriber.heartbeat.beat()
    token = HandDelivery()
    transcriber.worker.receive(token)
    call = await slots.call()
    await delete(shop, run)
    cut = {"start": 0, "stop": 16_000, "silent": False, "channels": None, "language": None, "pairs": "AAAA"}
    call._answers.put_nowait(Message(cut, b"00" * 16_000))
    assert await settled(token) == "ack"
    assert await shop.value(LEFT) == 0
    assert [path for path in shop.folder.rglob("*") if path.is_file()] == []


async def test_a_retry_that_comes_at_once_does_not_deadlock_with_the_deletion(shop: Workshop) -> None:
    """It holds the run and adds a job, while the deletion holds the audio and waits for the run."""
    run = await shop.add_run(units=1)
    async with shop.database.pool.acquire() as connection, connection.transaction():
        await lock_run(connection, run.run_id)
        deleting = asyncio.ensure_future(delete(shop, run))

        async def waits() -> bool:
            return await shop.waiters() == 1

        await eventually(waits)
        await connection.execute(CONTROL_SQL["another_job"], run.run_id, new_id(), None, None, timeout=5)
    await deleting
    assert await shop.value(LEFT) == 0


async def test_a_run_that_is_added_at_once_is_not_overlooked(shop: Workshop) -> None:
    """Whoever adds one holds the audio's key: the deletion waits for it, and sees it."""
    run = await shop.add_run(units=1)
    async with shop.database.pool.acquire() as connection, connection.transaction():
        await connection.execute(
            "INSERT INTO transcript_run (id, audio_id, owner, lane, status) VALUES ($1, $2, $3, $4, 'failed')",
            new_id(),
            run.audio_id,
            run.owner,
            LANE,
        )
        deleting = asyncio.ensure_future(delete(shop, run))

        async def waits() -> bool:
            return await shop.waiters() == 1

        await eventually(waits)
    await deleting
    assert await shop.value(LEFT) == 0
    assert await shop.value("SELECT runs FROM receipt") == 2


async def test_deletions_claims_ends_retries_and_sweeps_at_once_never_deadlock(shop: Workshop) -> None:
    luck = random.Random(7)
    runs = [await shop.add_run(owner=f"owner{number % 3}", units=30) for number in range(6)]
    async with shop.database.pool.acquire() as connection:
        workers = [Claims(shop.database, await add_worker(connection), LANE) for _ in range(4)]
    sweep, control = Sweep(shop.database, shop.broker, shop.relay), Control(shop.database, shop.relay)
    ended = asyncio.Event()

    async def sweep_on() -> None:
        while not ended.is_set():
            await sweep.sweep()

    async def work(claims: Claims) -> None:
        while claim := await claims.claim_unit(new_id(), redelivered=False):
            try:
                if luck.random() < 0.2:
                    await claims.hand_back(claim)
                else:
                    await finish(claims, claim)
            except Fenced:
                pass

    async def change(run: AddedRun) -> None:
        """Cancel and retry until the run is gone or done."""
        while True:
            for move in (control.cancel, control.retry):
                try:
                    await move(run.run_id, run.owner)
                except Problem as problem:
                    if problem.code == "not_found" or "succeeded" in problem.detail:
                        return

    async def delete_all() -> None:
        for run in runs:
            await asyncio.sleep(luck.random() / 20)  # anywhere within the others' work
            await delete(shop, run)

    async with asyncio.TaskGroup() as tasks:
        sweeping = tasks.create_task(sweep_on())
        working = [tasks.create_task(work(claims)) for claims in workers * 3]
        changing = [tasks.create_task(change(run)) for run in runs[::2]]
        await asyncio.wait([*working, *changing, tasks.create_task(delete_all())])
        ended.set()
        await sweeping
    assert await shop.value("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 0
    assert await shop.value(LEFT) == 0
    assert await shop.value("SELECT count(*) FROM receipt") == len(runs)


async def test_a_claim_after_the_deletion_finds_nothing(shop: Workshop) -> None:
    run = await shop.add_run(units=3)
    claims = Claims(shop.database, new_id(), LANE)
    held = await claimed(claims)
    await delete(shop, run)
    assert await claims.claim_unit(new_id(), redelivered=False) is None
    with pytest.raises(Fenced):
        await finish(claims, held)
    assert await shop.value("SELECT served FROM owner_service") == 0
