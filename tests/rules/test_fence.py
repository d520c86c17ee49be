"""Rule 3: `attempt` fences every write; failures, losses and hand-backs are counted each in its own way."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from lingoloop_common.contracts.units import LOST_LIMIT
from lingoloop_common.errors import WorkError
from lingoloop_common.lifecycle import running
from lingoloop_common.store.database import Database
from lingoloop_common.store.ids import new_id
from lingoloop_common.store.runs import Fenced
from lingoloop_common.sweep import Sweep
from lingoloop_transcriber.claim import Claim
from lingoloop_transcriber.claims import Claims
from tests.rows import AddedRun
from tests.rules.commits import shut_gate
from tests.rules.workshop import LANE, HandDelivery, HandSlots, Workshop, claimed, finish, settled
from tests.servers.postgres import PostgresServer
from tests.servers.proxy import Proxy

TABLES = (
    "transcript_run",
    "job",
    "unit",
    "chunk",
    "segment",
    "run_event",
    "dead_letter",
    "owner_stream",
    "outbox",
)


async def everything(shop: Workshop) -> dict[str, Any]:
    """Return all rows of all tables that work changes."""
    return {table: await shop.database.pool.fetch(f"SELECT * FROM {table} ORDER BY 1, 2") for table in TABLES}


FENCED_WRITES: dict[str, Callable[[Workshop, Claims, Claim], Awaitable[object]]] = {
    "start_run": lambda _shop, claims, claim: claims.start_run(claim),
    "finish_chunk": lambda _shop, claims, claim: finish(claims, claim),
    "add_chunk": lambda shop, _claims, claim: shop.ledger.add_chunk(
        claim, index=7, start=0, end=1, unit_id=new_id(), blob=None, language=None
    ),
    "add_silence": lambda shop, _claims, claim: shop.ledger.add_silence(claim, index=7, start=0, end=1),
    "a plan's end": lambda shop, _claims, claim: shop.ledger.finish(claim),
    "a plan's withholding": lambda shop, _claims, claim: shop.ledger.withhold(claim, 1),
    "a failure": lambda _shop, claims, claim: claims.report_failure(
        claim, WorkError("engine_failed", "no"), retry_delays=(1,), max_retries=3
    ),
    "a last failure": lambda _shop, claims, claim: claims.report_failure(
        claim, WorkError("not_audio", "no"), retry_delays=(1,), max_retries=3
    ),
    "hand_back": lambda _shop, claims, claim: claims.hand_back(claim),
}


@pytest.mark.parametrize("write", FENCED_WRITES)
async def test_a_late_write_after_a_take_back_changes_nothing(shop: Workshop, write: str) -> None:
    await shop.add_run(status="queued")
    message_id, late = new_id(), Claims(shop.database, new_id(), LANE)
    claim = await claimed(late, message_id=message_id)
    await claimed(Claims(shop.database, new_id(), LANE), message_id=message_id, redelivered=True)
    before = await everything(shop)
    if write == "hand_back":
        await late.hand_back(claim)
    else:
        with pytest.raises(Fenced):
            await FENCED_WRITES[write](shop, late, claim)
    assert await everything(shop) == before


async def test_a_worker_drops_the_result_of_a_unit_that_is_anothers(shop: Workshop) -> None:
    run = await shop.add_run()
    slots = HandSlots(1)
    delivery = HandDelivery()
    shop.transcriber(slots).worker.receive(delivery)
    call = await slots.call()
    other = Claims(shop.database, new_id(), LANE)
    taken = await claimed(other, message_id=delivery.message_id, redelivered=True)
    call.finish(text="late")
    assert await settled(delivery) == "ack"
    assert (await shop.run(run.run_id))["seq"] == 0
    await finish(other, taken, text="in time")
    assert await shop.value("SELECT text FROM segment") == "in time"


async def test_finishing_twice_with_the_same_attempt_is_success_and_doubles_nothing(shop: Workshop) -> None:
    await shop.add_run(units=2)
    claims = Claims(shop.database, new_id(), LANE)
    claim = await claimed(claims)
    await finish(claims, claim)
    before = await everything(shop)
    await finish(claims, claim)
    assert await everything(shop) == before


async def test_results_of_one_moment_are_one_change_of_their_run_and_one_event(shop: Workshop) -> None:
    run = await shop.add_run(units=3)
    claims = Claims(shop.database, new_id(), LANE)
    held = [await claimed(claims) for _ in range(3)]
    assert sorted(await asyncio.gather(*(finish(claims, claim) for claim in reversed(held)))) == [
        False,
        False,
        True,
    ]
    row = await shop.run(run.run_id)
    assert (row["status"], row["seq"], row["chunks_done"], row["units_left"]) == ("succeeded", 1, 3, 0)
    [event] = await shop.database.pool.fetch("SELECT seq, owner_seq, data FROM run_event")
    assert (event["seq"], event["owner_seq"]) == (1, 1)
    assert [segment["index"] for segment in json.loads(event["data"])["segments"]] == [0, 1000, 2000]


async def test_events_of_one_moment_are_numbered_without_a_gap_for_each_owner(shop: Workshop) -> None:
    for owner in ("ann", "bob", "ann"):
        await shop.add_run(owner=owner)
    claims = Claims(shop.database, new_id(), LANE)
    held = [await claimed(claims) for _ in range(3)]
    await asyncio.gather(*(finish(claims, claim) for claim in held))
    rows = await shop.database.pool.fetch("SELECT owner, owner_seq FROM run_event ORDER BY owner, owner_seq")
    assert [tuple(row) for row in rows] == [("ann", 1), ("ann", 2), ("bob", 1)]
    headers = await shop.database.pool.fetch("SELECT headers FROM outbox WHERE routing_key IS NOT NULL")
    told = sorted(
        (row["headers"]["cloudEvents_owner"], row["headers"]["cloudEvents_ownerseq"]) for row in headers
    )
    assert told == [("ann", 1), ("ann", 2), ("bob", 1)]


async def test_a_result_of_the_same_moment_that_is_fenced_or_cannot_be_stored_harms_no_other(
    shop: Workshop,
) -> None:
    run, other = await shop.add_run(units=2), await shop.add_run(owner="other", units=2)
    claims = Claims(shop.database, new_id(), LANE)
    held = [await claimed(claims) for _ in range(4)]
    theirs = {claim.run_id: [one for one in held if one.run_id == claim.run_id] for claim in held}
    fenced, stored = theirs[run.run_id]
    broken, kept = theirs[other.run_id]
    await shop.database.pool.execute("UPDATE unit SET attempt = attempt + 1 WHERE id = $1", fenced.unit_id)
    answers = await asyncio.gather(
        finish(claims, fenced),
        finish(claims, stored),
        finish(claims, broken, text="no text of PostgreSQL's: \0"),
        finish(claims, kept),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers] == [Fenced, bool, asyncpg.UntranslatableCharacterError, bool]
    assert (await shop.run(run.run_id))["chunks_done"] == 1
    assert (await shop.run(other.run_id))["chunks_done"] == 1
    assert await shop.value("SELECT count(*) FROM segment") == 2


async def test_of_two_attempts_at_one_unit_that_end_in_the_same_moment_only_the_last_counts(
    shop: Workshop,
) -> None:
    run = await shop.add_run(units=2)
    message_id, claims = new_id(), Claims(shop.database, new_id(), LANE)
    late = await claimed(claims, message_id=message_id)
    held = await claimed(claims, message_id=message_id, redelivered=True)
    assert (held.unit_id, held.attempt) == (late.unit_id, late.attempt + 1)
    answers = await asyncio.gather(
        finish(claims, late, text="late"),
        finish(claims, held, text="in time"),
        finish(claims, held, text="once more"),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers] == [Fenced, bool, bool]
    row = await shop.run(run.run_id)
    assert (row["units_left"], row["chunks_done"]) == (1, 1)
    assert await shop.value("SELECT count(*) FROM segment") == 1
    assert await shop.value("SELECT text FROM segment") in {"in time", "once more"}


async def test_ending_a_plan_twice_with_the_same_attempt_is_success(shop: Workshop) -> None:
    await shop.add_run(units=0, planned=False)
    claims = Claims(shop.database, new_id(), LANE)
    claim = await claimed(claims)
    await shop.ledger.finish(claim)
    before = await everything(shop)
    await shop.ledger.finish(claim)
    assert await everything(shop) == before


async def test_a_finish_whose_answer_is_lost_counts_once(
    shop: Workshop, migrated_url: str, postgres: PostgresServer
) -> None:
    run = await shop.add_run()
    slots = HandSlots(1)
    delivery = HandDelivery()
    async with Proxy(postgres.port) as proxy:
        url = migrated_url.replace(f":{postgres.port}/", f":{proxy.port}/")
        database = Database(url, pool_max=4, startup_timeout=5, exclusive=False)
        async with running([database]):
            shop.transcriber(slots, database=database).worker.receive(delivery)
            call = await slots.call()
            async with shut_gate(shop, migrated_url) as gate:
                call.finish()
                await gate.holds()
                proxy.cut()
                await gate.open()
                assert await settled(delivery) == "ack"
    row = await shop.run(run.run_id)
    assert (row["status"], row["seq"], row["chunks_done"], row["units_left"]) == ("succeeded", 1, 1, 0)
    assert await shop.value("SELECT count(*) FROM segment") == 1
    assert await shop.value("SELECT attempt FROM unit") == 1


async def counters(shop: Workshop, unit_id: UUID) -> tuple[int, int]:
    unit = await shop.unit(unit_id)
    return unit["failures"], unit["lost"]


async def fail_once(shop: Workshop, code: str = "engine_failed") -> str:
    claims = Claims(shop.database, new_id(), LANE)
    return await claims.report_failure(
        await claimed(claims), WorkError(code, "it did not work"), retry_delays=(0,), max_retries=3
    )


async def retry_now(shop: Workshop) -> None:
    await shop.database.pool.execute("UPDATE unit SET state = 'ready', due_at = NULL WHERE state = 'waiting'")


async def test_a_reported_error_counts_as_a_failure(shop: Workshop) -> None:
    [unit_id] = (await shop.add_run()).unit_ids
    assert await fail_once(shop) == "waiting"
    assert await counters(shop, unit_id) == (1, 0)


async def test_a_fourth_failure_ends_the_unit_with_its_cause(shop: Workshop) -> None:
    run = await shop.add_run()
    states = []
    for _ in range(4):
        states.append(await fail_once(shop))
        await retry_now(shop)
    assert states == ["waiting", "waiting", "waiting", "failed"]
    assert await counters(shop, run.unit_ids[0]) == (4, 0)
    row = await shop.run(run.run_id)
    assert (row["status"], row["error_code"]) == ("failed", "engine_failed")
    assert (
        await shop.value("SELECT error_code FROM dead_letter WHERE unit_id = $1", run.unit_ids[0])
        == "engine_failed"
    )
    assert await shop.value("SELECT retry_count FROM job") == 3


async def test_what_a_repeat_cannot_mend_is_not_repeated(shop: Workshop) -> None:
    run = await shop.add_run()
    assert await fail_once(shop, "not_audio") == "failed"
    assert (await shop.run(run.run_id))["error_code"] == "not_audio"


async def test_an_error_that_nobody_foresaw_is_a_failure_too(shop: Workshop) -> None:
    [unit_id] = (await shop.add_run()).unit_ids
    slots = HandSlots(1)
    delivery = HandDelivery()
    shop.transcriber(slots, retry_delays=(60,)).worker.receive(delivery)
    (await slots.call()).finish(text="PostgreSQL keeps no \0 in a text")
    assert await settled(delivery) == "ack"
    assert await counters(shop, unit_id) == (1, 0)


async def lose_once(shop: Workshop) -> None:
    """A worker begins with it and is gone; the sweep finds out."""
    claims = Claims(shop.database, new_id(), LANE)
    await claims.begin_turn(await claimed(claims))
    await Sweep(shop.database, shop.broker, shop.relay).sweep()


async def test_a_vanished_holder_counts_as_a_loss(shop: Workshop) -> None:
    [unit_id] = (await shop.add_run()).unit_ids
    await lose_once(shop)
    assert await counters(shop, unit_id) == (0, 1)
    assert (await shop.unit(unit_id))["state"] == "ready"


async def lost_so_often(shop: Workshop, times: int) -> AddedRun:
    run = await shop.add_run(lost=times - 1)
    await lose_once(shop)
    return run


async def test_ten_losses_are_forgiven(shop: Workshop) -> None:
    run = await lost_so_often(shop, LOST_LIMIT)
    assert (await shop.unit(run.unit_ids[0]))["state"] == "ready"


async def test_the_eleventh_loss_found_by_the_sweep_ends_the_unit(shop: Workshop) -> None:
    run = await lost_so_often(shop, LOST_LIMIT + 1)
    unit, row = await shop.unit(run.unit_ids[0]), await shop.run(run.run_id)
    assert (unit["state"], unit["lost"], unit["error_code"]) == ("failed", 11, "worker_lost")
    assert (row["status"], row["error_code"]) == ("failed", "worker_lost")


async def test_the_eleventh_loss_found_by_a_token_that_comes_back_ends_the_unit(shop: Workshop) -> None:
    run = await shop.add_run(lost=LOST_LIMIT)
    delivery = HandDelivery(redelivered=True)
    claims = Claims(shop.database, new_id(), LANE)
    await claims.begin_turn(await claimed(claims, message_id=delivery.message_id))
    slots = HandSlots(1)
    shop.transcriber(slots).worker.receive(delivery)
    assert await settled(delivery) == "ack"
    assert slots.waiting == 0
    unit, row = await shop.unit(run.unit_ids[0]), await shop.run(run.run_id)
    assert (unit["state"], unit["lost"], unit["error_code"]) == ("failed", 11, "worker_lost")
    assert (row["status"], row["error_code"]) == ("failed", "worker_lost")


class SeesTheUnit(HandDelivery):
    """Looks at the unit in the moment in which its token is put back."""

    shop: Workshop
    unit_id: UUID
    state: str | None = None

    async def reject(self) -> None:
        self.state = (await self.shop.unit(self.unit_id))["state"]
        self.settled.append("reject")


async def test_handing_back_commits_first_and_counts_as_nothing(shop: Workshop) -> None:
    [unit_id] = (await shop.add_run(cost=20.0)).unit_ids
    slots = HandSlots(1)
    worker = shop.transcriber(slots, grace=0).worker
    delivery = SeesTheUnit()
    delivery.shop, delivery.unit_id = shop, unit_id
    await worker.start()
    worker.receive(delivery)
    call = await slots.call()
    assert await shop.value("SELECT served FROM owner_service") == 20
    await worker.stop()
    assert await settled(delivery) == "reject"
    assert call.stopped.is_set()
    assert delivery.state == "ready"
    assert await counters(shop, unit_id) == (0, 0)
    assert await shop.value("SELECT served FROM owner_service") == 0
    assert await shop.tokens() == 0  # the one that was put back does


async def test_a_worker_finishes_within_its_grace_period(shop: Workshop) -> None:
    [unit_id] = (await shop.add_run()).unit_ids
    slots = HandSlots(1)
    worker = shop.transcriber(slots, grace=10).worker
    delivery = HandDelivery()
    await worker.start()
    worker.receive(delivery)
    (await slots.call()).finish()
    await worker.stop()
    assert delivery.settled == ["ack"]
    assert (await shop.unit(unit_id))["state"] == "done"
