"""Everything at once: real slots, a real broker whose lines break, three owners, ten runs; and nothing is lost or doubled."""

import asyncio
import random

import pytest

from lingoloop_common.broker.rabbitmq import RabbitBroker
from lingoloop_common.lifecycle import running
from lingoloop_common.sweep import Sweep
from tests.ledger import check_ledger
from tests.rules.workshop import LANE, Workshop, simulated_slots
from tests.servers.proxy import Proxy
from tests.servers.rabbitmq import RabbitServer
from tests.waiting import eventually

pytestmark = pytest.mark.slow


async def test_ten_runs_come_through_broken_lines_whole(
    plant: Workshop, migrated_url: str, rabbitmq: RabbitServer, rabbitmq_url: str
) -> None:
    luck = random.Random(11)
    runs = [
        await plant.add_run(
            owner=f"owner{number % 3}",
            units=0,
            planned=False,
            status="queued",
            duration_ms=luck.randrange(60_000, 1_200_000),
        )
        for number in range(10)
    ]
    async with Proxy(rabbitmq.port) as one, Proxy(rabbitmq.port) as two:
        brokers = [
            RabbitBroker(rabbitmq_url.replace(f":{rabbitmq.port}/", f":{proxy.port}/"), startup_timeout=20)
            for proxy in (one, two)
        ]
        workers = [
            plant.transcriber(simulated_slots(4, seconds_each=0.002), broker=broker) for broker in brokers
        ]
        parts = [part for worker in workers for part in worker.parts]
        async with running([*brokers, Sweep(plant.database, plant.broker, plant.relay), *parts]):
            await plant.send_tokens(len(runs))
            for proxy in (one, two, one, two, one):
                done = await chunks_done(plant)
                await eventually(lambda done=done: more_done(plant, done + 25))  # type: ignore[misc]
                proxy.cut()
            for run in runs:
                await eventually(lambda run=run: plant.run_ended(run.run_id), seconds=60)  # type: ignore[misc]
            await eventually(lambda: not any(worker.worker._jobs for worker in workers))
            await eventually(lambda: nothing_queued(plant))
    for run in runs:
        await check_ledger(migrated_url, str(run.run_id))
    assert await plant.value("SELECT count(*) FROM unit WHERE state <> 'done'") == 0
    assert await plant.value("SELECT max(failures) FROM unit") == 0
    assert await plant.value("SELECT count(*) FROM chunk") > 150
    said = await plant.value("SELECT count(*) FROM segment")
    expected = "SELECT sum(ceil((end_sample - start_sample) / (5 * 16000.0))) FROM chunk"
    assert said == await plant.value(expected)  # the engine says one segment for each five seconds


async def chunks_done(plant: Workshop) -> int:
    return int(await plant.value("SELECT sum(chunks_done) FROM transcript_run"))


async def more_done(plant: Workshop, count: int) -> bool:
    return await chunks_done(plant) >= count or bool(
        await plant.value("SELECT bool_and(completed_at IS NOT NULL) FROM transcript_run")
    )


async def nothing_queued(plant: Workshop) -> bool:
    await asyncio.sleep(0)
    return await plant.broker.depth(LANE) == 0 and await plant.tokens() == 0
