"""SIGTERM: a worker hands back what it cannot finish in time; a service that has not started yet ends at once."""

import asyncio
import signal
import time
from pathlib import Path

import httpx
import pytest

from tests.rules.test_killed import fleet_of, started
from tests.rules.workshop import LANE, Workshop
from tests.servers import free_port
from tests.servers.postgres import PostgresServer
from tests.servers.proxy import Proxy
from tests.servers.rabbitmq import RabbitServer
from tests.waiting import eventually


async def test_a_worker_hands_back_within_its_grace_period_and_exits_with_0(
    plant: Workshop, migrated_url: str, rabbitmq_url: str, tmp_path: Path
) -> None:
    await plant.add_run(units=3, cost=20.0)
    settings = {"MAX_CONCURRENT_JOBS": "2", "SHUTDOWN_GRACE_MS": "300", "SIMULATED_MS_PER_SECOND": "60000"}
    async with fleet_of(tmp_path, migrated_url, rabbitmq_url, **settings) as fleet:
        worker = await started(fleet, "transcriber")
        await plant.send_tokens(3)

        async def works() -> bool:
            return bool(await plant.value("SELECT count(*) = 2 FROM unit WHERE state = 'running'"))

        await eventually(works)
        begin = time.monotonic()
        worker.send(signal.SIGTERM)
        await asyncio.sleep(0.1)
        worker.send(signal.SIGTERM)  # a second one changes nothing
        assert await worker.wait(10) == 0
        assert time.monotonic() - begin < 5
    rows = await plant.database.pool.fetch("SELECT state, failures, lost, holder FROM unit")
    assert {tuple(row) for row in rows} == {("ready", 0, 0, None)}
    assert await plant.value("SELECT served FROM owner_service") == 0
    assert await plant.value("SELECT lease_until FROM worker") is None

    async def tokens_are_back() -> bool:
        return await plant.broker.depth(LANE) == 3

    await eventually(tokens_are_back)
    assert await plant.tokens() == 0


async def test_a_worker_that_finishes_its_work_is_not_ready_for_more(
    plant: Workshop, migrated_url: str, rabbitmq_url: str, tmp_path: Path
) -> None:
    await plant.add_run(units=1, cost=20.0)
    async with fleet_of(tmp_path, migrated_url, rabbitmq_url, SIMULATED_MS_PER_SECOND="60000") as fleet:
        worker = await started(fleet, "transcriber")
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{worker.ops_port}", timeout=10) as http:
            assert (await http.get("/readyz")).status_code == 200
            await plant.send_tokens(1)

            async def works() -> bool:
                return bool(await plant.value("SELECT count(*) = 1 FROM unit WHERE state = 'running'"))

            await eventually(works)
            worker.send(signal.SIGTERM)

            async def says_so() -> bool:
                return set((await http.get("/readyz")).json()["missing"]) == {"engine"}

            await eventually(says_so)
        worker.kill()


@pytest.mark.parametrize(
    ("away", "waits_for"),
    [
        ({"DATABASE_URL": "postgresql://x@127.0.0.1:{port}/x"}, "waiting for PostgreSQL"),
        ({"BROKER_URL": "amqp://127.0.0.1:{port}/"}, "waiting for RabbitMQ"),
    ],
    ids=["database", "broker"],
)
async def test_a_service_that_waits_says_so_once_and_ends_at_once(
    away: dict[str, str], waits_for: str, migrated_url: str, rabbitmq_url: str, tmp_path: Path
) -> None:
    settings = {name: value.format(port=free_port()) for name, value in away.items()}
    async with fleet_of(tmp_path, migrated_url, rabbitmq_url) as fleet:
        service = fleet.start("notifier", **settings)
        await eventually(lambda: waits_for in service.log.read_text())
        await asyncio.sleep(1.2)  # it has tried again
        begin = time.monotonic()
        service.send(signal.SIGTERM)
        assert await service.wait(10) == 0
        assert time.monotonic() - begin < 4
        said = service.log.read_text()
    assert said.count(waits_for) == 1
    assert len(said.splitlines()) == 2, said  # and that it was stopped
    assert '"event": "ready"' not in said
    assert "Traceback" not in said


async def test_readyz_names_what_is_missing_until_it_is_back(
    postgres: PostgresServer, migrated_url: str, rabbitmq: RabbitServer, rabbitmq_url: str, tmp_path: Path
) -> None:
    async with Proxy(postgres.port) as database, Proxy(rabbitmq.port) as broker:
        urls = (
            migrated_url.replace(f":{postgres.port}/", f":{database.port}/"),
            rabbitmq_url.replace(f":{rabbitmq.port}/", f":{broker.port}/"),
        )
        async with fleet_of(tmp_path, *urls) as fleet, httpx.AsyncClient() as http:
            service = await started(fleet, "notifier")

            async def missing() -> set[str]:
                answer = await http.get(f"http://127.0.0.1:{service.ops_port}/readyz", timeout=10)
                names = set(answer.json()["missing"])
                assert answer.status_code == (503 if names else 200)
                return names

            async def is_missing(names: set[str]) -> bool:
                return await missing() == names

            assert await missing() == set()
            for line, name in ((database, "database"), (broker, "broker")):
                await line.refuse()
                await eventually(lambda name=name: is_missing({name}))  # type: ignore[misc]
                await line.allow()
                await eventually(lambda: is_missing(set()))
            service.kill()  # its lines end in this process, which cannot serve them while it waits for it
