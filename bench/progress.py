"""`GET /api/runs/{id}/progress` under 200 clients that poll, against a bare aiohttp handler that does the same one SELECT.

Each client is another owner with a run under way. Both servers are one process with a pool of the same size over the same
database; the same clients ask one after the other, in turns.
"""

import asyncio
import contextlib
import json
import os
import statistics
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg

from bench.control_plane import add_chunks
from bench.report import compared
from lingoloop_common.store.database import Database
from lingoloop_common.store.migrate import migrate
from tests.fleet import Fleet
from tests.servers import free_port
from tests.servers.postgres import PostgresServer
from tests.servers.rabbitmq import RabbitServer

CLIENTS = 200
SECONDS = 4.0
ROUNDS = 7
POOL = 10


async def measure(_: Path) -> dict[str, Any]:
    """Return requests a second; `ratio` is ours over the bare handler's, of times (`p99_ratio`, `cpu_ratio`) theirs over ours.

    `cpu_us` is what a request costs the server's process, which other work on the machine changes least.
    """
    with PostgresServer() as postgres, RabbitServer() as rabbitmq, TemporaryDirectory() as folder:
        url = postgres.create_database("progress")
        fleet = Fleet(
            Path(folder),
            url,
            rabbitmq.create_vhost("progress"),
            DB_POOL_MAX=str(POOL),
            ENGINE="simulated",
            RATE_LIMIT_PER_ADDRESS="0",
        )
        try:
            return await _rounds(fleet, await _runs(url))
        finally:
            fleet.stop()


async def _rounds(fleet: Fleet, runs: list[tuple[str, str]]) -> dict[str, Any]:
    gateway = fleet.start("gateway")
    await gateway.ready()
    ours = [_request(run, f"Authorization: Bearer {fleet.token(owner)}") for run, owner in runs]
    theirs = [_request(run, f"X-Owner: {owner}") for run, owner in runs]
    seen: dict[str, list[dict[str, float]]] = {"ours": [], "bare": []}
    async with _bare(fleet.database_url) as (port, pid):
        for number in range(ROUNDS):
            seen["ours"].append(await _ask(fleet.gateway_port, ours, gateway.process.pid))
            seen["bare"].append(await _ask(port, theirs, pid))
            texts = (
                f"{name} {rounds[-1]['rate']:.0f}/s, p50 {rounds[-1]['p50_ms']:.0f} ms, p99 {rounds[-1]['p99_ms']:.0f} ms"
                for name, rounds in seen.items()
            )
            print(f"round {number + 1}: {'; '.join(texts)}", flush=True)
    rates = {name: [one["rate"] for one in rounds] for name, rounds in seen.items()}
    late = compared(*_column(seen, "p99_ms"), unit="ms", bigger_is_better=False)
    half = compared(*_column(seen, "p50_ms"), unit="ms", bigger_is_better=False)
    cost = compared(*_column(seen, "cpu_us"), unit="us", bigger_is_better=False)
    return compared(
        rates["ours"],
        rates["bare"],
        unit="requests/s",
        bigger_is_better=True,
        clients=CLIENTS,
        p50_ms=half["ours"],
        p50_ratio=half["ratio"],
        p99_ms=late["ours"],
        p99_ratio=late["ratio"],
        cpu_us=cost["ours"],
        cpu_ratio=cost["ratio"],
        clients_busy=round(statistics.median(one["busy"] for rounds in seen.values() for one in rounds), 2),
    )


def _column(seen: dict[str, list[dict[str, float]]], name: str) -> tuple[list[float], list[float]]:
    return [one[name] for one in seen["ours"]], [one[name] for one in seen["bare"]]


async def _runs(url: str) -> list[tuple[str, str]]:
    """Make runs under way, one an owner; return their ids and owners."""
    connection = await asyncpg.connect(url)
    await migrate(connection)
    await connection.close()
    database = Database(url, pool_max=2, startup_timeout=10, exclusive=False)
    await database.start()
    await add_chunks(database, owners=CLIENTS, chunks=CLIENTS)
    rows = await database.pool.fetch("SELECT id, owner FROM transcript_run")
    await database.stop()
    return [(str(row["id"]), row["owner"]) for row in rows]


def _request(run: str, header: str) -> str:
    return f"GET /api/runs/{run}/progress HTTP/1.1\r\nHost: localhost\r\n{header}\r\n\r\n"


@contextlib.asynccontextmanager
async def _bare(database_url: str) -> AsyncIterator[tuple[int, int]]:
    """Run the bare handler; give its port and its process."""
    port, environment = free_port(), {**os.environ, "DATABASE_URL": database_url}
    command = [sys.executable, "-m", "bench.bare_progress", str(port), str(POOL)]
    process = await asyncio.create_subprocess_exec(*command, env=environment)
    try:
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                break
            except OSError:
                await asyncio.sleep(0.05)
        writer.close()
        yield port, process.pid
    finally:
        process.terminate()
        await process.wait()


async def _ask(port: int, requests: list[str], server: int) -> dict[str, float]:
    """Let the clients ask; return what they saw, which was nothing but good answers, and what each cost the server."""
    command = [sys.executable, "-m", "bench.clients", "127.0.0.1", str(port), str(SECONDS)]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    before = _cpu_seconds(server)
    out, _ = await process.communicate(json.dumps(requests).encode())
    found: dict[str, float] = json.loads(out)
    assert not found["bad"], found
    return {**found, "cpu_us": (_cpu_seconds(server) - before) / found["asked"] * 1e6}


def _cpu_seconds(process: int) -> float:
    """Return the processor time that a process has taken so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
