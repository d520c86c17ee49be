"""A fleet over private servers, for the length of a bench."""

import contextlib
import json
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from tests.fleet import Fleet, running_fleet
from tests.seams import Timed
from tests.servers.postgres import PostgresServer
from tests.servers.rabbitmq import RabbitServer


@dataclass(frozen=True, slots=True)
class Transcript:
    """What a run brought: its text and words, and the seconds from the first byte of the upload to `done`."""

    text: str
    words: list[Timed]
    seconds: float


@contextlib.asynccontextmanager
async def bench_fleet(*, transcribers: int = 1, **settings: str) -> AsyncIterator[tuple[Fleet, Path]]:
    """Run a real fleet on this machine; give it and a folder for files."""
    with PostgresServer() as postgres, RabbitServer() as rabbitmq, tempfile.TemporaryDirectory() as folder:
        database_url, broker_url = postgres.create_database("bench"), rabbitmq.create_vhost("bench")
        async with running_fleet(
            Path(folder), database_url, broker_url, transcribers=transcribers, **settings
        ) as fleet:
            yield fleet, Path(folder)


async def transcribe(fleet: Fleet, path: Path, **options: str) -> Transcript:
    """Upload a recording and wait for the end of its run, which is made anew though the same may be there."""
    async with fleet.client() as client:
        begin = time.perf_counter()
        run_id = await client.upload(path, lambda _: None, force="1", **options)
        async for frame in client.events(run_id):
            if frame["event"] == "done":
                assert frame["status"] == "succeeded", frame
        seconds = time.perf_counter() - begin
        exported = json.loads(b"".join([part async for part in client.export(run_id, "json")]))
    segments = exported["segments"]
    words = [Timed(w["word"], w["start"], w["end"]) for segment in segments for w in segment["words"]]
    return Transcript(" ".join(segment["text"] for segment in segments), words, seconds)
