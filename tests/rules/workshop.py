"""A transcriber's parts in this process, over a real database: slots and tokens in the test's hands, or real ones."""

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock
from uuid import UUID

import numpy as np

from lingoloop_common.blobs import Blobs
from lingoloop_common.broker import Broker
from lingoloop_common.child import Message
from lingoloop_common.contracts.engines import Abilities
from lingoloop_common.contracts.transcript import SEGMENTS_PER_CHUNK, Segment
from lingoloop_common.contracts.units import SAMPLE_RATE
from lingoloop_common.errors import Busy, WorkError
from lingoloop_common.lifecycle import Part
from lingoloop_common.outbound import Outbound
from lingoloop_common.relay import Relay
from lingoloop_common.store.database import Database
from lingoloop_common.store.ids import new_id
from lingoloop_transcriber.attempts import WorkRules
from lingoloop_transcriber.claim import Claim, Result
from lingoloop_transcriber.claims import Claims
from lingoloop_transcriber.elsewhere import Elsewhere
from lingoloop_transcriber.engines import Piece, Sound
from lingoloop_transcriber.heartbeat import Heartbeat
from lingoloop_transcriber.imports import Imports
from lingoloop_transcriber.ledger import Ledger
from lingoloop_transcriber.loudness import audible
from lingoloop_transcriber.slot import SlotProcess
from lingoloop_transcriber.slots import Slot, Slots
from lingoloop_transcriber.speakers import Speakers
from lingoloop_transcriber.worker import Worker
from tests.rows import AddedRun, add_run, add_token
from tests.speech import Samples
from tests.waiting import eventually

LANE = "simulated"


@dataclass(slots=True, eq=False)
class HandDelivery:
    """A token handed to a worker by the test; remembers how it was settled."""

    message_id: UUID = field(default_factory=new_id)
    redelivered: bool = False
    traceparent: str | None = None
    settled: list[str] = field(default_factory=list)

    async def ack(self) -> None:
        self.settled.append("ack")

    async def reject(self) -> None:
        self.settled.append("reject")

    def again(self) -> "HandDelivery":
        """Return the same token, delivered once more."""
        return HandDelivery(self.message_id, redelivered=True)


class Call:
    """A request in a slot, to be answered by the test."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.fields = dict(fields)
        self.begun_at = asyncio.get_running_loop().time()
        self.stopped = asyncio.Event()
        self._answers: asyncio.Queue[Message | WorkError] = asyncio.Queue()

    def answer(self, **fields: Any) -> None:
        """Send one message back."""
        self._answers.put_nowait(Message(fields))

    def finish(self, *, text: str = "a word") -> None:
        """End a chunk with one segment."""
        begin = self.fields["start"] / SAMPLE_RATE
        segment = {
            "index": self.fields["index"] * SEGMENTS_PER_CHUNK,
            "start": begin + 0.1,
            "end": begin + 0.9,
            "text": text,
            "confidence": 1.0,
            "words": [],
        }
        self.answer(end=True, segments=[segment], engine_ms=1)

    def fail(self, code: str = "engine_failed") -> None:
        """End with an error."""
        self._answers.put_nowait(WorkError(code, "it did not work"))

    def busy(self, seconds: float) -> None:
        """End with a server's word that it takes no more for a while."""
        self._answers.put_nowait(Busy("the server is busy", seconds))

    async def next(self) -> Message:
        """Wait for the test's answer."""
        answer = await self._answers.get()
        if isinstance(answer, WorkError):
            raise answer
        return answer


class HandSlot(Slot):
    """A slot without a process: the test answers."""

    def __init__(self, number: int, calls: "asyncio.Queue[Call]") -> None:
        super().__init__(number, {})
        self._calls = calls

    async def call(self, fields: Mapping[str, Any]) -> AsyncGenerator[Message, None]:
        call = Call(fields)
        self._calls.put_nowait(call)
        ended = False
        try:
            while not ended:
                try:
                    message = await call.next()
                except WorkError:
                    ended = True
                    raise
                ended = "end" in message.fields
                yield message
        finally:
            if not ended:
                call.stopped.set()


