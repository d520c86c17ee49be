"""kill -9 of one service after the other: what was acknowledged is there, is done, and is told once."""

import contextlib
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import orjson
import pytest
from httpx_sse import aconnect_sse

from lingoloop_common.blobs import import_blob
from lingoloop_common.broker import EventMessage
from lingoloop_common.contracts.events import shard
from lingoloop_common.lifecycle import running
from lingoloop_common.store.ids import new_id
from lingoloop_common.sweep import Sweep
from lingoloop_transcriber.claims import Claims
from tests import media
from tests.fleet import Fleet, Service
from tests.ledger import check_ledger
from tests.origin import Origin, serving
from tests.rows import add_import, add_worker
from tests.rules.workshop import LANE, Workshop, claimed, finish, simulated_slots
from tests.servers import free_port
from tests.servers.proxy import Proxy
from tests.servers.rabbitmq import RabbitServer
from tests.waiting import Inbox, eventually


@contextlib.asynccontextmanager
async def fleet_of(folder: Path, database_url: str, broker_url: str, **settings: str) -> AsyncIterator[Fleet]:
    """Give a fleet without services yet; show their logs when the block fails."""
    fleet = Fleet(folder, database_url, broker_url, ENGINE="simulated", **settings)
    try:
        yield fleet
    except BaseException:
        print(fleet.logs())
        raise
    finally:
        fleet.stop()


async def started(fleet: Fleet, name: str, **settings: str) -> Service:
    service = fleet.start(name, **settings)
    await service.ready()
    return service


async def test_a_gateway_between_commit_and_publish(
    plant: Workshop, migrated_url: str, rabbitmq: RabbitServer, rabbitmq_url: str, tmp_path: Path
) -> None:
    heard: Inbox[EventMessage] = Inbox()
    await (await plant.broker.feed(heard.put, lambda: None)).bind(shard("ann"))
    await add_worker(plant.database.pool)
    async with Proxy(rabbitmq.port) as proxy:
        held_url = rabbitmq_url.replace(f":{rabbitmq.port}/", f":{proxy.port}/")
        async with fleet_of(tmp_path, migrated_url, rabbitmq_url) as fleet:
            first = await started(fleet, "gateway", BROKER_URL=held_url)
            await proxy.refuse()  # for good: what it publishes from now on never arrives
            async with fleet.http() as http:
                answer = await http.post(
                    "/api/audios",
                    params={"model": "long"},
                    content=media.wav(),
                    headers={"Content-Type": "audio/wav"},
                )
            assert answer.status_code == 202
            first.kill()
            assert await plant.value("SELECT count(*) FROM outbox") == 2  # a token and an event
            assert (len(heard), await plant.broker.depth(LANE)) == (0, 0)
            await started(fleet, "gateway")
            event = await heard.get()

            async def is_sent() -> bool:
                return (
                    await plant.broker.depth(LANE) == 1
                    and await plant.value("SELECT count(*) FROM outbox") == 0
                )

            await eventually(is_sent)
            assert orjson.loads(event.body)["runId"] == answer.json()["runId"]
            assert len(heard) == 0


async def test_a_worker_in_its_chunks(
    plant: Workshop, migrated_url: str, rabbitmq_url: str, tmp_path: Path
) -> None:
    run = await plant.add_run(units=4)
    async with fleet_of(tmp_path, migrated_url, rabbitmq_url, MAX_CONCURRENT_JOBS="2") as fleet:
        victim = await started(fleet, "transcriber", SIMULATED_MS_PER_SECOND="60000")
        slots = Path(f"/proc/{victim.process.pid}/task/{victim.process.pid}/children").read_text().split()
        await plant.send_tokens(4)

        async def works() -> bool:
            return bool(await plant.value("SELECT count(*) = 2 FROM unit WHERE state = 'running'"))

        await eventually(works)
        victim.kill()
        await eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in slots))
        parts = plant.transcriber(simulated_slots(1)).parts
        async with running([Sweep(plant.database, plant.broker, plant.relay), *parts]):
            await eventually(lambda: plant.run_ended(run.run_id))
    await check_ledger(migrated_url, str(run.run_id))
    rows = await plant.database.pool.fetch("SELECT failures, lost FROM unit ORDER BY lost")
    assert [tuple(row) for row in rows] == [(0, 0), (0, 0), (0, 1), (0, 1)]


async def test_a_worker_in_the_middle_of_an_import(
    plant: Workshop, migrated_url: str, rabbitmq_url: str, tmp_path: Path
) -> None:
    data = os.urandom(3 * 2**20)
    async with (
        serving(Origin(data, holds=2**20)) as origin,
        fleet_of(tmp_path, migrated_url, rabbitmq_url, ALLOW_PRIVATE_ADDRESSES="1") as fleet,
    ):
        run = await add_import(plant.database.pool, origin.url)
        victim = await started(fleet, "transcriber")
        await plant.send_tokens(1)
        part = plant.folder / "blobs" / import_blob(await plant.value("SELECT part FROM import"))
        await eventually(lambda: part.exists() and part.stat().st_size > 0)
        victim.kill()
        came = part.stat().st_size
        origin.go.set()
        parts = plant.transcriber(simulated_slots(1)).parts
        async with running([Sweep(plant.database, plant.broker, plant.relay), *parts]):
            await eventually(lambda: plant.run_ended(run.run_id), seconds=30)
    assert origin.starts == [None, f"bytes={came}-"]
    assert await plant.value("SELECT sha256 FROM audio") == hashlib.sha256(data).digest()
    unit = await plant.unit(run.unit_ids[0])
    assert (unit["state"], unit["failures"], unit["lost"]) == ("done", 0, 1)


async def test_a_notifier_whose_client_goes_on_at_another(
    plant: Workshop, migrated_url: str, rabbitmq_url: str, tmp_path: Path
) -> None:
    run = await plant.add_run(units=4)
    claims = Claims(plant.database, new_id(), LANE)

    async def finish_one() -> None:
        await finish(claims, await claimed(claims))
        plant.relay.tell()

    async with fleet_of(tmp_path, migrated_url, rabbitmq_url) as fleet:
        ports = [free_port(), free_port()]
        services = [fleet.start("notifier", NOTIFIER_PORT=str(port)) for port in ports]
        for service in services:
            await service.ready()
        seen: list[int] = []

        async def read(port: int, **headers: str) -> AsyncIterator[str]:
            url = f"http://127.0.0.1:{port}/api/runs/{run.run_id}/events"
            bearer = {"Authorization": f"Bearer {fleet.token()}", **headers}
            async with (
                httpx.AsyncClient(timeout=20) as http,
                aconnect_sse(http, "GET", url, headers=bearer) as source,
            ):
                async for frame in source.aiter_sse():
                    if frame.id:
                        seen.append(int(frame.id))
                        yield orjson.loads(frame.data)["event"]

        first = read(ports[0])
        assert await anext(first) == "init"
        await finish_one()
        assert await anext(first) == "update"
        services[0].kill()
        with pytest.raises((httpx.TransportError, StopAsyncIteration)):
            await anext(first)
        await finish_one()  # while it reads nowhere
        rest = read(ports[1], **{"Last-Event-ID": str(seen[-1])})
        assert await anext(rest) == "update"
        for event in ("update", "done"):
            await finish_one()
            assert await anext(rest) == event
        assert [event async for event in rest] == []
    assert seen == list(range(seen[0], seen[0] + 5))
