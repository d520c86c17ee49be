"""Webhooks over a real RabbitMQ, from several notifiers, some of which die; and receivers in another language."""

import asyncio
import contextlib
import shutil
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import pytest
import structlog

from lingoloop_common.broker.memory import MemoryBroker
from lingoloop_common.broker.rabbitmq import RabbitBroker
from lingoloop_common.lifecycle import running
from lingoloop_common.store.database import Database
from tests.fleet import Fleet
from tests.notifier.postroom import Postroom, heard_ids, postroom
from tests.notifier.receiver import receiving
from tests.rows import WEBHOOK_SECRET
from tests.servers import free_port
from tests.servers.proxy import Proxy
from tests.servers.rabbitmq import RabbitServer
from tests.waiting import eventually

FOLDER = Path(__file__).parent / "webhooks_node"
OTHER_SECRET = "whsec_b3RoZXItc2VjcmV0LW90aGVyLXNlY3JldA=="


@pytest.fixture
async def room(module_database_url: str, rabbitmq_url: str) -> AsyncIterator[Postroom]:
    broker = RabbitBroker(rabbitmq_url, startup_timeout=20)
    async with postroom(module_database_url, broker) as room:
        yield room


@contextlib.asynccontextmanager
async def notifiers(
    folder: Path, database_url: str, broker_url: str, count: int, **settings: str
) -> AsyncIterator[Fleet]:
    """Run notifiers as processes; show their logs when the block fails."""
    fleet = Fleet(folder, database_url, broker_url, ALLOW_PRIVATE_ADDRESSES="1", **settings)
    try:
        for _ in range(count):
            fleet.start("notifier", NOTIFIER_PORT=str(free_port()))
        await asyncio.gather(*(service.ready() for service in fleet.services))
        yield fleet
    except BaseException:
        print(fleet.logs())
        raise
    finally:
        fleet.stop()


async def test_two_notifiers_deliver_each_message_once_and_leave_no_trace_of_secrets(
    room: Postroom, module_database_url: str, rabbitmq_url: str, tmp_path: Path
) -> None:
    async with receiving() as receiver:
        for owner in range(5):
            await room.add_endpoint(f"{receiver.url}?key=not-to-be-logged", owner=f"owner-{owner}")
        async with notifiers(tmp_path, module_database_url, rabbitmq_url, 2) as fleet:
            for place in range(100):
                await room.end_run(owner=f"owner-{place % 5}")
            await room.until("delivered", count=100)
            heard = Counter(await heard_ids(receiver, 100))
            assert len(receiver.heard) == 0
        assert heard == Counter({str(row["event_id"]): 1 for row in await room.rows()})
        logs = [service.log.read_text() for service in fleet.services]
    assert [log.count("webhook delivered") > 0 for log in logs] == [True, True]
    assert sum(log.count("webhook delivered") for log in logs) == 100
    for told in ("not-to-be-logged", WEBHOOK_SECRET, "/hook"):
        assert not any(told in log for log in logs)


async def test_what_a_killed_notifier_was_sending_is_sent_again_with_its_id(
    room: Postroom, module_database_url: str, rabbitmq_url: str, tmp_path: Path
) -> None:
    async with receiving() as receiver:
        await room.add_endpoint(receiver.url)
        receiver.next = [receiver.hangs]
        async with notifiers(tmp_path, module_database_url, rabbitmq_url, 1) as fleet:
            await room.end_run()
            first = await receiver.heard.get()
            fleet.services[0].kill()
            async with room.sender():
                await room.until("sending")  # its token came back, and found nothing
                lease = await room.database.pool.execute(
                    "UPDATE webhook_delivery SET due_at = due_at - interval '60 seconds' WHERE due_at > now()"
                )
                assert lease == "UPDATE 1"
                await room.sweep.sweep()
                assert (await receiver.heard.get()).id == first.id
                await room.until("delivered")
    assert (await room.row())["attempt"] == 2


