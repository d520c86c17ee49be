"""Cancel, retry and replay meet workers that hold the units: nothing is stuck, nothing is written for nothing."""

from lingoloop_common.contracts.states import RunStatus
from lingoloop_common.errors import WorkError
from lingoloop_common.store.ids import new_id
from lingoloop_gateway.control import Control
from lingoloop_transcriber.claims import Claims
from tests.rows import AddedRun
from tests.rules.workshop import LANE, HandDelivery, HandSlots, Workshop, claimed, finish, settled


async def cancelled_and_retried(shop: Workshop, run: AddedRun) -> None:
    control = Control(shop.database, shop.relay)
    await control.cancel(run.run_id, run.owner)
    await control.retry(run.run_id, run.owner)


async def test_a_worker_that_holds_a_cancelled_unit_and_its_retry_lets_go_of_the_first_only(
    shop: Workshop,
) -> None:
    run = await shop.add_run(units=1)
    slots = HandSlots(2)
    transcriber = shop.transcriber(slots)
    await transcriber.heartbeat.beat()
    old, new = HandDelivery(), HandDelivery()
    transcriber.worker.receive(old)
    first = await slots.call()
    await cancelled_and_retried(shop, run)
    transcriber.worker.receive(new)
    second = await slots.call()
    assert len(transcriber.worker.held()) == 2
    await transcriber.heartbeat.beat()
    await settled(old)
    assert (first.stopped.is_set(), second.stopped.is_set()) == (True, False)
    second.finish()
    await settled(new)
    assert (await shop.run(run.run_id))["status"] == RunStatus.SUCCEEDED
    assert await shop.value("SELECT count(*) FROM segment") == 1


async def test_an_answer_that_comes_after_the_cancel_changes_nothing(shop: Workshop) -> None:
    run = await shop.add_run(units=1)
    slots = HandSlots(1)
    transcriber = shop.transcriber(slots)
    await transcriber.heartbeat.beat()
    old = HandDelivery()
    transcriber.worker.receive(old)
    first = await slots.call()
    await cancelled_and_retried(shop, run)
    first.finish()
    await settled(old)
    assert old.settled == ["ack"]
    assert await shop.value("SELECT count(*) FROM segment") == 0
    assert (await shop.unit(run.unit_ids[0]))["state"] == "ready"


async def test_a_cancel_gives_back_what_the_claim_charged(shop: Workshop) -> None:
    run = await shop.add_run(units=2)
    claims = Claims(shop.database, new_id(), LANE)
    await claimed(claims)
    assert await shop.value("SELECT served FROM owner_service") == 1.0
    await cancelled_and_retried(shop, run)
    assert await shop.value("SELECT served FROM owner_service") == 0.0


async def test_a_replay_that_comes_too_late_writes_nothing(shop: Workshop) -> None:
    run = await shop.add_run(units=1)
    claims, control = Claims(shop.database, new_id(), LANE), Control(shop.database, shop.relay)
    error = WorkError("engine_failed", "it broke")
    await claims.report_failure(await claimed(claims), error, retry_delays=(), max_retries=0)
    await control.retry(run.run_id, run.owner)
    await finish(claims, await claimed(claims))
    tokens = await shop.tokens()
    assert await control.replay(run.run_id, run.unit_ids) == 0
    assert (
        await shop.value("SELECT string_agg(status, ' ' ORDER BY created_at) FROM job") == "failed succeeded"
    )
    assert await shop.tokens() == tokens
