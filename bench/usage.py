"""What a fleet's processes use: processor time, memory, connections. By psutil, so that a busy machine only makes it slower."""

import asyncio
import contextlib
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.fleet import Fleet
from tests.servers.postgres import PostgresServer
from tests.servers.rabbitmq import RabbitServer

EVERY = 0.25
"""Seconds between looks for peaks."""


@dataclass(frozen=True, slots=True)
class Processes:
    """The fleet and its servers."""

    fleet: Fleet
    postgres: PostgresServer
    rabbitmq: RabbitServer

    def trees(self) -> Iterator[tuple[str, psutil.Process]]:
        """Yield each service's own process, and the servers'."""
        for service in self.fleet.services:
            yield service.name, psutil.Process(service.process.pid)
        yield "postgresql", psutil.Process(self.postgres.pid)
        yield "rabbitmq", psutil.Process(self.rabbitmq.pid)

    def parts(self) -> Iterator[tuple[str, psutil.Process]]:
        """Yield all processes; a transcriber's children are `slot`, a gateway's `probe`, a server's are the server's."""
        names = {"transcriber": "slot", "gateway": "probe"}
        for name, process in self.trees():
            yield name, process
            for child in process.children(recursive=True):
                yield names.get(name, name), child

    def seconds(self) -> dict[str, float]:
        """Return processor seconds since each part's start; of children that have ended, too."""
        found: defaultdict[str, float] = defaultdict(float)
        for name, process in self.parts():
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                found[name] += times.user + times.system + times.children_user + times.children_system
        return found

    def connections(self) -> dict[str, Counter[str]]:
        """Return each service's open connections, by the server that they go to."""
        ports = {self.postgres.port: "postgresql", self.rabbitmq.port: "rabbitmq"}
        return {
            name: Counter(
                ports[connection.raddr.port]
                for connection in process.net_connections("tcp")
                if connection.status == psutil.CONN_ESTABLISHED and connection.raddr.port in ports
            )
            for name, process in self.trees()
            if name not in ports.values()
        }

    def resident_mb(self) -> dict[str, float]:
        """Return the highest resident memory that one process of each part has had (VmHWM)."""
        found: defaultdict[str, float] = defaultdict(float)
        for name, process in self.parts():
            status = Path(f"/proc/{process.pid}/status").read_text()
            if "VmHWM:" in status:
                found[name] = max(found[name], int(status.partition("VmHWM:")[2].split()[0]) / 1000)
        return found


@dataclass(slots=True)
class Peaks:
    """The most that was seen while somebody looked."""

    share_mb: dict[str, float] = field(default_factory=dict)
    """Of each part's processes together, what is shared in shares (PSS)."""
    connections: dict[str, dict[str, int]] = field(default_factory=dict)
    stored: int = 0
    """Bytes in the storage."""

    def look(self, processes: Processes, blobs: Path) -> None:
        """Take the figures of now."""
        shares: Counter[str] = Counter()
        for name, process in processes.parts():
            with contextlib.suppress(psutil.NoSuchProcess):
                shares[name] += process.memory_full_info().pss
        for name, share in shares.items():
            self.share_mb[name] = max(self.share_mb.get(name, 0.0), share / 1e6)
        for name, counts in processes.connections().items():
            seen = self.connections.setdefault(name, {})
            for server, count in counts.items():
                seen[server] = max(seen.get(server, 0), count)
        self.stored = max(self.stored, stored(blobs))


@contextlib.asynccontextmanager
async def watching(processes: Processes, blobs: Path) -> AsyncIterator[Peaks]:
    """Look for peaks until the block ends."""
    peaks, over = Peaks(), asyncio.Event()

    async def look() -> None:
        while not over.is_set():
            await asyncio.to_thread(peaks.look, processes, blobs)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), EVERY)

    task = asyncio.create_task(look())
    try:
        yield peaks
    finally:
        over.set()
        await task


def stored(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size if path.is_file() else 0
    return total