class HandSlots(Slots):
    """Slots whose calls the test answers, in the order they come."""

    def __init__(self, count: int) -> None:
        super().__init__(count, {})
        self._calls: asyncio.Queue[Call] = asyncio.Queue()
        self._hands: asyncio.Queue[HandSlot] = asyncio.Queue()
        for number in range(count):
            self._hands.put_nowait(HandSlot(number, self._calls))

    async def start(self) -> None:
        """Nothing to start."""

    @contextlib.asynccontextmanager
    async def borrow(self) -> AsyncIterator[Slot]:
        slot = await self._hands.get()
        try:
            yield slot
        finally:
            self._hands.put_nowait(slot)

    async def call(self) -> Call:
        """Wait for the next call."""
        return await asyncio.wait_for(self._calls.get(), 10)

    @property
    def waiting(self) -> int:
        """Calls that nobody took yet."""
        return self._calls.qsize()


class EchoEngine:
    """Keeps the samples it was given, by their sum."""

    needs_audio: ClassVar[bool] = True
    elsewhere: ClassVar[bool] = False
    abilities = Abilities()

    def __init__(self, model: str | None = None) -> None:
        self.heard: list[Sound] = []
        self.asked_for_language = 0
        self.languages: list[str | None] = []

    def detect_language(self, sound: Sound) -> str | None:
        """Nobody is heard in the first chunk; the second is in Portuguese."""
        self.asked_for_language += 1
        return "pt" if self.asked_for_language == 2 else None

    def transcribe(self, piece: Piece) -> list[Segment]:
        assert piece.samples is not None
        self.heard.append(piece.samples)
        self.languages.append(piece.wishes.language)
        return []


def as_heard(samples: Samples) -> Sound:
    """Return a chunk's samples as an engine is given them."""
    return audible(samples.astype(np.float32) / np.float32(32768))


class EchoSlot(Slot):
    """The real slot's code, in this process and with an engine that keeps what it hears."""

    def __init__(self, engine: EchoEngine) -> None:
        super().__init__(0, {})
        self._served = SlotProcess({"engine": "simulated", "model": None})
        self._served._engine_class = EchoEngine
        self._served._engine = engine

    async def call(self, fields: Mapping[str, Any]) -> AsyncGenerator[Message, None]:
        answers: list[Message] = []

        def keep(fields: dict[str, Any], raw: bytes = b"") -> None:
            answers.append(Message(fields, raw))

        await asyncio.to_thread(self._served.handle, Message(dict(fields)), keep)
        for answer in answers:
            if "error" in answer.fields:
                raise WorkError(answer.fields["error"], answer.fields["message"])
            yield answer


class EchoSlots(Slots):
    """One such slot."""

    def __init__(self) -> None:
        super().__init__(1, {})
        self.engine = EchoEngine()
        self._slot = EchoSlot(self.engine)

    async def start(self) -> None:
        """Nothing to start."""

    @contextlib.asynccontextmanager
    async def borrow(self) -> AsyncIterator[Slot]:
        yield self._slot


def simulated_slots(count: int, *, seconds_each: float = 0.0) -> Slots:
    """Real slot processes with the simulated engine; `seconds_each`: how long a second of audio takes."""
    with mock.patch.dict(os.environ, SIMULATED_MS_PER_SECOND=str(seconds_each * 1000)):
        return Slots(count, {"engine": "simulated", "model": None})


@dataclass(frozen=True, slots=True)
class Transcriber:
    """One transcriber's parts."""

    id: UUID
    claims: Claims
    worker: Worker
    heartbeat: Heartbeat
    slots: Slots
    outbound: Outbound
    relay: Relay

    @property
    def parts(self) -> list[Part]:
        """In the order they start."""
        return [self.slots, self.outbound, self.heartbeat, self.worker]


