"""A fleet on a real database and a real broker: workers come, go and are killed; owners upload."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lingoloop_common.blobs import FolderBlobs
from lingoloop_common.broker.rabbitmq import RabbitBroker
from lingoloop_common.contracts.units import plan_cost
from lingoloop_common.lifecycle import Part, end_task, running
from lingoloop_common.relay import Relay
from lingoloop_common.store.database import Database
from lingoloop_common.store.runs import SQL as RUN_SQL
from lingoloop_common.store.runs import Change, change_run, lock_run
from lingoloop_common.sweep import Sweep
from tests.rows import AddedRun, add_run, add_token
from tests.rules.workshop import LANE, Transcriber, Workshop
from tests.simulation.slots import PausingSlots

SLOTS_EACH = 8
"""Slots of a worker."""


class Member:
    """A worker with its own connections, as in a process of its own."""

    def __init__(self, database_url: str, broker_url: str, folder: Path) -> None:
        self._database = Database(database_url, pool_max=10, startup_timeout=20, exclusive=False)
        self._broker = RabbitBroker(broker_url, startup_timeout=20)
        self._relay = Relay(self._database, self._broker)
        blobs = FolderBlobs(folder / "blobs")
        shop = Workshop(self._database, self._broker, self._relay, blobs, folder)
        self._transcriber: Transcriber = shop.transcriber(
            PausingSlots(SLOTS_EACH), longest_recording=86_400, grace=5
        )
        parts: list[Part] = [self._database, self._broker, self._relay, *self._transcriber.parts]
        self._life = running(parts)
        self.settled_at = float("inf")
        """When it has been at work for two seconds; never again once it begins to go."""

    @property
    def slots(self) -> int:
        """How many it has."""
        return self._transcriber.slots.count

    @property
    def busy(self) -> int:
        """Slots that hold a unit: from its claim until its token is settled."""
        return len(self._transcriber.worker.held())

    @property
    def settled(self) -> bool:
        """Whether it is neither coming nor going."""
        return time.monotonic() >= self.settled_at

    async def start(self) -> None:
        """Come."""
        await self._life.__aenter__()
        self.settled_at = time.monotonic() + 2

    async def stop(self) -> None:
        """Go, as on SIGTERM."""
        self.settled_at = float("inf")
        await self._life.__aexit__(None, None, None)

    async def kill(self) -> None:
        """Vanish, as on SIGKILL: nothing is handed back, no lease ended, and the system closes the connections."""
        self.settled_at = float("inf")
        worker, heartbeat = self._transcriber.worker, self._transcriber.heartbeat
        for task in worker._tasks:
            task.cancel()
        await self._broker.stop()
        while tasks := list(worker._tasks):  # tokens that came while the connection was being closed
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=1)
        await end_task(heartbeat._task)
        await end_task(self._relay._task)
        await self._database.stop()


@dataclass(slots=True)
class Stage:
    """What a play needs: the owners' side of it, and the fleet."""

    database_url: str
    broker_url: str
    folder: Path
    shop: Workshop
    members: list[Member] = field(default_factory=list)

    async def grow(self, count: int) -> None:
        """Let workers come."""
        new = [Member(self.database_url, self.broker_url, self.folder) for _ in range(count)]
        await asyncio.gather(*(member.start() for member in new))
        self.members += new

    async def shrink(self, count: int) -> None:
        """Let the workers that came first go."""
        gone, self.members = self.members[:count], self.members[count:]
        await asyncio.gather(*(member.stop() for member in gone))

    async def lose(self) -> None:
        """Kill the worker that came first."""
        await self.members.pop(0).kill()

    async def upload(self, owner: str, seconds: float, *, small: bool = False) -> AddedRun:
        """Make a run as the gateway does, in one transaction, and let the relay send its token."""
        async with self.shop.database.pool.acquire() as connection, connection.transaction():
            await connection.execute(RUN_SQL["activate_owner"], LANE, owner)
            run = await add_run(
                connection,
                owner=owner,
                units=0,
                planned=False,
                status="queued",
                duration_ms=round(seconds * 1000),
                small=small,
                cost=plan_cost(small=small),
            )
            if small:
                await connection.execute(
                    "UPDATE job SET job_type = 'transcribe_short' WHERE id = $1", run.job_id
                )
            await add_token(connection, lane=LANE)
            await self.shop.blobs.write(f"audio/{run.audio_id}", b"sound")
            await change_run(connection, await lock_run(connection, run.run_id), Change())
        self.shop.relay.tell()
        return run

    async def done_by_owner(self) -> dict[str, float]:
        """Return the seconds of audio that are done, by owner."""
        rows = await self.fetch(
            "SELECT owner, sum(done_samples)::float / 16000 AS done FROM transcript_run GROUP BY owner"
        )
        return {row["owner"]: row["done"] for row in rows}

    async def waits(self, owners: str) -> list[float]:
        """Return the seconds from each small run's upload to its first chunk's claim, or to now; of owners like these.

        A chunk that a killed worker had begun counts by its last beginning.
        """
        rows = await self.fetch(
            "SELECT extract(epoch FROM COALESCE(u.claimed_at, now()) - r.created_at)::float AS waited"
            " FROM transcript_run r JOIN job j ON j.run_id = r.id LEFT JOIN chunk c ON c.run_id = r.id"
            " LEFT JOIN unit u ON u.id = c.unit_id"
            " WHERE j.job_type = 'transcribe_short' AND r.owner LIKE $1",
            owners,
        )
        return [row["waited"] for row in rows]

    async def mishaps(self) -> tuple[int, int]:
        """Return how often a unit was lost with its worker, and how often one failed."""
        row = (await self.fetch("SELECT sum(lost) AS lost, sum(failures) AS failed FROM unit"))[0]
        return row["lost"], row["failed"]

    async def fetch(self, query: str, *values: object) -> list[Any]:
        """Ask the database."""
        return list(await self.shop.database.pool.fetch(query, *values))


@contextlib.asynccontextmanager
async def opened(database_url: str, broker_url: str, folder: Path) -> AsyncIterator[Stage]:
    """Give a stage with a gateway's parts (relay and sweep) and no workers yet."""
    database = Database(database_url, pool_max=16, startup_timeout=20, exclusive=False)
    broker, blobs = RabbitBroker(broker_url, startup_timeout=20), FolderBlobs(folder / "blobs")
    relay = Relay(database, broker)
    sweep = Sweep(database, broker, relay)
    stage = Stage(database_url, broker_url, folder, Workshop(database, broker, relay, blobs, folder))
    async with running([blobs, database, broker, relay, sweep]):
        try:
            yield stage
        finally:
            await asyncio.gather(*(member.stop() for member in stage.members))
