"""The worker: each token it is handed becomes a unit of work in a slot, and each claim comes to a good end."""

import asyncio
import contextlib
import math
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

import structlog

from lingoloop_common import metrics
from lingoloop_common.blobs import BlobMissing, FolderBlobs, chunks_folder
from lingoloop_common.broker import Broker, BrokerError, Consumer, Delivery
from lingoloop_common.contracts.states import UnitState
from lingoloop_common.contracts.transcript import SEGMENTS
from lingoloop_common.contracts.units import UnitKind, deadline
from lingoloop_common.errors import WorkError
from lingoloop_common.outbound import Outbound
from lingoloop_common.relay import Relay
from lingoloop_common.store.database import BROKEN
from lingoloop_common.store.runs import Fenced
from lingoloop_transcriber.claims import Claim, Claims, Result
from lingoloop_transcriber.fetch import Fetcher
from lingoloop_transcriber.imports import Imports
from lingoloop_transcriber.pace import Pace
from lingoloop_transcriber.plan import Planner
from lingoloop_transcriber.slots import Slot, Slots

log = structlog.get_logger(__name__)

T = TypeVar("T")

GONE, SHUTDOWN = "gone", "shutdown"

IMPORTS = 8
"""Recordings that a worker fetches at a time, beside its slots' work."""

SUSPECT = 3
"""Losses after which a unit may be the one that kills its workers."""


def suspects_pause() -> float:
    """Return seconds to wait before a suspect's turn, so that it is not the same one first each time."""
    return random.uniform(0, 0.5)  # noqa: S311  (jitter, not a secret)


def place_pause() -> float:
    """Return seconds until an import that finds no place looks for one again, here or elsewhere."""
    return random.uniform(3, 6)  # noqa: S311  (jitter, not a secret)


@dataclass(frozen=True, slots=True)
class WorkRules:
    """What the settings say about work; all times in seconds, sizes in bytes."""

    retry_delays: tuple[float, ...]
    max_retries: int
    job_timeout: float
    grace: float
    longest_recording: float
    largest_recording: int
    owner_storage: int


@dataclass(slots=True, eq=False)
class Job:
    """A token in hand, and the claim it became. `stop` is set to the reason when the work must end early."""

    delivery: Delivery
    settled: Delivery | None = None
    claim: Claim | None = None
    stop: "asyncio.Future[str]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def is_import(self) -> bool:
        """Whether it takes no slot, and its token was acknowledged when it began."""
        return self.claim is not None and self.claim.kind is UnitKind.IMPORT

    def stop_for(self, reason: str) -> None:
        """End the work early."""
        if not self.stop.done():
            self.stop.set_result(reason)


