"""Rule 1: a token claims the fairest unit that nobody holds; a token is surplus only when nothing is ready."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest

from lingoloop_common.store.ids import new_id
from lingoloop_common.store.runs import SQL as RUN_SQL
from lingoloop_common.sweep import Sweep
from lingoloop_transcriber.claims import Claims
from tests.rows import AddedRun, add_unit
from tests.rules.workshop import LANE, HandDelivery, HandSlots, Workshop, claimed, finish, settled


async def test_a_token_with_nothing_ready_is_acknowledged(shop: Workshop) -> None:
    slots = HandSlots(1)
    delivery = HandDelivery()
    shop.transcriber(slots).worker.receive(delivery)
    assert await settled(delivery) == "ack"
    assert slots.waiting == 0


async def test_a_claim_that_meets_only_locked_units_claims_again_and_keeps_its_token(shop: Workshop) -> None:
    slots = HandSlots(1)
    delivery = HandDelivery()
    [unit_id] = (await shop.add_run()).unit_ids
    async with shop.database.pool.acquire() as other:
        locked = other.transaction()
        await locked.start()
        await other.execute("SELECT FROM unit WHERE id = $1 FOR UPDATE", unit_id)
        shop.transcriber(slots).worker.receive(delivery)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(settled(delivery), 0.3)
        assert delivery.settled == []
        assert slots.waiting == 0
        await locked.rollback()
    (await slots.call()).finish()
    assert await settled(delivery) == "ack"
    assert (await shop.unit(unit_id))["state"] == "done"


async def test_a_claim_takes_another_unit_instead_of_waiting_for_a_locked_one(shop: Workshop) -> None:
    async with shop.database.pool.acquire() as other, other.transaction():
        first, second = (await shop.add_run(units=2)).unit_ids
        await other.execute("SELECT FROM unit WHERE id = $1 FOR UPDATE", first)
        claim = await asyncio.wait_for(claimed(Claims(shop.database, new_id(), LANE)), 5)
    assert claim.unit_id == second


async def test_a_claim_locks_the_unit_only(shop: Workshop) -> None:
    async with shop.database.pool.acquire() as other, other.transaction():
        run = await shop.add_run()
        await other.execute("SELECT FROM transcript_run WHERE id = $1 FOR UPDATE", run.run_id)
        await other.execute("SELECT FROM audio WHERE id = $1 FOR UPDATE", run.audio_id)
        await other.execute("INSERT INTO owner_stream VALUES ('ann', 1)")
        claim = await asyncio.wait_for(claimed(Claims(shop.database, new_id(), LANE)), 5)
    assert claim.unit_id == run.unit_ids[0]


async def test_a_row_that_is_being_tied_to_a_unit_does_not_keep_it_from_being_claimed(shop: Workshop) -> None:
    async with shop.database.pool.acquire() as other, other.transaction():
        [unit_id] = (await shop.add_run()).unit_ids
        await other.execute("SELECT FROM unit WHERE id = $1 FOR KEY SHARE", unit_id)  # as a foreign key does
        claim = await asyncio.wait_for(claimed(Claims(shop.database, new_id(), LANE)), 5)
    assert claim.unit_id == unit_id


async def test_claims_of_one_moment_get_different_units(shop: Workshop) -> None:
    run = await shop.add_run(units=12)
    workers = [Claims(shop.database, new_id(), LANE) for _ in range(12)]
    claims = await asyncio.gather(*(claimed(worker) for worker in workers))
    assert {claim.unit_id for claim in claims} == set(run.unit_ids)


async def _added_chunk(shop: Workshop, run: AddedRun) -> None:
    claims = Claims(shop.database, new_id(), LANE)
    plan = await claimed(claims)
    await shop.ledger.add_chunk(
        plan, index=0, start=0, end=16_000, unit_id=new_id(), blob=None, language=None
    )


async def _due_unit(shop: Workshop, run: AddedRun) -> None:
    await shop.database.pool.execute("UPDATE unit SET state = 'waiting', due_at = now()")
    await Sweep(shop.database, shop.broker, shop.relay).sweep()


async def _lost_unit(shop: Workshop, run: AddedRun) -> None:
    await claimed(Claims(shop.database, new_id(), LANE))  # of a worker that has no lease
    await Sweep(shop.database, shop.broker, shop.relay).sweep()


async def _woken_plan(shop: Workshop, run: AddedRun) -> None:
    await shop.database.pool.execute("UPDATE unit SET state = 'waiting'")
    await shop.database.pool.execute(RUN_SQL["wake_plan"], run.run_id)


async def _finished_chunk_that_wakes_the_plan(shop: Workshop, run: AddedRun) -> None:
    await shop.database.pool.execute("UPDATE unit SET state = 'waiting'")
    async with shop.database.pool.acquire() as connection:
        await add_unit(connection, run)
    claims = Claims(shop.database, new_id(), LANE)
    await finish(claims, await claimed(claims))


@pytest.mark.parametrize(
    "make_ready",
    [_added_chunk, _due_unit, _lost_unit, _woken_plan, _finished_chunk_that_wakes_the_plan],
    ids=lambda change: change.__name__.strip("_").replace("_", " "),
)
async def test_whatever_makes_a_unit_ready_writes_one_token(
    shop: Workshop, make_ready: Callable[[Workshop, AddedRun], Awaitable[None]]
) -> None:
    run = await shop.add_run(units=0, planned=False)
    await make_ready(shop, run)
    assert await shop.value("SELECT count(*) FROM unit WHERE state = 'ready'") == 1
    assert await shop.tokens() == 1


async def test_a_token_claims_only_in_its_lane(shop: Workshop) -> None:
    await shop.add_run(lane="whisper.base")
    assert await Claims(shop.database, new_id(), LANE).claim_unit(new_id(), redelivered=False) is None


async def test_the_claim_binds_token_and_holder_and_the_end_clears_them(shop: Workshop) -> None:
    worker_id, message_id = new_id(), new_id()
    claims = Claims(shop.database, worker_id, LANE)
    [unit_id] = (await shop.add_run()).unit_ids

    async def binding() -> tuple[UUID | None, UUID | None]:
        unit = await shop.unit(unit_id)
        return unit["message_id"], unit["holder"]

    claim = await claimed(claims, message_id=message_id)
    assert await binding() == (message_id, worker_id)
    await finish(claims, claim)
    assert await binding() == (None, None)
