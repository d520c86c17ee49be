"""Events to many subscribers, against nginx with nchan, one process each, in turns; then from a commit to the client.

Both are given an event at their door and have to get it to the clients: nchan by a POST, ours by a line in place of the
broker's message, with all else as it ships (`receipt.py`). The clients of both only count frames (`listeners.py`). The rate
and `cpu` are of events that come as fast as they are taken, which ours writes together; `p99` and `cpu_alone` of events that
come one at a time, at a pace that leaves room. These come first: Linux acknowledges the first 16 segments after a pause at once and
later ones together, which costs the sender 40 % of a delivery, and what was sent as one piece before would have counted as few
segments to ours and as many to nchan. The second part has everything (`commits.py`). Needs nginx with nchan.
"""

import asyncio
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.commits import FOLLOWED, from_commit
from bench.following import FIRST, LIVE, Listeners, processor_seconds, requests_for, resident, runs_under_way
from bench.nchan import nchan
from bench.receipt import DATA
from bench.report import compared
from tests.fleet import Fleet
from tests.servers.postgres import PostgresServer
from tests.servers.rabbitmq import RabbitServer

ROUNDS = 5
SHAPES = {
    # Subscribers and channels; events at once, and then paced: how many and how many a second.
    "one_1000": (1_000, 1, 400, 40, 20.0),
    "one_5000": (5_000, 1, 80, 20, 10.0),
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
            POLL_INTERVAL_MS="60000",  # no frames but those of events
        )
        try:
            runs = await runs_under_way(fleet.database_url)
            shapes = {shape: await asyncio.to_thread(_compare, fleet, runs, shape) for shape in SHAPES}
            commit = await from_commit(fleet, runs[:FOLLOWED])
        finally:
            fleet.stop()
    return {**shapes.pop("one_1000"), **shapes, "from_commit": commit}


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
        cpu, sent, begin = processor_seconds(self.pid), [], time.monotonic()
        for number in range(events):
            time.sleep(max(0.0, begin + number / rate - time.monotonic()))
            sent.append(time.monotonic())
            self._publish(1)
        found = self.listeners.hear()
        alone = (processor_seconds(self.pid) - cpu) / (events * self._count) * 1e6
        assert not found["missing"], found
        return {**self.listeners.ask(sent=[sent]), "alone_us": alone, "alone_busy": found["busy"]}


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
        ours = requests_for(fleet, [runs[place % channels] for place in range(count)])
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
                    found = {**side.paced(few, rate), **side.at_once(many)}
                    seen[name].append(found)
                    text = ", ".join(f"{key} {value:.2f}" for key, value in found.items())
                    print(f"{shape} {name}: {text}", flush=True)
        finally:
            for side in sides.values():
                side.listeners.close()
    late = compared(*_column(seen, "p99_ms"), unit="ms", bigger_is_better=False)
    cost = compared(*_column(seen, "cpu_us"), unit="us", bigger_is_better=False)
    alone = compared(*_column(seen, "alone_us"), unit="us", bigger_is_better=False)
    return compared(
        *_column(seen, "rate"),
        unit="deliveries/s",
        bigger_is_better=True,
        p99=late,
        cpu=cost,
        cpu_alone=alone,
        connection_kb={name: round(side.connection_kb, 2) for name, side in sides.items()},
        opened_s={name: round(side.listeners.opened_s, 2) for name, side in sides.items()},
        clients_busy={
            name: [round(max(one[key] for one in rounds), 2) for key in ("busy", "alone_busy")]
            for name, rounds in seen.items()
        },
    )


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
