"""The drill of docs/operations/upgrade.md: two versions at once over one database and broker, under load; nothing is lost or doubled.

Services of an older version start on their schema and work; the new version's migrations are applied under them; new services
come beside them; then the old ones end, one by one.
"""

import asyncio
import os
import random
import signal
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import orjson
import pytest

from lingoloop_common.store.migrate import migrations
from tests.chaos import checker
from tests.chaos.checker import Findings
from tests.chaos.subscribers import Subscribers
from tests.fleet import Fleet, Service
from tests.notifier.receiver import receiving
from tests.ops.load import OWNERS, SETTINGS, Load, check_whole, comes_to_rest, last_numbers
from tests.servers import free_port
from tests.waiting import eventually

pytestmark = [pytest.mark.ops, pytest.mark.slow, pytest.mark.timeout(400)]

OLD = "d24fa7f6ee552f9a39ff16129705a3333a9999bd"
"""The last commit before migration 0021. With the first release, this becomes the release before."""

LAST_MIGRATION = "0020_operations"
"""Of the old version."""

KNOWN_OF_OLD = "InvalidCachedStatementError"
"""What the old version takes for a fault when a migration alters a table: it answers 500, and counts a unit's failure."""

KINDS = ("notifier", "gateway", "transcriber")

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "libs/common",
    "libs/lingoloop",
    "libs/voices",
    "services/gateway",
    "services/transcriber",
    "services/notifier",
)


@pytest.fixture(scope="module")
def old_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """PYTHONPATH of the old version's packages, out of the history."""
    archive = subprocess.run(
        ["git", "archive", OLD, "libs", "services"], cwd=ROOT, capture_output=True, check=False
    )
    if archive.returncode:
        pytest.skip(f"the history does not reach back to {OLD[:7]}: fetch it whole (git fetch --unshallow)")
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as tar:
        tar.extractall(folder, filter="data")
    return ":".join(str(folder / package) for package in PACKAGES)


