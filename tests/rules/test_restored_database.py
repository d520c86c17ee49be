"""An older database comes back under a running fleet: rows of the past, units that run for nobody, tokens of no unit."""

import asyncio

from lingoloop_common.lifecycle import running
from lingoloop_common.store.ids import new_id
from lingoloop_common.sweep import Sweep
from tests.ledger import check_ledger
from tests.rows import add_token, add_unit, add_worker
from tests.rules.workshop import LANE, HandSlots, Workshop, simulated_slots
from tests.waiting import eventually


async def test_what_the_past_left_is_done_and_its_workers_are_nobody(
    plant: Workshop, migrated_url: str
) -> None:
    pool = plant.database.pool
    past = await add_worker(pool, lease=-86_400, seen=86_400)
    run = await plant.add_run(units=1)  # ready, its token long gone
    for holder in (past, new_id()):  # running for a worker of the past, and for one that no row knows
        await add_unit(pool, run, state="running", holder=holder)
    await add_token(pool)  # left in the outbox by a crash
    for _ in range(3):
        await plant.broker.publish_token(
            LANE, new_id()
        )  # in the broker, of units that are not known any more
    transcriber = plant.transcriber(simulated_slots(2))
    async with running([Sweep(plant.database, plant.broker, plant.relay), *transcriber.parts]):
        await eventually(lambda: plant.run_ended(run.run_id))
        await eventually(lambda: not transcriber.worker._jobs)

        async def nothing_is_left() -> bool:
            return await plant.broker.depth(LANE) == 0 and await plant.tokens() == 0

        await eventually(nothing_is_left)
    await check_ledger(migrated_url, str(run.run_id))
    rows = await pool.fetch("SELECT lost FROM unit ORDER BY position")
    assert [row["lost"] for row in rows] == [0, 1, 1]


async def test_a_worker_drops_what_the_older_database_does_not_know_and_works_on(
    plant: Workshop, migrated_url: str
) -> None:
    """It held a unit when the database went back to the time before its claim, and before the worker was there."""
    slots = HandSlots(1)
    transcriber = plant.transcriber(slots)
    async with running([Sweep(plant.database, plant.broker, plant.relay), *transcriber.parts]):
        run = await plant.add_run()
        await plant.send_tokens(1)
        call = await slots.call()
        async with plant.database.pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "UPDATE unit SET state = 'ready', attempt = 0, message_id = NULL, holder = NULL"
            )
            await connection.execute("DELETE FROM worker")
        await asyncio.wait_for(call.stopped.wait(), 5)  # the next heartbeat tells
        assert await plant.value("SELECT lease_until > now() FROM worker WHERE id = $1", transcriber.id)
        (await slots.call()).finish()  # by a token of the sweep's
        await eventually(lambda: plant.run_ended(run.run_id))
    await check_ledger(migrated_url, str(run.run_id))
    unit = await plant.unit(run.unit_ids[0])
    assert (unit["attempt"], unit["failures"], unit["lost"]) == (1, 0, 0)
