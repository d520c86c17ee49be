"""What a chunk costs beside its engine: claims, fenced results, events, outbox and publishing, without any engine.

One worker with 16 slots that answer at once (in its own process: what a slot's process costs is not asked here) works
on chunks that are ready, each result 12 segments, until the last event is confirmed by the broker. Against Procrastinate
(PostgreSQL) and TaskIQ (RabbitMQ), each with 16 consumers and jobs that do nothing, on the same servers, alternating.
Ours does more for each: it is told apart by owner, its result is stored, and its event goes out.
"""

import asyncio
import contextlib
import statistics
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import asyncpg
import procrastinate
import taskiq_aio_pika
from taskiq.receiver import Receiver

from bench.report import compared
from lingoloop_common.blobs import FolderBlobs
from lingoloop_common.broker.rabbitmq import RabbitBroker
from lingoloop_common.child import Message
from lingoloop_common.contracts.engines import Abilities
from lingoloop_common.contracts.transcript import SEGMENTS_PER_CHUNK
from lingoloop_common.lifecycle import running
from lingoloop_common.outbound import Outbound
from lingoloop_common.relay import Relay
from lingoloop_common.store.database import Database
from lingoloop_common.store.ids import new_id
from lingoloop_common.store.migrate import migrate
from lingoloop_transcriber.attempts import WorkRules
from lingoloop_transcriber.claims import Claims
from lingoloop_transcriber.heartbeat import Heartbeat
from lingoloop_transcriber.imports import Imports
from lingoloop_transcriber.ledger import Ledger
from lingoloop_transcriber.slots import Slot, Slots
from lingoloop_transcriber.speakers import Speakers
from lingoloop_transcriber.worker import Worker
from tests.servers.postgres import PostgresServer
from tests.servers.rabbitmq import RabbitServer

CONSUMERS = 16
JOBS = 4_000
ROUNDS = 3
LANE = "simulated"
RECORDING = "audio/recording"
DONE = "SELECT sum(chunks_done) FROM transcript_run"
UNSENT = "SELECT EXISTS (SELECT FROM outbox)"
SEGMENTS = [
    {
        "index": 0,
        "start": place * 1.6,
        "end": place * 1.6 + 1.5,
        "text": f"what was said in the place number {place}",
        "confidence": 0.9,
        "words": [
            {"word": f" word{word}", "start": place * 1.6, "end": place * 1.6 + 1.0, "confidence": 0.9}
            for word in range(4)
        ],
    }
    for place in range(12)
]


async def measure(_: Path) -> dict[str, Any]:
    """Return the rates with 200 owners against Procrastinate's; the others beside them."""
    with PostgresServer() as postgres, RabbitServer() as rabbitmq, TemporaryDirectory() as folder:
        servers = Servers(postgres, rabbitmq, Path(folder))
        many, one, procrastinate_, taskiq = [], [], [], []
        for number in range(ROUNDS):
            many.append(await servers.ours(owners=200, jobs=JOBS))
            procrastinate_.append(await servers.procrastinate(JOBS))
            one.append(await servers.ours(owners=1, jobs=JOBS))
            taskiq.append(await servers.taskiq(JOBS))
            print(
                f"round {number + 1}: 200 owners {many[-1]:.0f}/s, one owner {one[-1]:.0f}/s,"
                f" Procrastinate {procrastinate_[-1]:.0f}/s, TaskIQ {taskiq[-1]:.0f}/s",
                flush=True,
            )
        few, full = await servers.growth()
    single = compared(one, procrastinate_, unit="chunks/s", bigger_is_better=True)
    return compared(
        many,
        procrastinate_,
        unit="chunks/s",
        bigger_is_better=True,
        one_owner=single["ours"],
        one_owner_ratio=single["ratio"],
        taskiq=round(statistics.median(taskiq), 1),
        cost_100000_over_1000=round(few / full, 3),
    )


class NoOpSlot(Slot):
    """Has the same answer for every chunk, at once."""

    async def call(self, fields: Mapping[str, Any]) -> AsyncGenerator[Message, None]:
        first = fields["index"] * SEGMENTS_PER_CHUNK
        segments = [{**segment, "index": first + place} for place, segment in enumerate(SEGMENTS)]
        yield Message({"end": True, "segments": segments, "engine_ms": 0})