class Worker:
    """Takes tokens of one lane, as many at a time as there are slots."""

    def __init__(
        self,
        *,
        lane: str,
        broker: Broker,
        relay: Relay,
        blobs: FolderBlobs,
        slots: Slots,
        claims: Claims,
        imports: Imports,
        outbound: Outbound,
        rules: WorkRules,
        fleet_slots: Callable[[], int],
    ) -> None:
        self._lane, self._broker, self._relay, self._blobs = lane, broker, relay, blobs
        self._slots, self._claims, self._rules, self._fleet_slots = slots, claims, rules, fleet_slots
        self._imports = imports
        self._planner = Planner(claims, blobs, relay, fleet_slots, longest=rules.longest_recording)
        self._fetcher = Fetcher(
            imports, blobs, outbound, largest=rules.largest_recording, owner_storage=rules.owner_storage
        )
        self._jobs: dict[UUID, Job] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._consumer: Consumer | None = None
        self._stopping = False
        self._started = False
        self._takes_work = True
        self._obeying = asyncio.Lock()
        self._suspects = asyncio.Lock()
        self.pace = Pace()

    async def start(self) -> None:
        """Begin to take tokens, if that is wanted."""
        self._started = True
        await self._obey()

    async def stop(self) -> None:
        """Take no more, finish what is in flight within the grace period, hand the rest back."""
        self._stopping = True
        await self._obey()
        for job in self._jobs.values():
            if job.is_import:  # goes on elsewhere where it is now
                job.stop_for(SHUTDOWN)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._rules.grace)
        for job in self._jobs.values():
            job.stop_for(SHUTDOWN)
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=5)
            for task in late:
                task.cancel()

    def held(self) -> list[Claim]:
        """Return the claims that are worked on now."""
        return [job.claim for job in self._jobs.values() if job.claim]

    def let_go(self, gone: Collection[Claim]) -> None:
        """Stop the work on claims whose units are another's by now, or cancelled."""
        for job in self._jobs.values():
            if any(job.claim is claim for claim in gone):
                job.stop_for(GONE)

    def take_work(self, wanted: bool) -> None:
        """Obey the stored wish: take work, or finish what is in flight and take no more."""
        if wanted == self._takes_work or self._stopping:
            return
        self._takes_work = wanted
        log.info("taking work" if wanted else "draining", lane=self._lane)
        if self._started:
            self._spawn(self._try_to_obey())

    async def _obey(self) -> None:
        """Do what is wanted now. There is no consumer before work is wanted for the first time."""
        async with self._obeying:
            wanted = self._takes_work and not self._stopping
            if self._consumer is not None:
                await (self._consumer.resume() if wanted else self._consumer.cancel())
            elif wanted:
                self._consumer = await self._broker.consume(self._lane, self.receive, limit=self._slots.count)

    async def _try_to_obey(self) -> None:
        try:
            await self._obey()
        except (BrokerError, TimeoutError) as error:
            log.warning("cannot obey yet", error=str(error))
            self._takes_work = not self._takes_work  # so the next heartbeat asks again

    def receive(self, delivery: Delivery) -> None:
        """Take a token. One that comes again for work under way here only brings its new delivery (rule 2)."""
        if job := self._jobs.get(delivery.message_id):
            if delivery.redelivered:
                job.delivery = delivery
            else:  # a copy: a relay that cannot delete what it sent sends it again
                self._spawn(delivery.ack())
            return
        job = self._jobs[delivery.message_id] = Job(delivery)
        self._spawn(self._work(delivery.message_id, job))

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, message_id: UUID, job: Job) -> None:
        try:
            async with self._slots.borrow() as slot:
                if self._stopping:
                    await _settle(job, done=False)
                    return
                redelivered = job.delivery.redelivered
                claim = await self._until_it_works(
                    lambda: self._claims.claim_unit(message_id, redelivered=redelivered), job
                )
                if claim is None:
                    await _settle(job, done=True)
                    return
                job.claim = claim
                if not job.is_import:
                    with _named(claim):
                        await self._carry_out(job, claim, slot)
                    return
            with _named(claim):
                await self._fetch(job, claim)
        except _GivenUp:
            # The database stayed away. The broker delivers the token again, and its unit is taken back with it.
            await _settle(job, done=False)
        except Exception:
            # A fault in this code outside of any unit's work: do not spin on it.
            log.exception("a token could not be worked on")
            await asyncio.sleep(1)
            await _settle(job, done=False)
        finally:
            del self._jobs[message_id]

    async def _fetch(self, job: Job, claim: Claim) -> None:
        """Let an import wait for its server without a slot, and without a token that the broker counts.

        From here on only this worker's lease says that it is being worked on: every way out ends the claim, or is fenced.
        """
        await _settle(job, done=True)
        if sum(other.is_import for other in self._jobs.values()) > IMPORTS:
            await self._until_it_works(lambda: self._imports.put_off(claim, place_pause()), job)
            return
        outcome = await self._outcome(job, claim, None)
        self._relay.tell()
        metrics.UNITS_ENDED.labels(self._lane, claim.kind, outcome).inc()
        await _settle(job, done=True)

    async def _carry_out(self, job: Job, claim: Claim, slot: Slot) -> None:
        """Do the work and settle the token: acknowledged whenever the unit has an end, or is another's."""
        metrics.SLOTS_BUSY.labels(self._lane).inc()
        try:
            outcome = await self._outcome(job, claim, slot)
        finally:
            metrics.SLOTS_BUSY.labels(self._lane).dec()
            self._relay.tell()
        metrics.UNITS_ENDED.labels(self._lane, claim.kind, outcome).inc()
        await _settle(job, done=outcome != "handed_back")

    async def _outcome(self, job: Job, claim: Claim, slot: Slot | None) -> str:
        try:
            if await self._until_it_works(lambda: self._claims.give_up_if_lost_too_often(claim), job):
                log.warning("unit failed", code="worker_lost", lost=claim.lost)
                return "failed"
            await self._until_it_works(lambda: self._claims.start_run(claim), job)
            self._relay.tell()
            async with self._turn(job, claim):
                begin = time.perf_counter()
                result = await self._run_until_stopped(job, claim, slot)
            if result is not None:
                await self._store(job, result)
                self.pace.add(time.perf_counter() - begin, claim.cost)
        except Fenced as error:
            log.info("let go of a unit", reason=str(error))
            return "fenced"
        except WorkError as error:
            return await self._report(job, claim, error)
        except _Stopped as stopped:
            if stopped.reason == GONE:
                log.info("let go of a unit", reason="the unit is another's by now, or cancelled")
                return "fenced"
            await self._until_it_works(lambda: self._claims.hand_back(claim), job)
            return "handed_back"
        except _GivenUp:
            raise
        except Exception as error:
            log.exception("a fault in the worker")
            fault = WorkError("internal_error", f"the worker failed ({type(error).__name__}); see its log")
            return await self._report(job, claim, fault)
        return "done"

    @contextlib.asynccontextmanager
    async def _turn(self, job: Job, claim: Claim) -> AsyncIterator[None]:
        """Let suspects have their turns one by one: what dies with one that kills its worker would be lost as often as it.

        Raises:
            _Stopped: it was ended before its turn came.
        """
        if claim.lost < SUSPECT:
            yield
            return
        await asyncio.wait({job.stop}, timeout=suspects_pause())
        turn = asyncio.ensure_future(self._suspects.acquire())
        try:
            watched: set[asyncio.Future[Any]] = {turn, job.stop}
            await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
            if job.stop.done():
                raise _Stopped(job.stop.result())
            yield
        finally:
            if turn.done():
                self._suspects.release()
            else:
                turn.cancel()

    async def _run_until_stopped(self, job: Job, claim: Claim, slot: Slot | None) -> Result | None:
        """Run the unit; end it early when it is gone, when this worker stops, or at its deadline.

        Returns:
            A chunk's result, which is still to be stored; None for a plan or an import, which store their own.

        Raises:
            Fenced: the unit is another's.
            WorkError: it failed.
            _Stopped: it was ended early.
        """
        work = asyncio.create_task(self._execute(claim, slot))
        limit = deadline(self._expected(claim), ceiling=self._rules.job_timeout)
        try:
            watched: set[asyncio.Future[Any]] = {work, job.stop}
            await asyncio.wait(watched, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not work.done():
                work.cancel()
                with contextlib.suppress(asyncio.CancelledError, Fenced, WorkError, *BROKEN):
                    await work
        if not work.cancelled():
            return work.result()
        if job.stop.done():
            raise _Stopped(job.stop.result())
        raise WorkError("deadline", f"it took longer than {limit:.0f} seconds")

    async def _execute(self, claim: Claim, slot: Slot | None) -> Result | None:
        try:
            if slot is None:
                await self._fetcher.fetch(claim)
            elif claim.kind is UnitKind.CHUNK:
                return await self._transcribe(claim, slot)
            else:
                await self._planner.plan(claim, slot)
        except BlobMissing:
            raise WorkError("audio_missing", "the recording is not in the storage any more") from None
        except BROKEN as error:
            # A plan goes on after its last stored cut; a cut whose commit was not answered may be there or not.
            log.warning("could not go on", error=str(error) or type(error).__name__)
            raise _Stopped(SHUTDOWN) from error
        return None

    async def _transcribe(self, claim: Claim, slot: Slot) -> Result:
        assert claim.chunk_index is not None
        assert claim.start_sample is not None
        assert claim.end_sample is not None
        request = {
            "do": "chunk",
            "index": claim.chunk_index,
            "start": claim.start_sample,
            "stop": claim.end_sample,
            "language": claim.language,
            "options": dict(claim.options),
        }
        async with self._sound(claim) as sound:
            answer = await slot.ask(request | sound)
        engine_ms = answer.fields["engine_ms"]
        metrics.ENGINE_SECONDS.labels(self._lane).observe(engine_ms / 1000)
        segments = SEGMENTS.validate_python(answer.fields["segments"])
        return Result(claim, segments, engine_ms, self._fleet_slots())

    async def _store(self, job: Job, result: Result) -> None:
        """Store a result, however long the database is away; then what it was made of is not needed any more."""
        claim = result.claim
        closed = await self._until_it_works(lambda: self._claims.finish_chunk(result), job)
        self._relay.tell()
        if closed:
            await self._blobs.delete_below(chunks_folder(claim.run_id))
        elif claim.chunk_blob:
            await self._blobs.delete(claim.chunk_blob)

    @contextlib.asynccontextmanager
    async def _sound(self, claim: Claim):  # type: ignore[no-untyped-def]
        """Give the chunk's stored samples, or the original to cut them from again."""
        if claim.chunk_blob is not None:
            with contextlib.suppress(BlobMissing):
                async with self._blobs.local_path(claim.chunk_blob) as path:
                    if path.stat().st_size == 2 * claim.samples:  # else a crash left it half-written
                        yield {"path": str(path), "whole": True}
                        return
        async with self._blobs.local_path(claim.audio_blob) as path:
            yield {"path": str(path), "whole": False}

    async def _report(self, job: Job, claim: Claim, error: WorkError) -> str:
        log.warning("unit failed", code=error.code, reason=error.message, failures=claim.failures + 1)
        try:
            state = await self._until_it_works(
                lambda: self._claims.report_failure(
                    claim, error, retry_delays=self._rules.retry_delays, max_retries=self._rules.max_retries
                ),
                job,
            )
        except Fenced:
            return "fenced"
        return "failed" if state is UnitState.FAILED else "delayed"

    def _expected(self, claim: Claim) -> float:
        """Return how many seconds a unit should take: a plan decodes at 100 × real time at least.

        The first chunks, before anything was measured, are given plenty; an import, which ends its slices itself, all there is.
        """
        if claim.kind is UnitKind.IMPORT:
            return math.inf
        if claim.kind is UnitKind.PLAN:
            return (claim.duration_ms or 3_600_000) / 1000 / 100
        return claim.cost * (self.pace.value or 1.0)

    async def _until_it_works(self, write: Callable[[], Awaitable[T]], job: Job) -> T:
        """Repeat a write while the database is away: the result in hand is worth more than the slot's time.

        Every write may be repeated, since it is fenced and finds its own work done.

        Raises:
            _GivenUp: the database stayed away for the time a unit may take, or this worker stops.
        """
        loop = asyncio.get_running_loop()
        # An import's token is gone: nobody else would take it up while this worker lives.
        end = math.inf if job.is_import else loop.time() + self._rules.job_timeout
        pause = 0.1
        while True:
            try:
                return await write()
            except BROKEN as error:
                if loop.time() >= end or self._stopping or job.stop.done():
                    raise _GivenUp from error
                log.warning("database is away; will try again", error=str(error) or type(error).__name__)
            await asyncio.sleep(pause)
            pause = min(2.0, pause * 2)


async def _settle(job: Job, *, done: bool) -> None:
    """Acknowledge or put back a token; also the delivery that comes while the one before is being settled."""
    while job.settled is not job.delivery:
        settled = job.settled = job.delivery
        await (settled.ack() if done else settled.reject())


def _named(claim: Claim) -> contextlib.AbstractContextManager[object]:
    """Let what is logged name the unit."""
    return structlog.contextvars.bound_contextvars(
        run_id=str(claim.run_id), unit_id=str(claim.unit_id), kind=claim.kind, attempt=claim.attempt
    )


class _Stopped(Exception):
    """The work was ended early; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _GivenUp(Exception):
    """The database did not come back."""
