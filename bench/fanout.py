"""Events to many subscribers, against nginx with nchan, one process each, in turns; then from a commit to the client.

Both are given an event at their door and have to get it to the clients: nchan by a POST, ours by a
line in place of the broker's message, with all else as it ships (`receipt.py`). Clients are the same process for both, which
only counts frames (`listeners.py`). `rate` is of events that come as fast as they can be taken, `p99_ms` of some that come
at a pace that leaves room. The second part has everything: database, outbox, relay, RabbitMQ, notifier.
"""

import asyncio
import itertools
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import asyncpg

from bench.control_plane import add_chunks
from bench.nchan import nchan
from bench.receipt import DATA
from bench.report import compared
from lingoloop_common.broker.rabbitmq import RabbitBroker
from lingoloop_common.lifecycle import running
from lingoloop_common.relay import Relay
from lingoloop_common.store.database import Database
from lingoloop_common.store.migrate import migrate
from lingoloop_common.store.runs import Change, change_runs, lock_run
from tests.fleet import Fleet
from tests.servers.postgres import PostgresServer
from tests.servers.rabbitmq import RabbitServer

ROUNDS = 3
LIVE = "}\n\n"
"""Ends the first frame of ours; from then on a client is live."""
FIRST = 1_001
"""The number of the first event: all have as many digits."""

COMMIT_RUNS = 100
COMMIT_EVENTS = 500
"""Events a second."""
COMMIT_AT_ONCE = 5
"""Events of a transaction: workers end several chunks in one."""
COMMIT_SECONDS = 10

SHAPES = {
    # Subscribers and channels; events at once, and then paced: how many and how many a second.
    "one_1000": (1_000, 1, 200, 40, 20.0),
    "one_5000": (5_000, 1, 40, 20, 10.0),
    "each_1000": (1_000, 1_000, 40, 40, 20.0),
}