def lingoloop(*words: str, **environment: str) -> str:
    """Run a command of the version that PYTHONPATH names, to its end; return what it printed."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", "lingoloop", *words],
        env=kept | environment,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    ).stdout


class Rolling:
    """A fleet whose services are replaced one by one, and the addresses that are good at the moment."""

    def __init__(self, fleet: Fleet, old_path: str) -> None:
        self._fleet, self._old_path, self._luck = fleet, old_path, random.Random(11)
        self.urls: list[str] = []
        """Where streams can be opened."""
        self._gateways: list[str] = []

    def gateway(self) -> str:
        """Return the address of a gateway that runs."""
        return self._luck.choice(self._gateways)

    async def start(self, *, old: bool = False) -> dict[str, Service]:
        """Start a notifier, a gateway and a transcriber of one version, and wait until they are ready."""
        ports = {"NOTIFIER_PORT": free_port(), "GATEWAY_PORT": free_port()}
        settings = {name: str(port) for name, port in ports.items()}
        settings["NOTIFIER_URL"] = f"http://127.0.0.1:{ports['NOTIFIER_PORT']}"
        if old:
            settings["PYTHONPATH"] = self._old_path
        services = {kind: self._fleet.start(kind, **settings) for kind in KINDS}
        await asyncio.gather(*(service.ready() for service in services.values()))
        self.urls += [f"http://127.0.0.1:{port}" for port in ports.values()]
        self._gateways.append(self.urls[-1])
        return services

    async def end(self, kind: str, service: Service) -> None:
        """Take the oldest of its kind out of the addresses, as whatever stands before it does, and stop it."""
        if kind == "gateway":
            self.urls.remove(self._gateways.pop(0))
        elif kind == "notifier":
            del self.urls[0]
        service.send(signal.SIGTERM)
        assert await service.wait(60) == 0, service.log.read_text()[-3000:]


async def units_done(service: Service) -> float:
    """Return how many units a transcriber has done, by its metrics."""
    async with httpx.AsyncClient() as http:
        text = (await http.get(f"http://127.0.0.1:{service.ops_port}/metrics")).text
    lines = [line for line in text.splitlines() if line.startswith("lingoloop_units_ended_total{")]
    return sum(float(line.rpartition(" ")[2]) for line in lines if 'outcome="done"' in line)


@pytest.fixture
def fleet(tmp_path: Path, database_url: str, rabbitmq_url: str) -> Iterator[Fleet]:
    fleet = Fleet(tmp_path, database_url, rabbitmq_url, **SETTINGS)
    try:
        yield fleet
    except BaseException:
        print(fleet.logs())
        raise
    finally:
        fleet.stop()


async def test_a_rolling_update_under_load_loses_and_doubles_nothing(fleet: Fleet, old_path: str) -> None:
    url = fleet.database_url
    before = await asyncio.to_thread(lingoloop, "migrate", DATABASE_URL=url, PYTHONPATH=old_path)
    assert before.splitlines()[-1] == LAST_MIGRATION, "it is the old version's code that runs"
    rolling = Rolling(fleet, old_path)
    old = await rolling.start(old=True)
    subscribers = Subscribers(rolling.urls, fleet.token)
    async with receiving() as receiver:
        load = Load(fleet.token, rolling.gateway, receiver.url, subscribers.follow_run)
        for owner in OWNERS:
            subscribers.follow_owner(owner)
        load.start()
        try:
            await load.until(6)
            applied = await asyncio.to_thread(lingoloop, "migrate", DATABASE_URL=url)
            assert applied.split() == [one.name for one in migrations() if one.name > LAST_MIGRATION]
            await load.until(8)  # the old version, on the new schema
            refused = Counter(load.refused)
            new = await rolling.start()
            await load.until(8)  # both at once
            assert await units_done(old["transcriber"])
            for kind in ("transcriber", "notifier", "gateway"):
                await rolling.end(kind, old[kind])
                await load.until(3)
            assert await units_done(new["transcriber"])
            await load.stop()
            await comes_to_rest(url)
            await check_whole(url, load.acknowledged)
            await check_told(url, subscribers)
        finally:
            await load.stop()
            await subscribers.stop()
    assert_no_service_met_a_fault(fleet, KNOWN_OF_OLD)
    assert load.refused == refused, "nobody was refused once the tables were altered"
    assert refused.keys() <= {"500 internal_error"}
    print(f"{len(load.acknowledged)} runs; refused on the way: {dict(refused)}")


async def test_services_work_on_while_each_table_gets_a_column(fleet: Fleet) -> None:
    """As a migration of any next version may add one: statements that are prepared fit their tables no longer."""
    await fleet.start_all(transcribers=1)
    async with receiving() as receiver:
        load = Load(fleet.token, lambda: fleet.url, receiver.url)
        load.start()
        try:
            await load.until(6)
            connection: asyncpg.Connection[Any] = await asyncpg.connect(fleet.database_url)
            tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            for (table,) in tables:
                await connection.execute(f"ALTER TABLE {table} ADD COLUMN drill text")
                await asyncio.sleep(0.1)
            await connection.close()
            await load.until(6)
            await load.stop()
            await comes_to_rest(fleet.database_url)
            await check_whole(fleet.database_url, load.acknowledged)
        finally:
            await load.stop()
    assert load.refused.keys() <= {"503 unavailable"}
    assert_no_service_met_a_fault(fleet)


async def check_told(database_url: str, subscribers: Subscribers) -> None:
    """Each stream has its run's events in order, each owner's too, without a gap or a double, over all its connections."""
    lasts, found = await last_numbers(database_url), Findings()
    owners, runs = subscribers.owners, subscribers.runs

    def all_told() -> bool:
        told = all(owners[owner].last_id == last for owner, last in lasts.items())
        return told and all(stream.ended for stream in runs.values())

    await eventually(all_told, seconds=60)
    for owner, last in lasts.items():
        checker.check_stream(owners[owner], last, found)
    for stream in runs.values():
        checker.check_stream(stream, stream.last_id or 0, found)
    assert found.lines() == []


def assert_no_service_met_a_fault(fleet: Fleet, known: str | None = None) -> None:
    """None wrote a line of the level `error` but for requests that were put off (503), nor a trace but of a known cause."""
    lines = [line for service in fleet.services for line in service.log.read_text().splitlines()]
    told = [orjson.loads(line) for line in lines if line.startswith("{") and not (known and known in line)]
    faults = [
        one for one in told if one["level"] in ("error", "critical") and one["event"] != "request failed"
    ]
    assert faults + [one for one in told if "exception" in one] == []
