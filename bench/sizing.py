"""What an hour of audio costs each part of a fleet: processor, memory, database, storage, messages; `sizing_page` writes it down.

Real recordings (MP3) by real models, one after the other, each followed by a stream of its own and by the owner's; and the
engine that answers at once, which leaves the rest. Figures of rounds are medians, with the least and the most. Processor
time is a process's own, so a busy machine does not spoil it; what the part takes while nothing is to be done (`idle`) is
not in it. Sizes are of tables written anew (VACUUM FULL), and of a database just vacuumed as it was.
"""

import asyncio
import contextlib
import datetime
import os
import platform
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg
import psutil

from bench.recordings import recording
from bench.usage import Peaks, Processes, stored, watching
from lingoloop_common.store.migrate import migrate
from lingoloop_common.store.queries import load_queries
from lingoloop_gateway.retention import SQL as RETENTION
from tests import media
from tests.fleet import running_fleet
from tests.servers.postgres import PostgresServer
from tests.servers.rabbitmq import RabbitServer
from tests.speech import RATE, Clip, Samples

SQL = load_queries("bench", "sizing.sql")

ROUNDS = 3
MINUTES = 21
START = 90
"""Seconds of the recording that comes first, uncounted."""

SETTLED = 6.0
"""Seconds until the broker's own counters are those of now."""

Connection: TypeAlias = "asyncpg.Connection[Any]"


@dataclass(frozen=True, slots=True)
class Kind:
    """How recordings are transcribed, and how many in a round."""

    settings: dict[str, str]
    options: dict[str, str]
    recordings: int = 1


KINDS = {
    "base": Kind({"MODEL": "base"}, {}),
    "base, speakers": Kind({"MODEL": "base"}, {"diarize": "1"}),
    "tiny.en": Kind({"MODEL": "tiny.en"}, {}),
    "no engine": Kind({"ENGINE": "simulated", "SIMULATED_MS_PER_SECOND": "0"}, {}, recordings=6),
}


async def measure(speech: Path) -> dict[str, Any]:
    """Return a table of figures for each kind, each an hour of audio's."""
    clip = recording(speech, MINUTES)
    kinds = {name: await _kind(name, kind, clip) for name, kind in KINDS.items()}
    return {"machine": _machine(), "minutes": round(clip.seconds / 60, 1), "kinds": kinds}


async def _kind(name: str, kind: Kind, clip: Clip) -> dict[str, Any]:
    async with _stage(kind) as stage:
        fresh, hours = await stage.sizes(), clip.seconds / 3600
        path = write_mp3(stage.fleet.folder / "recording.mp3", clip.samples)
        start = write_mp3(stage.fleet.folder / "start.mp3", clip.samples[: START * RATE])
        await stage.transcribe(start)  # models are loaded, and statements prepared
        idle = await stage.idle()
        async with watching(stage.processes, stage.blobs) as peaks:
            rounds = []
            for _ in range(ROUNDS):
                rounds.append(await _round(stage, kind, path, hours, idle))
                print(name, {key: round(value, 3) for key, value in rounds[-1].items()}, flush=True)
        times = ROUNDS * kind.recordings
        originals = start.stat().st_size + times * path.stat().st_size
        return {
            "rounds": ROUNDS,
            "an hour": {key: _spread([one[key] for one in rounds]) for key in rounds[0]},
            "idle, seconds a day": {part: round(rate * 86_400, 1) for part, rate in idle.items()},
            "resident, MB": _rounded(stage.processes.resident_mb()),
            "shares, MB": _rounded(peaks.share_mb),
            "connections": peaks.connections,
            "storage, MB": stage.storage(peaks, originals),
            "database, MB an hour": await stage.database_mb(fresh, hours * times + START / 3600),
        }


async def _round(
    stage: "Stage", kind: Kind, path: Path, hours: float, idle: dict[str, float]
) -> dict[str, float]:
    """Transcribe, and return what an hour of audio took."""
    before, begin = await stage.reading(), time.monotonic()
    streams = [await stage.transcribe(path) for _ in range(kind.recordings)]
    working = time.monotonic() - begin
    await stage.settle()
    wall, after, total = time.monotonic() - begin, await stage.reading(), hours * kind.recordings
    spent = {
        key: value - before[key] - (idle[key.removesuffix(" s")] * wall if key.endswith(" s") else 0.0)
        for key, value in after.items()
    }
    return {
        **{key: max(0.0, value) / total for key, value in spent.items()},
        "run stream, MB": sum(streams) / 1e6 / total,
        "x real time": total * 3600 / working,
    }


