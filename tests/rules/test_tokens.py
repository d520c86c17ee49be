"""Tokens that come twice, in any order, or not at all: each unit is done once, and none is forgotten."""

import random
import time

import aio_pika
from prometheus_client import REGISTRY

from lingoloop_common.broker import queue_name
from lingoloop_common.lifecycle import running
from lingoloop_common.store.ids import new_id
from lingoloop_common.sweep import Sweep
from tests.ledger import check_ledger
from tests.rules.workshop import LANE, Workshop, simulated_slots
from tests.servers.rabbitmq import RabbitServer
from tests.waiting import eventually


async def in_queue(plant: Workshop, count: int) -> bool:
    return await plant.broker.depth(LANE) == count


async def test_tokens_that_come_twice_and_out_of_order_change_nothing(
    plant: Workshop, migrated_url: str
) -> None:
    run = await plant.add_run(units=8)
    tokens = [new_id() for _ in range(8)]
    random.Random(5).shuffle(tokens)
    for message_id in tokens:
        for _ in range(2):  # one behind the other: the copy comes while the first is at work
            await plant.broker.publish_token(LANE, message_id)
    transcriber = plant.transcriber(simulated_slots(2, seconds_each=0.05))
    async with running(transcriber.parts):
        await eventually(lambda: plant.run_ended(run.run_id))
        await eventually(lambda: in_queue(plant, 0))
        await eventually(lambda: not transcriber.worker._jobs)
    await check_ledger(migrated_url, str(run.run_id))
    assert await plant.value("SELECT max(attempt) FROM unit") == 1


def refilled() -> float:
    return REGISTRY.get_sample_value("lingoloop_tokens_refilled_total", {"lane": LANE}) or 0.0


async def test_a_purged_queue_goes_on_within_seconds_and_is_counted(
    plant: Workshop, migrated_url: str, rabbitmq_url: str
) -> None:
    run = await plant.add_run(units=6)
    await plant.send_tokens(6)
    await eventually(lambda: in_queue(plant, 6))
    async with await aio_pika.connect(rabbitmq_url) as connection:
        await (await (await connection.channel()).get_queue(queue_name(LANE))).purge()
    before, begin = refilled(), time.monotonic()
    parts = plant.transcriber(simulated_slots(1)).parts
    async with running([Sweep(plant.database, plant.broker, plant.relay), *parts]):
        await eventually(lambda: plant.run_ended(run.run_id))
    assert time.monotonic() - begin < 10
    assert refilled() - before == 6
    await check_ledger(migrated_url, str(run.run_id))


async def test_a_broker_that_lost_everything_is_filled_again(
    plant: Workshop, migrated_url: str, rabbitmq: RabbitServer, rabbitmq_url: str
) -> None:
    """As when its volume is gone: no queue, no exchange, no binding, and all connections cut, in the middle of a run."""
    vhost = rabbitmq_url.rpartition("/")[2]
    run = await plant.add_run(units=12)
    parts = plant.transcriber(simulated_slots(1, seconds_each=0.1)).parts
    async with running([Sweep(plant.database, plant.broker, plant.relay), *parts]):
        await plant.send_tokens(12)

        async def some_are_done() -> bool:
            return bool((await plant.run(run.run_id))["chunks_done"] >= 2)

        await eventually(some_are_done)
        rabbitmq.delete_vhost(vhost)
        rabbitmq.create_vhost(vhost)
        await eventually(lambda: plant.run_ended(run.run_id), seconds=30)
    await check_ledger(migrated_url, str(run.run_id))