async def measure(_: Path) -> dict[str, Any]:
    """Return deliveries a second and what a delivery costs; `ratio` is ours over nchan's, of times and costs nchan's over ours."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    with PostgresServer() as postgres, RabbitServer() as rabbitmq, TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # nginx's worker is another user
        fleet = Fleet(
            folder,
            postgres.create_database("fanout"),
            rabbitmq.create_vhost("fanout"),
            RATE_LIMIT_PER_OWNER="0",
            POLL_INTERVAL_MS="60000",  # no frames but those of events,
        )
        runs = await _runs(fleet.database_url)
        shapes = {shape: await asyncio.to_thread(_compare, fleet, runs, shape) for shape in SHAPES}
        commit = await _from_commit(fleet, runs[:COMMIT_RUNS])
    return {**shapes.pop("one_1000"), **shapes, "from_commit": commit}


async def _runs(url: str) -> list[tuple[str, str]]:
    """Make runs under way, one an owner, that have had events; return their ids and owners."""
    connection = await asyncpg.connect(url)
    await migrate(connection)
    await connection.close()
    database = Database(url, pool_max=2, startup_timeout=10, exclusive=False)
    await database.start()
    await add_chunks(database, owners=1_000, chunks=1_000)
    rows = await database.pool.fetch("UPDATE transcript_run SET seq = $1 RETURNING id, owner", FIRST - 1)
    await database.stop()
    return sorted((str(row["id"]), row["owner"]) for row in rows)


def _requests(fleet: Fleet, runs: list[tuple[str, str]]) -> list[str]:
    """Return requests for the streams of these runs, each by its owner."""
    tokens = {owner: fleet.token(owner) for _, owner in runs}
    return [
        f"GET /api/runs/{run}/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {tokens[owner]}\r\n\r\n"
        for run, owner in runs
    ]


class Listeners:
    """The process of the clients of one server."""

    def __init__(self, port: int, requests: list[str], live: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.listeners", str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.opened_s = self.ask(requests=requests, live=live)["opened_s"]

    def ask(self, **content: Any) -> dict[str, Any]:
        """Say something; return the answer."""
        assert self._process.stdin  # a pipe
        self._process.stdin.write(json.dumps(content) + "\n")
        self._process.stdin.flush()
        return self.hear()

    def hear(self) -> dict[str, Any]:
        """Return what it says next."""
        assert self._process.stdout  # a pipe
        line = self._process.stdout.readline()
        assert line, "the listeners have failed"
        return dict(json.loads(line))

    def close(self) -> None:
        """End."""
        self._process.kill()
        self._process.wait()


class Side:
    """One of the two: what is sent to it, who listens to it, what it costs."""

    def __init__(
        self, pid: int, port: int, requests: list[str], live: str, publish: Callable[[int], None]
    ) -> None:
        self.pid, self._publish, self._count = pid, publish, len(requests)
        Listeners(port, requests[:20], live).close()  # what the first ones bring about is there once
        time.sleep(1)
        idle = resident(pid)
        self.listeners = Listeners(port, requests, live)
        time.sleep(2)
        self.connection_kb = (resident(pid) - idle) / len(requests) / 1000

    def at_once(self, events: int) -> dict[str, float]:
        """Send events as fast as they are taken."""
        self.listeners.ask(frames=events)
        cpu, begin = processor_seconds(self.pid), time.monotonic()
        self._publish(events)
        found = self.listeners.hear()
        cost = processor_seconds(self.pid) - cpu
        assert not found["missing"], found
        self.listeners.ask(sent=[[begin] * events])
        deliveries = events * self._count
        return {
            "rate": deliveries / (found["last"] - begin),
            "cpu_us": cost / deliveries * 1e6,
            "busy": found["busy"],
        }

    def paced(self, events: int, rate: float) -> dict[str, float]:
        """Send an event each so often."""
        self.listeners.ask(frames=events)
        sent, begin = [], time.monotonic()
        for number in range(events):
            time.sleep(max(0.0, begin + number / rate - time.monotonic()))
            sent.append(time.monotonic())
            self._publish(1)
        found = self.listeners.hear()
        assert not found["missing"], found
        return self.listeners.ask(sent=[sent])


def _compare(fleet: Fleet, runs: list[tuple[str, str]], shape: str) -> dict[str, Any]:
    count, channels, many, few, rate = SHAPES[shape]
    seen: dict[str, list[dict[str, float]]] = {"ours": [], "nchan": []}
    with nchan(fleet.folder / shape) as server, _receipt(fleet) as notifier:
        number = FIRST

        def come(times: int) -> None:
            nonlocal number
            assert notifier.stdin  # a pipe
            for _ in range(times):
                for run in range(channels):
                    notifier.stdin.write(f"{run} {number}\n")
                number += 1
            notifier.stdin.flush()

        theirs = [
            f"GET /sub/c{place % channels} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"
            for place in range(count)
        ]
        ours = _requests(fleet, [runs[place % channels] for place in range(count)])
        sides = {
            "ours": Side(notifier.pid, fleet.notifier_port, ours, LIVE, come),
            "nchan": Side(
                server.pid,
                server.port,
                theirs,
                ": hi\n\n",
                lambda times: server.publish(channels, DATA, times),
            ),
        }
        try:
            for _ in range(ROUNDS):
                for name, side in sides.items():
                    found = {**side.at_once(many), **side.paced(few, rate)}
                    seen[name].append(found)
                    text = ", ".join(f"{key} {value:.2f}" for key, value in found.items())
                    print(f"{shape} {name}: {text}", flush=True)
        finally:
            for side in sides.values():
                side.listeners.close()
    late = compared(*_column(seen, "p99_ms"), unit="ms", bigger_is_better=False)
    cost = compared(*_column(seen, "cpu_us"), unit="us", bigger_is_better=False)
    return compared(
        *_column(seen, "rate"),
        unit="deliveries/s",
        bigger_is_better=True,
        p99=late,
        cpu=cost,
        connection_kb={name: round(side.connection_kb, 2) for name, side in sides.items()},
        opened_s={name: round(side.listeners.opened_s, 2) for name, side in sides.items()},
        clients_busy=round(max(one["busy"] for rounds in seen.values() for one in rounds), 2),
    )


async def _from_commit(fleet: Fleet, runs: list[tuple[str, str]]) -> dict[str, Any]:
    """Change runs as workers do, several in a transaction; return how long after its commit a client has the frame."""
    notifier = fleet.start("notifier")
    await notifier.ready()
    listeners = await asyncio.to_thread(Listeners, fleet.notifier_port, _requests(fleet, runs), LIVE)
    database = Database(fleet.database_url, pool_max=4, startup_timeout=10, exclusive=False)
    broker = RabbitBroker(fleet.environment["BROKER_URL"], startup_timeout=10)
    relay = Relay(database, broker)
    ticks = COMMIT_SECONDS * COMMIT_EVENTS // COMMIT_AT_ONCE
    sent: list[list[float]] = [[] for _ in runs]
    places = itertools.cycle(range(len(runs)))
    async with running([database, broker, relay]):
        listeners.ask(frames=ticks * COMMIT_AT_ONCE // len(runs))
        begin = time.monotonic()
        for tick in range(ticks):
            await asyncio.sleep(begin + tick * COMMIT_AT_ONCE / COMMIT_EVENTS - time.monotonic())
            some = [next(places) for _ in range(COMMIT_AT_ONCE)]
            async with database.pool.acquire() as connection, connection.transaction():
                locked = [await lock_run(connection, UUID(runs[place][0])) for place in some]
                await change_runs(connection, [(run, Change()) for run in locked])
            committed = time.monotonic()
            relay.tell()
            for place in some:
                sent[place].append(committed)
        took = time.monotonic() - begin
        found = await asyncio.to_thread(listeners.hear)
    assert not found["missing"], found
    late = await asyncio.to_thread(lambda: listeners.ask(sent=sent))
    listeners.close()
    return {
        "events_per_s": round(ticks * COMMIT_AT_ONCE / took),
        **{name: round(ms, 2) for name, ms in late.items()},
    }


def _column(seen: dict[str, list[dict[str, float]]], name: str) -> tuple[list[float], list[float]]:
    return [one[name] for one in seen["ours"]], [one[name] for one in seen["nchan"]]


@contextmanager
def _receipt(fleet: Fleet) -> Iterator["subprocess.Popen[str]"]:
    """Run a notifier that is told on stdin what has come."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.receipt"],
        env=fleet.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout  # a pipe
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def resident(pid: int) -> float:
    """Return a process's memory in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def processor_seconds(pid: int) -> float:
    """Return the processor time that a process has taken so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
