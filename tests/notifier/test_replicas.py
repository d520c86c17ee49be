"""Two notifiers, killed in turn or told to stop, and started again: every subscriber is told all, once and in order."""

import asyncio
import contextlib
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import httpx
import pytest

from lingoloop_common.broker.rabbitmq import RabbitBroker
from lingoloop_common.lifecycle import end_task, running
from lingoloop_common.relay import Relay
from lingoloop_common.store.database import Database
from tests.chaos import checker
from tests.chaos.checker import Findings
from tests.chaos.subscribers import SILENCE, Subscriber
from tests.fleet import Fleet, Service
from tests.notifier.real_runs import RealRuns
from tests.notifier.world import Listener
from tests.rows import AddedRun
from tests.servers import free_port
from tests.waiting import eventually

OWNERS = [f"owner {number}" for number in range(10)]
RUNS_EACH = 5
FOLLOW_RUN, FOLLOW_OWNER = 3, 5
"""Subscribers of each run and of each owner: 200 in all."""
PAUSE = 0.01
"""Seconds between two events, so that there are some all the time."""


class Replica:
    """A notifier's place: its address stays, its processes come and go."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet, self.port = fleet, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._service: Service

    async def start(self) -> None:
        self._service = self._fleet.start("notifier", NOTIFIER_PORT=str(self.port))
        await self._service.ready()

    async def end(self, number: signal.Signals) -> int:
        """End the process; return its exit code."""
        self._service.send(number)
        return await self._service.wait()

    async def streams(self) -> int:
        """Return how many streams are open here."""
        async with httpx.AsyncClient() as http:
            page = (await http.get(f"http://127.0.0.1:{self._service.ops_port}/metrics")).text
        counts = [line for line in page.splitlines() if line.startswith("lingoloop_sse_subscribers{")]
        return sum(int(float(line.split()[-1])) for line in counts)


class Stage:
    """Two replicas over one database and one broker, and runs that this process changes."""

    def __init__(self, fleet: Fleet, database: Database, runs: RealRuns) -> None:
        self.fleet, self.database, self.runs = fleet, database, runs
        self.replicas = [Replica(fleet), Replica(fleet)]

    async def last_of(self, owner: str) -> int:
        """Return the number of an owner's last event."""
        last: int = await self.database.pool.fetchval("SELECT last FROM owner_stream WHERE owner = $1", owner)
        return last


