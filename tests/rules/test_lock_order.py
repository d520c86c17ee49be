"""Rule 5: run, then its units by id, then the owner's stream: whatever ends at once never deadlocks."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest

from lingoloop_common.contracts.events import ErrorCause
from lingoloop_common.errors import WorkError
from lingoloop_common.store.ids import new_id
from lingoloop_common.store.runs import Change, Fenced, change_run, lock_run
from lingoloop_common.sweep import Sweep
from lingoloop_transcriber.claim import Claim
from lingoloop_transcriber.claims import Claims
from tests.rows import AddedRun, add_worker
from tests.rules.workshop import LANE, Workshop, claimed, finish
from tests.waiting import eventually


async def cancel(shop: Workshop, run: AddedRun) -> None:
    """Cancel a run as the rule wants it."""
    async with shop.database.pool.acquire() as connection, connection.transaction():
        row = await lock_run(connection, run.run_id)
        if row["status"] in {"succeeded", "failed"}:
            return
        units = await connection.fetch(
            "SELECT id FROM unit WHERE run_id = $1 AND state IN ('waiting', 'ready', 'running') ORDER BY id"
            " FOR NO KEY UPDATE",
            run.run_id,
        )
        await connection.execute(
            "UPDATE unit SET state = 'canceled', attempt = attempt + 1, message_id = NULL, holder = NULL"
            " WHERE id = ANY($1::uuid[])",
            [unit["id"] for unit in units],
        )
        cause = ErrorCause(code="canceled", message="cancelled")
        await change_run(
            connection, row, Change(units_ended=len(units), units_failed=len(units), error=cause)
        )


async def work(shop: Workshop, claims: Claims, luck: random.Random) -> None:
    """Claim and end units, one way or the other, until none is left."""
    while claim := await claims.claim_unit(new_id(), redelivered=False):
        try:
            match luck.randrange(6):
                case 0:
                    await claims.report_failure(
                        claim, WorkError("engine_failed", "no"), retry_delays=(0.0,), max_retries=1
                    )
                case 1:
                    await claims.hand_back(claim)
                case 2:
                    await shop.database.pool.execute("UPDATE worker SET lease_until = now() - interval '1 s'")
                case _:
                    await finish(claims, claim)
        except Fenced:
            pass


async def is_under_way(shop: Workshop, run: AddedRun) -> bool:
    return bool((await shop.run(run.run_id))["chunks_done"] >= 5)


async def test_finishes_failures_sweeps_and_cancels_at_once_never_deadlock(shop: Workshop) -> None:
    luck = random.Random(5)
    runs = [await shop.add_run(owner=f"owner{number % 3}", units=40) for number in range(6)]
    async with shop.database.pool.acquire() as connection:
        workers = [Claims(shop.database, await add_worker(connection), LANE) for _ in range(6)]
    sweep = Sweep(shop.database, shop.broker, shop.relay)
    ended = asyncio.Event()

    async def sweep_on() -> None:
        while not ended.is_set():
            await sweep.sweep()

    async def cancel_some() -> None:
        for run in runs[:3]:
            await eventually(lambda run=run: is_under_way(shop, run))  # type: ignore[misc]
            await cancel(shop, run)

    async with asyncio.TaskGroup() as tasks:
        sweeping = [tasks.create_task(sweep_on()) for _ in range(2)]
        working = [
            tasks.create_task(work(shop, claims, luck)) for claims in workers * 4
        ]  # so that groups form
        await asyncio.wait([*working, tasks.create_task(cancel_some())])
        ended.set()
        await asyncio.wait(sweeping)
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    assert await shop.value(deadlocks) == 0
    # What the last sweep released is finished without further ado.
    claims = Claims(shop.database, new_id(), LANE)
    while await shop.value("SELECT count(*) FROM unit WHERE state IN ('waiting', 'ready', 'running')"):
        await shop.database.pool.execute("UPDATE worker SET lease_until = now() - interval '1 s'")
        await sweep.sweep()
        while claim := await claims.claim_unit(new_id(), redelivered=False):
            await finish(claims, claim)
    for run in runs:
        row = await shop.run(run.run_id)
        done = await shop.value(
            "SELECT count(*) FROM run_event WHERE run_id = $1 AND type LIKE '%.done.v1'", run.run_id
        )
        assert (row["status"] in {"succeeded", "failed"}, row["units_left"], done) == (True, 0, 1)


UNIT_ENDS: dict[str, Callable[[Workshop, Claims, Claim], Awaitable[object]]] = {
    "a chunk's end": lambda _shop, claims, claim: finish(claims, claim),
    "a chunk's last failure": lambda _shop, claims, claim: claims.report_failure(
        claim, WorkError("not_audio", "no"), retry_delays=(), max_retries=0
    ),
    "a plan's end": lambda shop, _claims, claim: shop.ledger.finish(claim),
    "a plan's cut": lambda shop, _claims, claim: shop.ledger.add_chunk(
        claim, index=7, start=0, end=1, unit_id=new_id(), blob=None, language=None
    ),
    "a plan's withholding": lambda shop, _claims, claim: shop.ledger.withhold(claim, 1),
}


@pytest.mark.parametrize("end", UNIT_ENDS)
async def test_a_unit_is_not_held_while_its_run_is_waited_for(shop: Workshop, end: str) -> None:
    chunk = "chunk" in end
    run = await shop.add_run(units=int(chunk), planned=chunk)
    claims = Claims(shop.database, new_id(), LANE)
    claim = await claimed(claims)
    async with shop.database.pool.acquire() as connection, connection.transaction():
        await lock_run(connection, run.run_id)
        ending = asyncio.ensure_future(UNIT_ENDS[end](shop, claims, claim))

        async def waits() -> bool:
            return await shop.waiters() == 1

        await eventually(waits)
        await connection.execute("UPDATE unit SET attempt = attempt + 1, state = 'canceled'")
    with pytest.raises(Fenced):
        await ending


async def test_a_cancel_fences_the_holders_of_its_units(shop: Workshop) -> None:
    run = await shop.add_run()
    claims = Claims(shop.database, new_id(), LANE)
    claim = await claimed(claims)
    await cancel(shop, run)
    before = await shop.run(run.run_id)
    try:
        await finish(claims, claim)
    except Fenced:
        assert await shop.run(run.run_id) == before
    else:
        raise AssertionError("a cancelled unit was finished")


async def test_an_event_of_an_owner_that_is_not_yet_committed_holds_up_no_claim_of_that_owner(
    shop: Workshop,
) -> None:
    await shop.database.pool.execute("INSERT INTO owner_stream VALUES ('ann', 0)")
    first, second = await shop.add_run(units=1), await shop.add_run(units=1)
    async with shop.database.pool.acquire() as connection, connection.transaction():
        run = await lock_run(connection, first.run_id)
        await change_run(connection, run, Change())
        claims = [await asyncio.wait_for(claimed(Claims(shop.database, new_id(), LANE)), 5) for _ in range(2)]
    assert {claim.run_id for claim in claims} == {first.run_id, second.run_id}