class NoOpSlots(Slots):
    """Such slots; nothing is spawned."""

    def __init__(self, count: int) -> None:
        super().__init__(count, {})
        self._free = asyncio.Queue[Slot]()
        for number in range(count):
            self._free.put_nowait(NoOpSlot(number, {}))

    async def start(self) -> None:
        """Nothing to start."""

    async def stop(self) -> None:
        """Nothing is open."""

    @contextlib.asynccontextmanager
    async def borrow(self) -> AsyncIterator[Slot]:
        slot = await self._free.get()
        try:
            yield slot
        finally:
            self._free.put_nowait(slot)


class Servers:
    """One PostgreSQL, with fsync, and one RabbitMQ, that all take turns on."""

    def __init__(self, postgres: PostgresServer, rabbitmq: RabbitServer, folder: Path) -> None:
        self._postgres, self._rabbitmq, self._folder = postgres, rabbitmq, folder

    @contextlib.asynccontextmanager
    async def fresh(self) -> AsyncIterator[tuple[str, str]]:
        """Give an empty database and an empty virtual host."""
        name = f"bench_{new_id().hex}"
        try:
            yield self._postgres.create_database(name), self._rabbitmq.create_vhost(name)
        finally:
            self._postgres.drop_database(name)
            self._rabbitmq.delete_vhost(name)

    async def ours(self, *, owners: int, jobs: int, waiting: int = 0) -> float:
        """Return chunks finished in a second, to the last confirmed event; `waiting` more are ready beside them."""
        async with self.fresh() as (database_url, broker_url):
            database = Database(database_url, pool_max=CONSUMERS + 4, startup_timeout=10, exclusive=False)
            broker = RabbitBroker(broker_url, startup_timeout=20)
            relay = Relay(database, broker)
            connection = await asyncpg.connect(database_url)
            await migrate(connection)
            await connection.close()
            blobs = FolderBlobs(self._folder)
            async with running([blobs, database, broker, relay]):
                await blobs.write(RECORDING, b"")
                await add_chunks(database, owners=owners, chunks=jobs + waiting)
                await send_tokens(database, relay, jobs)
                return jobs / await work_off(database, broker, relay, blobs, jobs)

    async def growth(self) -> tuple[float, float]:
        """Return the rate beside 1,000 waiting chunks, and beside 100,000."""
        return (
            await self.ours(owners=200, jobs=1_000, waiting=1_000),
            await self.ours(owners=200, jobs=1_000, waiting=100_000),
        )

    async def procrastinate(self, jobs: int) -> float:
        """Return Procrastinate's jobs in a second."""
        async with self.fresh() as (database_url, _):
            connector = procrastinate.PsycopgConnector(conninfo=database_url, max_size=CONSUMERS + 4)
            app = procrastinate.App(connector=connector)

            @app.task(name="nothing")
            async def nothing(number: int) -> None:
                """Do nothing."""

            async with app.open_async():
                await app.schema_manager.apply_schema_async()
                await nothing.batch_defer_async(*({"number": number} for number in range(jobs)))  # type: ignore[arg-type]
                await connector.execute_query_async("ANALYZE")
                begin = time.perf_counter()
                await app.run_worker_async(
                    wait=False, concurrency=CONSUMERS, install_signal_handlers=False, listen_notify=False
                )
                seconds = time.perf_counter() - begin
                left = await connector.execute_query_one_async(
                    "SELECT count(*) AS left FROM procrastinate_jobs WHERE status <> 'succeeded'"
                )
            assert left["left"] == 0
            return jobs / seconds

    async def taskiq(self, jobs: int) -> float:
        """Return TaskIQ's jobs in a second."""
        async with self.fresh() as (_, broker_url):
            broker = taskiq_aio_pika.AioPikaBroker(broker_url)
            done, ended = 0, asyncio.Event()

            @broker.task
            async def nothing(number: int) -> None:
                nonlocal done
                done += 1
                if done == jobs:
                    ended.set()

            broker.is_worker_process = True
            await broker.startup()
            for number in range(jobs):
                await nothing.kiq(number)
            receiver = Receiver(broker, max_async_tasks=CONSUMERS, run_startup=False)
            begin = time.perf_counter()
            finish = asyncio.Event()
            listening = asyncio.create_task(receiver.listen(finish))
            await ended.wait()
            seconds = time.perf_counter() - begin
            finish.set()
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listening
            await broker.shutdown()
            return jobs / seconds