@pytest.fixture
async def stage(migrated_url: str, rabbitmq_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    fleet = Fleet(tmp_path, migrated_url, rabbitmq_url)
    database = Database(migrated_url, pool_max=10, startup_timeout=10, exclusive=False)
    broker = RabbitBroker(rabbitmq_url, startup_timeout=20)
    relay = Relay(database, broker)
    async with running([database, broker, relay]):
        stage = Stage(fleet, database, RealRuns(database, relay))
        try:
            await asyncio.gather(*(replica.start() for replica in stage.replicas))
            yield stage
        except BaseException:
            print(fleet.logs())
            raise
        finally:
            fleet.stop()


async def write_on(runs: RealRuns, added: list[AddedRun], enough: asyncio.Event) -> dict[str | None, int]:
    """Change all runs in turn until it is enough, and end them; return the number of each one's last event."""
    while not enough.is_set():
        for run in added:
            await runs.change(run)
            await asyncio.sleep(PAUSE)
    return {str(run.run_id): await runs.finish(run) for run in added}


@pytest.mark.parametrize(
    ("number", "times"),
    [
        (signal.SIGKILL, 2),
        (signal.SIGTERM, 2),
        pytest.param(signal.SIGKILL, 12, marks=pytest.mark.slow),
    ],
)
async def test_replicas_end_in_turn_and_nobody_misses_anything(
    stage: Stage, number: signal.Signals, times: int
) -> None:
    runs = [await stage.runs.add(owner, 1) for owner in OWNERS for _ in range(RUNS_EACH)]
    urls = [replica.url for replica in stage.replicas]
    of_runs = [(str(run.run_id), run.owner) for run in runs] * FOLLOW_RUN
    of_owners = [(None, owner) for owner in OWNERS] * FOLLOW_OWNER
    subscribers = [
        Subscriber(run_id, owner, urls, stage.fleet.token(owner)) for run_id, owner in (*of_runs, *of_owners)
    ]
    enough = asyncio.Event()
    # Nobody stays connected for longer than a process lives, so nothing is kept for another request.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    async with (
        httpx.AsyncClient(timeout=httpx.Timeout(10, read=SILENCE), limits=limits) as http,
        asyncio.TaskGroup() as group,
    ):
        following = [
            group.create_task(subscriber.follow(http, place)) for place, subscriber in enumerate(subscribers)
        ]
        writing = group.create_task(write_on(stage.runs, runs, enough))
        for turn in range(times):
            replica = stage.replicas[turn % 2]

            async def is_used(replica: Replica = replica) -> bool:
                return await replica.streams() >= len(subscribers) // 4

            await eventually(is_used)
            assert await replica.end(number) == (0 if number == signal.SIGTERM else -number)
            await replica.start()
        enough.set()
        lasts = await writing
        last_of = {owner: await stage.last_of(owner) for owner in OWNERS}

        def all_told() -> bool:
            return all(
                subscriber.stream.ended
                if subscriber.stream.run_id
                else subscriber.stream.last_id == last_of[subscriber.stream.owner]
                for subscriber in subscribers
            )

        with contextlib.suppress(AssertionError):  # the checker says what is missing
            await eventually(all_told)
        for task in following:
            await end_task(task)
    found = Findings()
    for subscriber in subscribers:
        stream = subscriber.stream
        checker.check_stream(stream, lasts[stream.run_id] if stream.run_id else last_of[stream.owner], found)
    assert found.lines() == []


STREAMS = 300


async def test_clients_of_a_replica_that_stops_are_told_to_come_back_over_a_quarter_of_a_minute(
    stage: Stage,
) -> None:
    """Of ten thousand, no second sees many more than one in fourteen; those who come back miss nothing."""
    stopping, other = stage.replicas
    run = await stage.runs.add("ann", 20)
    headers = {"Authorization": f"Bearer {stage.fleet.token('ann')}"}

    async def told(http: aiohttp.ClientSession, opened: asyncio.Semaphore) -> tuple[int, int]:
        """Return a stream's last id, and how many ms its client is told to wait."""
        async with http.get(f"{stopping.url}/api/runs/{run.run_id}/events", headers=headers) as response:
            listener = Listener(response)
            first = await listener.next()
            opened.release()
            frames = [first, *await listener.rest()]
            return int([frame.id for frame in frames if frame.id][-1] or 0), listener.retries[-1]

    opened = asyncio.Semaphore(0)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        tasks = [asyncio.create_task(told(http, opened)) for _ in range(STREAMS)]
        for _ in tasks:
            await asyncio.wait_for(opened.acquire(), 20)
        for _ in range(10):
            await stage.runs.finish_chunk(run)
        begin = time.monotonic()
        ended = asyncio.create_task(stopping.end(signal.SIGTERM))
        goodbyes = await asyncio.gather(*tasks)
        assert await ended == 0
        assert time.monotonic() - begin < 5, "it waited for streams that it had ended itself"
        last = await stage.runs.finish(run)
        seconds = Counter(pause // 1000 for _, pause in goodbyes)
        assert max(seconds.values()) <= STREAMS * 0.15, seconds
        assert len(seconds) >= 12, seconds
        for last_id in {last_id for last_id, _ in goodbyes}:
            more = {**headers, "Last-Event-ID": str(last_id)}
            async with http.get(f"{other.url}/api/runs/{run.run_id}/events", headers=more) as response:
                frames = await Listener(response).rest()
            assert [frame.id for frame in frames if frame.id] == [
                str(n) for n in range(last_id + 1, last + 1)
            ]
