"""Rule 7: the sweep finds work that no token points at any more, ends leases, and sends what was left behind."""

import asyncio

import aio_pika
import pytest

from lingoloop_common import sweep as sweep_module
from lingoloop_common.broker import BrokerError, queue_name
from lingoloop_common.broker.memory import MemoryBroker
from lingoloop_common.lifecycle import running
from lingoloop_common.store.ids import new_id
from lingoloop_common.sweep import LOCK, Sweep
from lingoloop_transcriber.claims import Claims
from tests.ledger import check_ledger
from tests.rows import add_token, add_worker
from tests.rules.workshop import LANE, Workshop, claimed, simulated_slots
from tests.waiting import eventually


def sweep_of(shop: Workshop) -> Sweep:
    return Sweep(shop.database, shop.broker, shop.relay)


async def in_queue(plant: Workshop, count: int) -> bool:
    return await plant.broker.depth(LANE) == count


async def test_ready_units_without_tokens_get_some_when_they_were_missing_twice_running(
    shop: Workshop,
) -> None:
    await shop.add_run(units=5)
    sweep = sweep_of(shop)
    await sweep.sweep()
    assert await shop.tokens() == 0
    await sweep.sweep()
    assert await shop.tokens() == 5
    await sweep.sweep()
    await sweep.sweep()
    assert await shop.tokens() == 5


async def test_tokens_in_the_queue_and_in_the_outbox_are_not_missed(shop: Workshop) -> None:
    await shop.add_run(units=5)
    for _ in range(3):
        await shop.broker.publish_token(LANE, new_id())
    async with shop.database.pool.acquire() as connection:
        for _ in range(2):
            await add_token(connection)
    sweep = sweep_of(shop)
    await sweep.sweep()
    await sweep.sweep()
    assert await shop.tokens() == 2


@pytest.mark.parametrize("how", ["purged", "deleted"])
async def test_a_run_whose_queue_was_emptied_is_finished_all_the_same(
    plant: Workshop, migrated_url: str, rabbitmq_url: str, how: str
) -> None:
    run = await plant.add_run(units=6)
    await plant.send_tokens(6)
    await eventually(lambda: in_queue(plant, 6))
    async with await aio_pika.connect(rabbitmq_url) as connection:
        channel = await connection.channel()
        if how == "purged":
            await (await channel.get_queue(queue_name(LANE))).purge()
        else:
            await channel.queue_delete(queue_name(LANE))
    async with running([sweep_of(plant), *plant.transcriber(simulated_slots(1)).parts]):
        await eventually(lambda: plant.run_ended(run.run_id))
    await check_ledger(migrated_url, str(run.run_id))


async def test_a_queue_that_is_deleted_under_a_consumer_is_served_again(
    plant: Workshop, migrated_url: str, rabbitmq_url: str
) -> None:
    async with running([sweep_of(plant), *plant.transcriber(simulated_slots(1)).parts]):
        async with await aio_pika.connect(rabbitmq_url) as connection:
            await (await connection.channel()).queue_delete(queue_name(LANE))
        run = await plant.add_run(units=3)
        await eventually(lambda: plant.run_ended(run.run_id))
    await check_ledger(migrated_url, str(run.run_id))


async def test_one_sweeper_does_a_pass_and_others_do_not_wait_for_it(shop: Workshop) -> None:
    await shop.add_run(state="waiting")
    await shop.database.pool.execute("UPDATE unit SET due_at = now()")
    async with shop.database.pool.acquire() as other, other.transaction():
        await other.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
        await asyncio.wait_for(sweep_of(shop).sweep(), 5)
        assert await shop.value("SELECT state FROM unit") == "waiting"
    await sweep_of(shop).sweep()
    assert await shop.value("SELECT state FROM unit") == "ready"


async def test_a_pass_does_nothing_the_second_time(shop: Workshop) -> None:
    await shop.add_run()
    await claimed(Claims(shop.database, new_id(), LANE))
    await sweep_of(shop).sweep()
    before = [dict(row) for row in await shop.database.pool.fetch("SELECT * FROM unit")], await shop.tokens()
    await sweep_of(shop).sweep()
    assert (
        [dict(row) for row in await shop.database.pool.fetch("SELECT * FROM unit")],
        await shop.tokens(),
    ) == before


@pytest.mark.parametrize(("lease", "state"), [(10.0, "running"), (-1.0, "ready"), (None, "ready")])
async def test_units_of_a_worker_whose_lease_ended_are_ready_again(
    shop: Workshop, lease: float | None, state: str
) -> None:
    await shop.add_run()
    async with shop.database.pool.acquire() as connection:
        worker_id = await add_worker(connection, lease=lease)
    await claimed(Claims(shop.database, worker_id, LANE))
    await sweep_of(shop).sweep()
    assert await shop.value("SELECT state FROM unit") == state


async def test_what_a_crash_left_in_the_outbox_is_sent(plant: Workshop) -> None:
    async with plant.database.pool.acquire() as connection:
        await add_token(connection)  # and nobody tells the relay
    await sweep_of(plant).sweep()
    await eventually(lambda: in_queue(plant, 1))


class MuteBroker(MemoryBroker):
    """Does not say how many tokens wait, until its queue is made again."""

    made_again = 0

    async def depth(self, lane: str) -> int:
        if not self.made_again:
            raise BrokerError("no answer")
        return await super().depth(lane)

    async def recreate(self, lane: str) -> None:
        self.made_again += 1


async def test_a_queue_that_stays_mute_is_made_again_and_filled(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.add_run(units=2)
    broker = MuteBroker()
    sweep = Sweep(shop.database, broker, shop.relay)
    await sweep.sweep()
    await sweep.sweep()
    assert broker.made_again == 0
    monkeypatch.setattr(sweep_module, "MUTE_LIMIT", 0.0)
    for _ in range(3):
        await sweep.sweep()
    assert broker.made_again == 1
    assert await shop.tokens() == 2
