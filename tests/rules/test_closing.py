"""Rule 4: a run closes exactly once, with its last unit, whoever comes last."""

import asyncio

import pytest

from lingoloop_common.errors import WorkError
from lingoloop_common.store.ids import new_id
from lingoloop_transcriber.claims import Claims
from tests.ledger import check_ledger
from tests.rows import AddedRun
from tests.rules.commits import shut_gate
from tests.rules.workshop import LANE, Workshop, claimed, finish


async def new_run(shop: Workshop, units: int = 1, *, planned: bool = True) -> AddedRun:
    return await shop.add_run(units=units, planned=planned)


async def done_events(shop: Workshop) -> int:
    return int(await shop.value("SELECT count(*) FROM run_event WHERE type = 'lingoloop.run.done.v1'"))


async def test_two_last_chunks_that_end_at_once_close_the_run_once(shop: Workshop, migrated_url: str) -> None:
    run = await new_run(shop, units=2)
    one, two = Claims(shop.database, new_id(), LANE), Claims(shop.database, new_id(), LANE)
    first, second = await claimed(one), await claimed(two)
    async with shut_gate(shop, migrated_url) as gate:
        ends = [asyncio.create_task(finish(one, first))]
        await gate.holds(1)
        ends.append(asyncio.create_task(finish(two, second)))
        await gate.holds(2)
        await gate.open()
        closed = await asyncio.gather(*ends)
    assert sorted(closed) == [False, True]
    assert await done_events(shop) == 1
    await check_ledger(migrated_url, str(run.run_id))


@pytest.mark.parametrize("first", ["plan", "chunk"])
async def test_the_plans_end_and_the_last_chunks_end_at_once_close_the_run_once(
    shop: Workshop, migrated_url: str, first: str
) -> None:
    run = await new_run(shop, planned=False)
    one, two = Claims(shop.database, new_id(), LANE), Claims(shop.database, new_id(), LANE)
    chunk, plan = await claimed(one), await claimed(two)
    assert (chunk.kind, plan.kind) == ("chunk", "plan")

    async def end(kind: str) -> None:
        await (shop.ledger.finish(plan) if kind == "plan" else finish(one, chunk))

    async with shut_gate(shop, migrated_url) as gate:
        ends = [asyncio.create_task(end(first))]
        await gate.holds(1)
        ends.append(asyncio.create_task(end("chunk" if first == "plan" else "plan")))
        await gate.holds(2)
        await gate.open()
        await asyncio.gather(*ends)
    assert (await shop.run(run.run_id))["status"] == "succeeded"
    assert await done_events(shop) == 1
    await check_ledger(migrated_url, str(run.run_id))


async def test_chunks_that_all_ended_do_not_close_a_run_whose_plan_goes_on(shop: Workshop) -> None:
    run = await new_run(shop, planned=False)
    claims = Claims(shop.database, new_id(), LANE)
    assert not await finish(claims, await claimed(claims))
    assert (await shop.run(run.run_id))["status"] == "processing"


async def test_the_plans_end_closes_a_run_whose_chunks_have_ended(shop: Workshop) -> None:
    run = await new_run(shop, planned=False)
    claims = Claims(shop.database, new_id(), LANE)
    await finish(claims, await claimed(claims))
    await shop.ledger.finish(await claimed(claims))
    assert (await shop.run(run.run_id))["status"] == "succeeded"


async def test_after_a_unit_failed_for_good_the_others_still_finish_and_then_the_run_is_failed(
    shop: Workshop,
) -> None:
    run = await new_run(shop, units=3)
    claims = Claims(shop.database, new_id(), LANE)
    broken = await claimed(claims)
    await claims.report_failure(broken, WorkError("not_audio", "no"), retry_delays=(), max_retries=0)
    seen = []
    for _ in range(2):
        seen.append((await shop.run(run.run_id))["status"])
        await finish(claims, await claimed(claims))
    row = await shop.run(run.run_id)
    assert seen == ["processing", "processing"]
    assert (row["status"], row["error_code"], row["chunks_done"]) == ("failed", "not_audio", 2)
    assert await done_events(shop) == 1
    assert await shop.value("SELECT status FROM job") == "failed"


async def test_each_event_has_the_next_number(shop: Workshop) -> None:
    run = await new_run(shop, units=5)
    workers = [Claims(shop.database, new_id(), LANE) for _ in range(5)]
    claims = [await claimed(worker) for worker in workers]
    await asyncio.gather(*(finish(worker, claim) for worker, claim in zip(workers, claims, strict=True)))
    numbers = await shop.database.pool.fetch(
        "SELECT seq, owner_seq FROM run_event WHERE run_id = $1 ORDER BY seq", run.run_id
    )
    assert [tuple(row) for row in numbers] == [(number, number) for number in range(1, 6)]
