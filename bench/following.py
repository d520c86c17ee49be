"""Clients that follow runs, in a process of their own, and what they follow."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg

from bench.control_plane import add_chunks
from lingoloop_common.store.database import Database
from lingoloop_common.store.migrate import migrate
from tests.fleet import Fleet

LIVE = "}\n\n"
"""Ends the first frame of ours; from then on a client is live."""
FIRST = 1_001
"""The number of the first event: all have as many digits."""


async def runs_under_way(url: str) -> list[tuple[str, str]]:
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


def requests_for(fleet: Fleet, runs: list[tuple[str, str]]) -> list[str]:
    """Return requests for the streams of these runs, each by its owner."""
    tokens = {owner: fleet.token(owner) for _, owner in runs}
    return [
        f"GET /api/runs/{run}/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {tokens[owner]}\r\n\r\n"
        for run, owner in runs
    ]


class Listeners:
    """The process of the clients of one server."""

    def __init__(self, port: int, requests: list[str], live: str, *, at_once: int = 100) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.listeners", str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.opened_s = self.ask(requests=requests, live=live, at_once=at_once)["opened_s"]

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


def resident(pid: int) -> float:
    """Return a process's memory in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def processor_seconds(pid: int) -> float:
    """Return the processor time that a process has taken so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