async def add_chunks(database: Database, *, owners: int, chunks: int) -> None:
    """Add a run an owner with its share of ready chunks, all planned."""
    runs = [(new_id(), new_id(), new_id(), f"owner-{number}") for number in range(owners)]
    share = -(-chunks // owners)
    async with database.pool.acquire() as connection, connection.transaction():
        await connection.executemany(
            "INSERT INTO audio (id, owner, filename, content_type, size_bytes, sha256, blob)"
            " VALUES ($1, $2, 'a', 'audio/ogg', 1, '', $3)",
            [(audio, owner, RECORDING) for audio, _, _, owner in runs],
        )
        await connection.executemany(
            "INSERT INTO transcript_run (id, audio_id, owner, lane, status, planned, units_left, chunks_total,"
            " planned_samples, started_at) VALUES ($1, $2, $3, $4, 'processing', true, $5::int, $5::int, $5::int * 320000, now())",
            [(run, audio, owner, LANE, share) for audio, run, _, owner in runs],
        )
        await connection.executemany(
            "INSERT INTO job (id, run_id, audio_id, job_type, status)"
            " VALUES ($1, $2, $3, 'transcribe_long', 'processing')",
            [(job, run, audio) for audio, run, job, _ in runs],
        )
        await connection.executemany(
            "INSERT INTO owner_service (lane, owner) VALUES ($1, $2)", [(LANE, owner) for *_, owner in runs]
        )
        await connection.copy_records_to_table(
            "unit",
            columns=[
                "id",
                "run_id",
                "job_id",
                "owner",
                "lane",
                "kind",
                "state",
                "small",
                "priority",
                "position",
                "cost",
            ],
            records=[record for run in runs for record in units(run, share)],
        )
        await connection.execute(
            "INSERT INTO chunk (run_id, index, start_sample, end_sample, unit_id)"
            " SELECT run_id, (position / 20)::int, (position * 16000)::bigint, ((position + 20) * 16000)::bigint, id"
            " FROM unit"
        )
    await database.pool.execute("ANALYZE")


def units(run: tuple[UUID, UUID, UUID, str], share: int) -> list[tuple[Any, ...]]:
    """Return the rows of a run's ready units, 20 seconds each."""
    _, run_id, job_id, owner = run
    return [
        (new_id(), run_id, job_id, owner, LANE, "chunk", "ready", False, 0, index * 20.0, 20.0)
        for index in range(share)
    ]


async def send_tokens(database: Database, relay: Relay, count: int) -> None:
    """Put a token for each chunk into the queue, as planning does."""
    await database.pool.execute(
        "INSERT INTO outbox (message_id, lane) SELECT gen_random_uuid(), $1 FROM generate_series(1, $2)",
        LANE,
        count,
    )
    while await relay.send_batch():
        pass


async def work_off(
    database: Database, broker: RabbitBroker, relay: Relay, blobs: FolderBlobs, jobs: int
) -> float:
    """Return the seconds until all tokens are worked on and nothing is left to publish."""
    claims, slots = Claims(database, new_id(), LANE), NoOpSlots(CONSUMERS)
    rules = WorkRules((0.0,), 0, 60.0, 5.0, 86_400.0, 2**30, 0)
    worker = Worker(
        lane=LANE,
        broker=broker,
        relay=relay,
        blobs=blobs,
        slots=slots,
        claims=claims,
        ledger=Ledger(database),
        imports=Imports(database),
        speakers=Speakers(database),
        outbound=Outbound(allow_private=False),
        rules=rules,
        fleet_slots=lambda: CONSUMERS,
    )
    heartbeat = Heartbeat(
        database,
        worker_id=new_id(),
        lane=LANE,
        slots=CONSUMERS,
        abilities=Abilities,
        held=worker.held,
        pace=lambda: None,
        on_gone=worker.let_go,
        on_wanted=worker.take_work,
    )
    async with running([heartbeat]):
        begin = time.perf_counter()
        async with running([worker]):
            while await database.pool.fetchval(DONE) < jobs:  # noqa: ASYNC110  (nothing tells)
                await asyncio.sleep(0.05)
            while await database.pool.fetchval(UNSENT):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            return time.perf_counter() - begin