async def test_a_notifier_that_is_stopped_ends_with_what_it_was_told(
    room: Postroom, module_database_url: str, rabbitmq_url: str, tmp_path: Path
) -> None:
    async with receiving() as receiver:
        await room.add_endpoint(receiver.url)
        receiver.next = [receiver.hangs]
        async with notifiers(tmp_path, module_database_url, rabbitmq_url, 1) as fleet:
            await room.end_run()
            await receiver.heard.get()
            fleet.services[0].process.terminate()

            async def is_stopping() -> bool:
                return '"event": "stopping"' in fleet.services[0].log.read_text()

            await eventually(is_stopping)
            receiver.go.set()
            assert await fleet.services[0].wait() == 0
    assert (await room.row())["state"] == "delivered"
    assert await room.broker.depth("webhook") == 0


async def test_a_purged_queue_is_filled_again(room: Postroom) -> None:
    async with receiving() as receiver:
        await room.add_endpoint(receiver.url)
        await room.end_run(count=3)

        async def queued() -> bool:
            return await room.broker.depth("webhook") == 3

        await eventually(queued)
        await room.broker.recreate("webhook")
        async with room.sender():
            for _ in range(2):
                await room.sweep.sweep()
            await room.until("delivered", count=3)
        assert len(set(await heard_ids(receiver, 3))) == 3


async def test_a_broken_line_to_the_broker_makes_no_second_call(
    room: Postroom, rabbitmq: RabbitServer, rabbitmq_url: str
) -> None:
    async with Proxy(rabbitmq.port) as proxy, receiving() as receiver:
        own = RabbitBroker(rabbitmq_url.replace(f":{rabbitmq.port}", f":{proxy.port}"), startup_timeout=20)
        await room.add_endpoint(receiver.url)
        receiver.next = [receiver.hangs]
        async with running([own]), room.sender(broker=own):
            await room.end_run()
            await receiver.heard.get()
            proxy.cut()
            await room.end_run()  # told by the new connection
            await receiver.heard.get()
            receiver.go.set()
            await room.until("delivered", count=2)

            async def settled() -> bool:
                return await room.broker.depth("webhook") == 0

            await eventually(settled)
        assert len(receiver.heard) == 0


async def test_an_answer_in_hand_outlives_the_database(room: Postroom, module_database_url: str) -> None:
    port = urlsplit(module_database_url).port
    assert port is not None
    async with Proxy(port) as proxy, receiving() as receiver:
        url = module_database_url.replace(f":{port}", f":{proxy.port}")
        database = Database(url, pool_max=4, startup_timeout=10, exclusive=False)
        await room.add_endpoint(receiver.url)
        receiver.next = [receiver.hangs]
        async with (
            running([database]),
            Postroom(database, room.broker, room.relay, room.sweep).sender(),
        ):
            await room.end_run()
            await receiver.heard.get()
            await proxy.refuse()
            with structlog.testing.capture_logs() as lines:
                receiver.go.set()
                await eventually(lambda: any("database is away" in line["event"] for line in lines))
            assert (await room.row())["state"] == "sending"
            await proxy.allow()
            await room.until("delivered")
        assert len(receiver.heard) == 0
    assert (await room.row())["attempt"] == 1


@pytest.mark.skipif(
    shutil.which("node") is None or not (FOLDER / "node_modules").exists(),
    reason="needs Node, and `npm ci` in tests/notifier/webhooks_node",
)
@pytest.mark.parametrize("secret", [WEBHOOK_SECRET, OTHER_SECRET])
async def test_a_receiver_in_node_verifies_either_signature(module_database_url: str, secret: str) -> None:
    process = await asyncio.create_subprocess_exec(
        "node", FOLDER / "receive.js", secret, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        port = int(await asyncio.wait_for(process.stdout.readline(), 20))
        async with postroom(module_database_url, MemoryBroker()) as room, room.sender():
            soon = await room.database.pool.fetchval("SELECT now() + interval '1 hour'")
            url = f"http://127.0.0.1:{port}/"
            await room.add_endpoint(url, old_secret=OTHER_SECRET, old_secret_until=soon)
            await room.end_run()
            await room.until("delivered")
            row = await room.row()
        told = orjson.loads(await asyncio.wait_for(process.stdout.readline(), 20))
        assert told == {"verified": orjson.loads(row["body"])}
    finally:
        process.kill()
        await process.wait()