@dataclass(frozen=True, slots=True)
class Workshop:
    """What transcribers of a test share."""

    database: Database
    broker: Broker
    relay: Relay
    blobs: Blobs
    folder: Path

    @property
    def ledger(self) -> Ledger:
        """What plans write."""
        return Ledger(self.database)

    def transcriber(
        self,
        slots: Slots,
        *,
        retry_delays: tuple[float, ...] = (0.0,),
        max_retries: int = 3,
        job_timeout: float = 60.0,
        grace: float = 5.0,
        longest_recording: float = 3600.0,
        largest_recording: int = 2**30,
        owner_storage: int = 0,
        elsewhere: Elsewhere | None = None,
        per_minute: int | None = None,
        database: Database | None = None,
        broker: Broker | None = None,
    ) -> Transcriber:
        """Put a transcriber together as `app.parts` does; nothing is started."""
        own = database or self.database
        worker_id = new_id()
        claims = Claims(own, worker_id, LANE)
        outbound = Outbound(allow_private=True)
        worker = Worker(
            lane=LANE,
            broker=broker or self.broker,
            relay=self.relay,
            blobs=self.blobs,
            slots=slots,
            claims=claims,
            ledger=Ledger(own),
            imports=Imports(own),
            speakers=Speakers(own),
            outbound=outbound,
            rules=WorkRules(
                retry_delays,
                max_retries,
                job_timeout,
                grace,
                longest_recording,
                largest_recording,
                owner_storage,
                per_minute,
            ),
            fleet_slots=lambda: heartbeat.fleet_slots,
            elsewhere=elsewhere,
        )
        heartbeat = Heartbeat(
            own,
            worker_id=worker_id,
            lane=LANE,
            slots=slots.count,
            abilities=Abilities,
            held=worker.held,
            pace=lambda: worker.pace.value,
            on_gone=worker.let_go,
            on_wanted=worker.take_work,
        )
        return Transcriber(worker_id, claims, worker, heartbeat, slots, outbound, self.relay)

    async def add_run(self, *, sound: bytes = b"sound", **options: Any) -> AddedRun:
        """Add a run as `rows.add_run` does, with its original in the storage."""
        async with self.database.pool.acquire() as connection:
            run = await add_run(connection, **options)
        await self.blobs.write(f"audio/{run.audio_id}", sound)
        return run

    async def send_tokens(self, count: int) -> None:
        """Write tokens and have them sent."""
        async with self.database.pool.acquire() as connection:
            for _ in range(count):
                await add_token(connection, lane=LANE)
        self.relay.tell()

    async def value(self, query: str, *values: object) -> Any:
        """Return one value from the database."""
        return await self.database.pool.fetchval(query, *values)

    async def unit(self, unit_id: UUID) -> dict[str, Any]:
        """Return a unit's row."""
        row = await self.database.pool.fetchrow("SELECT * FROM unit WHERE id = $1", unit_id)
        assert row is not None
        return dict(row)

    async def run(self, run_id: UUID) -> dict[str, Any]:
        """Return a run's row."""
        row = await self.database.pool.fetchrow("SELECT * FROM transcript_run WHERE id = $1", run_id)
        assert row is not None
        return dict(row)

    async def tokens(self) -> int:
        """Count the tokens in the outbox."""
        return int(await self.value("SELECT count(*) FROM outbox WHERE lane IS NOT NULL"))

    async def run_ended(self, run_id: UUID) -> bool:
        """Whether a run has ended."""
        return (await self.run(run_id))["status"] in {"succeeded", "failed"}

    async def waiters(self) -> int:
        """Count the transactions of this database that wait for a lock."""
        return int(
            await self.value(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
        )


async def claimed(claims: Claims, *, message_id: UUID | None = None, redelivered: bool = False) -> Claim:
    """Claim a unit that must be there."""
    claim = await claims.claim_unit(message_id or new_id(), redelivered=redelivered)
    assert claim is not None
    return claim


async def finish(claims: Claims, claim: Claim, *, text: str = "a word") -> bool:
    """End a chunk with one segment."""
    assert claim.chunk_index is not None
    at = claim.chunk_index
    segment = Segment(index=at * 1000, start=at, end=at + 1, text=text, confidence=1, words=[])
    return await claims.finish_chunk(Result(claim, [segment], engine_ms=1, slots=1))


async def settled(delivery: HandDelivery) -> str:
    """Wait until a token is settled, and return how; twice would be an error at the broker."""
    await eventually(lambda: delivery.settled)
    assert len(delivery.settled) == 1
    return delivery.settled[0]