class Stage:
    """A fleet of one of each, its servers, and what is read there."""

    def __init__(self, processes: Processes, kind: Kind, connection: Connection) -> None:
        self.processes, self.fleet, self._kind, self._connection = (
            processes,
            processes.fleet,
            kind,
            connection,
        )
        self.blobs = self.fleet.folder / "blobs"
        self._owner_bytes = 0

    async def transcribe(self, path: Path) -> int:
        """Upload a recording and follow it to its end; return the bytes of its stream."""
        async with self.fleet.client() as client:
            run_id = await client.upload(path, lambda _: None, force="1", **self._kind.options)
        received = 0
        async with self.fleet.http() as http, http.stream("GET", f"/api/runs/{run_id}/events") as answer:
            end = b""
            async for part in answer.aiter_raw():
                received, end = received + len(part), end[-200:] + part
        status = await self._connection.fetchval("SELECT status FROM transcript_run WHERE id = $1", run_id)
        assert status == "succeeded", status
        return received

    async def follow(self) -> None:
        """Follow all of the owner's runs, and count the bytes."""
        async with self.fleet.http() as http, http.stream("GET", "/api/runs/events") as answer:
            async for part in answer.aiter_raw():
                self._owner_bytes += len(part)

    async def settle(self) -> None:
        """Wait until all that a run brings about is done, and counted."""
        while await self._connection.fetchval(SQL["unsettled"]):  # noqa: ASYNC110  (nothing tells)
            await asyncio.sleep(0.1)
        await asyncio.sleep(SETTLED)

    async def idle(self) -> dict[str, float]:
        """Return the processor seconds that each part takes in a second without work."""
        await self.settle()
        before, begin = self.processes.seconds(), time.monotonic()
        await asyncio.sleep(20)
        after, seconds = self.processes.seconds(), time.monotonic() - begin
        return {part: (after[part] - before[part]) / seconds for part in after}

    async def reading(self) -> dict[str, float]:
        """Return all that only rises."""
        log = await self._connection.fetchrow(SQL["log"])
        counts = await self._connection.fetchrow(SQL["counts"])
        assert log is not None  # it has a row
        assert counts is not None
        queued = await asyncio.to_thread(self._messages)
        seconds = self.processes.seconds()
        parts = ("gateway", "probe", "transcriber", "slot", "notifier", "postgresql", "rabbitmq")
        return {
            **{f"{part} s": seconds[part] for part in parts},
            **{name: float(count) for name, count in counts.items()},
            **queued,
            "transactions": log["transactions"],
            "WAL, MB": log["wal"] / 1e6,
            "owner stream, MB": self._owner_bytes / 1e6,
        }

    def _messages(self) -> dict[str, float]:
        found = {}
        for name, exchange in (("tokens", "lingoloop.work"), ("events sent", "lingoloop.events")):
            stats = self.processes.rabbitmq.admin("GET", f"exchanges/sizing/{exchange}").get(
                "message_stats", {}
            )
            found[name] = float(stats.get("publish_in", 0))
            if name == "events sent":
                found["events delivered"] = float(stats.get("publish_out", 0))
        return found

    def storage(self, peaks: Peaks, originals: int) -> dict[str, float]:
        """Return the originals' bytes, what lay beside them at the most, and what is left of that."""
        return _rounded(
            {
                "originals": originals / 1e6,
                "ahead": (peaks.stored - originals) / 1e6,
                "left": (stored(self.blobs) - originals) / 1e6,
            }
        )

    async def sizes(self) -> Counter[str]:
        """Return bytes of tables (`… rows`) and their indexes."""
        found: Counter[str] = Counter()
        for table in await self._connection.fetch(SQL["tables"]):
            found[f"{table['name']} rows"], found[f"{table['name']} indexes"] = (
                table["rows"],
                table["indexes"],
            )
        return found

    async def database_mb(self, fresh: Counter[str], hours: float) -> dict[str, Any]:
        """Return what an hour of audio adds: as it is now, written anew, and without events."""
        await self._connection.execute("VACUUM")
        now = await self.sizes()
        await self._connection.execute("VACUUM FULL")
        anew = await self.sizes()
        while await self._connection.fetchval(RETENTION["drop_events"], 0, 10_000):
            pass
        await self._connection.execute("VACUUM FULL")
        kept = await self.sizes()
        tables = {
            name: round((size - fresh[name]) / 1e6 / hours, 3)
            for name, size in anew.items()
            if size - fresh[name] > 0.005e6 * hours
        }
        totals = {"as it is": now, "anew": anew, "without events": kept}
        return {
            **{
                name: round((sizes.total() - fresh.total()) / 1e6 / hours, 2)
                for name, sizes in totals.items()
            },
            "tables": tables,
        }


@contextlib.asynccontextmanager
async def _stage(kind: Kind) -> AsyncIterator[Stage]:
    with PostgresServer() as postgres, RabbitServer() as rabbitmq, tempfile.TemporaryDirectory() as folder:
        url, broker_url = postgres.create_database("sizing"), rabbitmq.create_vhost("sizing")
        connection = await asyncpg.connect(url)
        await migrate(connection)
        async with running_fleet(Path(folder), url, broker_url, transcribers=1, **kind.settings) as fleet:
            stage = Stage(Processes(fleet, postgres, rabbitmq), kind, connection)
            following = asyncio.create_task(stage.follow())
            try:
                yield stage
            finally:
                following.cancel()
                await asyncio.wait([following])
                await connection.close()


def write_mp3(path: Path, samples: Samples) -> Path:
    """Write samples as an MP3."""
    path.write_bytes(media.spoken("mp3", "mp3", samples, rate=RATE))
    return path


def _machine() -> dict[str, Any]:
    model = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line)
    return {
        "processor": model.partition(":")[2].strip(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "system": platform.freedesktop_os_release()["PRETTY_NAME"],
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "load": round(os.getloadavg()[2], 1),
    }


def _spread(values: list[float]) -> list[float]:
    """Return the median, the least and the most."""
    return [round(value, 3) for value in (statistics.median(values), min(values), max(values))]


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 1) for name, value in values.items()}
