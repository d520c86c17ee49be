"""Lines that swallow everything for a while, or for good: what was under way goes on, and nobody waits for the lost."""

import asyncio

import pytest

from lingoloop_common.broker.rabbitmq import RabbitBroker
from lingoloop_common.lifecycle import running
from lingoloop_common.store import database as module
from lingoloop_common.store.database import BROKEN, Database
from lingoloop_common.sweep import LOCK, Sweep
from lingoloop_transcriber import attempts
from tests.ledger import check_ledger
from tests.rules.workshop import HandDelivery, HandSlots, Workshop, settled
from tests.servers.postgres import PostgresServer
from tests.servers.proxy import Proxy
from tests.servers.rabbitmq import RabbitServer
from tests.waiting import eventually


def through(proxy: Proxy, port: int, url: str) -> str:
    return url.replace(f":{port}/", f":{proxy.port}/")


@pytest.mark.parametrize("then", ["comes back", "breaks"])
async def test_a_result_waits_for_a_database_behind_a_black_hole(
    shop: Workshop, migrated_url: str, postgres: PostgresServer, then: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long: the deadline is the engine's."""
    monkeypatch.setattr(attempts, "deadline", lambda *_, **__: 0.2)
    run = await shop.add_run()
    slots, delivery = HandSlots(1), HandDelivery()
    async with Proxy(postgres.port) as proxy:
        url = through(proxy, postgres.port, migrated_url)
        database = Database(url, pool_max=4, startup_timeout=5, exclusive=False)
        async with running([database]):
            shop.transcriber(slots, database=database).worker.receive(delivery)
            call = await slots.call()
            proxy.hold()
            call.finish()
            await asyncio.sleep(0.5)  # it has asked by now; nothing tells
            assert delivery.settled == []
            if then == "breaks":
                proxy.cut()
            proxy.release()
            assert await settled(delivery) == "ack"
    row, unit = await shop.run(run.run_id), await shop.unit(run.unit_ids[0])
    assert (row["status"], row["chunks_done"], unit["attempt"]) == ("succeeded", 1, 1)
    assert unit["failures"] == 0
    assert await shop.value("SELECT count(*) FROM segment") == 1


async def test_a_worker_behind_a_black_hole_to_the_broker_ends_what_it_has(
    plant: Workshop, migrated_url: str, rabbitmq: RabbitServer, rabbitmq_url: str
) -> None:
    slots = HandSlots(1)
    async with Proxy(rabbitmq.port) as proxy:
        broker = RabbitBroker(through(proxy, rabbitmq.port, rabbitmq_url), startup_timeout=10)
        async with running([broker, *plant.transcriber(slots, broker=broker).parts]):
            run = await plant.add_run(units=2)
            await plant.send_tokens(2)
            call = await slots.call()
            proxy.hold()
            call.finish()

            async def is_done() -> bool:
                return bool((await plant.run(run.run_id))["chunks_done"] == 1)

            await eventually(is_done)  # the acknowledgement is swallowed, the result is not
            proxy.cut()
            proxy.release()
            (await slots.call()).finish()
            await eventually(lambda: plant.run_ended(run.run_id))
    await check_ledger(migrated_url, str(run.run_id))


async def test_a_sweeper_that_vanishes_in_its_pass_keeps_no_other_from_sweeping(
    shop: Workshop, migrated_url: str, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server ends its session; what it held is free, what it had not committed never was."""
    assert int(module.SESSION["idle_in_transaction_session_timeout"]) <= 60_000
    monkeypatch.setitem(module.SESSION, "idle_in_transaction_session_timeout", "300")
    async with Proxy(postgres.port) as proxy:
        url = through(proxy, postgres.port, migrated_url)
        database = Database(url, pool_max=4, startup_timeout=5, exclusive=False)
        async with running([database]):
            vanishes = Sweep(database, shop.broker, shop.relay)
            await (
                vanishes.sweep()
            )  # from now on its statements are prepared: each is one question, one answer
            await shop.add_run(state="running")
            async with shop.database.pool.acquire() as other, other.transaction():
                await other.execute("LOCK TABLE worker")
                lost = asyncio.create_task(vanishes.sweep())

                async def is_in_its_pass() -> bool:
                    return await shop.waiters() == 1

                await eventually(is_in_its_pass)
                proxy.hold()
            sweep = Sweep(shop.database, shop.broker, shop.relay)
            assert not await shop.value("SELECT pg_try_advisory_xact_lock($1)", LOCK)

            async def comes_back() -> bool:
                await sweep.sweep()
                return bool(await shop.value("SELECT state FROM unit") == "ready")

            await eventually(comes_back, seconds=5)
            proxy.cut()
            proxy.release()
            with pytest.raises(BROKEN):
                await lost
    assert await shop.value("SELECT lost FROM unit") == 1
    assert await shop.tokens() == 1
