"""Attempts: what is done with a claim, from its start to its end in the database, whatever comes in between."""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import structlog

from lingoloop_common import metrics, tracing
from lingoloop_common.blobs import BlobMissing, Blobs, chunks_folder
from lingoloop_common.blobs.bucket import StoreError
from lingoloop_common.contracts.states import UnitState
from lingoloop_common.contracts.transcript import SEGMENTS
from lingoloop_common.contracts.units import SAMPLE_RATE, SUSPECT, UnitKind, deadline
from lingoloop_common.errors import Busy, WorkError
from lingoloop_common.faults import told, unquoted
from lingoloop_common.outbound import Outbound
from lingoloop_common.relay import Relay
from lingoloop_common.store.database import BROKEN
from lingoloop_common.store.runs import Fenced
from lingoloop_transcriber.claim import Claim, Result
from lingoloop_transcriber.claims import Claims
from lingoloop_transcriber.elsewhere import Elsewhere
from lingoloop_transcriber.fetch import Fetcher
from lingoloop_transcriber.gate import Closed, Gate
from lingoloop_transcriber.imports import Imports
from lingoloop_transcriber.job import GONE, SHUTDOWN, GivenUp, Job, Stopped
from lingoloop_transcriber.ledger import Ledger
from lingoloop_transcriber.operations import Pending
from lingoloop_transcriber.pace import Pace
from lingoloop_transcriber.plan import Planner
from lingoloop_transcriber.slots import Slot
from lingoloop_transcriber.speakers import Speakers

log = structlog.get_logger(__name__)


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
    per_minute: int | None = None
    """Requests that a server which does the engine's work may be sent; None: any."""


class Attempts:
    """Makes them, for one worker."""

    def __init__(
        self,
        *,
        lane: str,
        relay: Relay,
        blobs: Blobs,
        claims: Claims,
        ledger: Ledger,
        imports: Imports,
        speakers: Speakers,
        elsewhere: Elsewhere | None,
        outbound: Outbound,
        rules: WorkRules,
        fleet_slots: Callable[[], int],
    ) -> None:
        self._lane, self._relay, self._blobs = lane, relay, blobs
        self._engine_seconds = metrics.ENGINE_SECONDS.labels(lane)
        self._audio_seconds = metrics.AUDIO_SECONDS.labels(lane)
        self._elsewhere = elsewhere
        self._claims, self._rules, self._fleet_slots = claims, rules, fleet_slots
        self._speakers = speakers
        self._planner = Planner(ledger, blobs, relay, fleet_slots, elsewhere, longest=rules.longest_recording)
        self._fetcher = Fetcher(
            imports, blobs, outbound, largest=rules.largest_recording, owner_storage=rules.owner_storage
        )
        self._suspects = asyncio.Lock()
        self._gate = Gate(rules.per_minute)
        self.pace = Pace()

    async def outcome(self, job: Job, claim: Claim, slot: Slot | None) -> str:
        """Work on a unit, in a slot but for an import, and write its end; return it in a word.

        Raises:
            GivenUp: the database stayed away, and so nothing is known of its end.
        """
        try:
            if await job.until_it_works(lambda: self._claims.give_up_if_lost_too_often(claim)):
                log.warning("unit failed", code="worker_lost", lost=claim.lost)
                metrics.UNIT_FAILURES.labels(self._lane, claim.kind, "worker_lost").inc()
                return "failed"
            await job.until_it_works(lambda: self._claims.start_run(claim))
            self._relay.tell()
            async with self._turn(job, claim):
                begin = time.perf_counter()
                if _asks_engine(claim):
                    await self._gate.pass_through(job.stop)
                result = await self._run_until_stopped(job, claim, slot)
                if isinstance(result, Pending):
                    await self._wait(job, result)
                    return "pending"
                if result is not None:
                    await self._store(job, result)
                    if claim.kind is UnitKind.OPERATION:  # most of its time nobody here was at it
                        self.pace.add(result.engine_ms / 1000, claim.samples / SAMPLE_RATE)
                    else:
                        self.pace.add(time.perf_counter() - begin, claim.cost)
        except Fenced as error:
            log.info("let go of a unit", reason=str(error))
            return "fenced"
        except (Busy, Closed) as busy:
            return await self._put_off(job, claim, busy)
        except WorkError as error:
            return await self._report(job, claim, error)
        except Stopped as stopped:
            if stopped.reason == GONE:
                log.info("let go of a unit", reason="the unit is another's by now, or cancelled")
                return "fenced"
            await job.until_it_works(lambda: self._claims.hand_back(claim))
            return "handed_back"
        except GivenUp:
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
            Fenced: the unit is another's by now.
            Stopped: it was ended before its turn came.
        """
        if claim.lost < SUSPECT:
            yield
            return
        turn = asyncio.ensure_future(self._suspects.acquire())
        try:
            watched: set[asyncio.Future[Any]] = {turn, job.stop}
            await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
            if job.stop.done():
                raise Stopped(job.stop.result())
            await job.until_it_works(lambda: self._claims.begin_turn(claim))
            yield
        finally:
            if turn.done():
                self._suspects.release()
            else:
                turn.cancel()

    async def _run_until_stopped(self, job: Job, claim: Claim, slot: Slot | None) -> Result | Pending | None:
        """Run the unit; end it early when it is gone, when this worker stops, or at its deadline.

        Returns:
            A chunk's result, or how far its operation is, which is still to be stored; None for all else, which stores its own.

        Raises:
            Fenced: the unit is another's.
            WorkError: it failed.
            Stopped: it was ended early.
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
            raise Stopped(job.stop.result())
        raise WorkError("deadline", f"it took longer than {limit:.0f} seconds")

    async def _execute(self, claim: Claim, slot: Slot | None) -> Result | Pending | None:
        try:
            if slot is None:
                await self._fetcher.fetch(claim)
            elif claim.kind is UnitKind.CHUNK:
                return await self._transcribe(claim, slot)
            elif claim.kind is UnitKind.OPERATION:
                assert self._elsewhere is not None  # no other lane has any
                return await self._elsewhere.carry_on(claim, slot)
            elif claim.kind is UnitKind.SPEAKERS:
                if await self._speakers.label(claim, slot):
                    await self._blobs.delete_below(chunks_folder(claim.run_id))
            else:
                await self._planner.plan(claim, slot)
        except BlobMissing:
            raise WorkError("audio_missing", "the recording is not in the storage any more") from None
        except StoreError as error:
            raise WorkError("storage_failed", f"the storage cannot be used: {error.strerror}") from error
        except BROKEN as error:
            # A plan goes on after its last stored cut; a cut whose commit was not answered may be there or not.
            log.warning("could not go on", error=told(error))
            raise Stopped(SHUTDOWN) from error
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
            "channels": claim.chunk_channels,
            "language": claim.language,
            "options": dict(claim.options),
        }
        about: dict[str, str | int] = {"lingoloop.lane": self._lane, "lingoloop.slot": slot.number}
        async with self._sound(claim) as sound:
            with tracing.span("slot", attributes=about) as step:
                answer = await slot.ask(request | sound)
                engine_ms = answer.fields["engine_ms"]
                step.note({"lingoloop.engine_ms": engine_ms})
        segments = SEGMENTS.validate_python(answer.fields["segments"])
        return Result(
            claim,
            segments,
            engine_ms,
            self._fleet_slots(),
            voices=answer.raw,
            traceparent=tracing.current().traceparent,
            language=answer.fields.get("language"),
        )

    async def _wait(self, job: Job, pending: Pending) -> None:
        """Store how far an operation is; if the database stays away, whoever is next finds what was begun."""
        elsewhere = self._elsewhere
        assert elsewhere is not None
        await job.until_it_works(lambda: elsewhere.wait(pending))
        self._relay.tell()

    async def _store(self, job: Job, result: Result) -> None:
        """Store a result, however long the database is away; then what it was made of is not needed any more."""
        claim = result.claim
        closed = await job.until_it_works(lambda: self._claims.finish_chunk(result))
        self._relay.tell()
        self._engine_seconds.observe(result.engine_ms / 1000)
        self._audio_seconds.inc(claim.samples / SAMPLE_RATE)
        if closed:
            await self._blobs.delete_below(chunks_folder(claim.run_id))
        elif claim.chunk_blob:
            with contextlib.suppress(OSError):  # it is stored all the same; what stays goes with its run
                await self._blobs.delete(claim.chunk_blob)

    @contextlib.asynccontextmanager
    async def _sound(self, claim: Claim):  # type: ignore[no-untyped-def]
        """Give the chunk's stored samples, or the original to cut them from again."""
        channels = 1 if claim.chunk_channels is None else len(claim.chunk_channels)
        if claim.chunk_blob is not None:
            with contextlib.suppress(BlobMissing):
                async with self._blobs.local_path(claim.chunk_blob) as path:
                    if (
                        path.stat().st_size == 2 * claim.samples * channels
                    ):  # else a crash left it half-written
                        yield {"path": str(path), "whole": True}
                        return
        async with self._blobs.local_path(claim.audio_blob) as path:
            yield {"path": str(path), "whole": False}

    async def _put_off(self, job: Job, claim: Claim, busy: Busy | Closed) -> str:
        """Let a unit wait until its engine's server takes more, and the worker with it, unless it has waited too long."""
        refused = isinstance(busy, Busy)
        if refused:
            self._gate.close(busy.seconds)
        if await job.until_it_works(lambda: self._claims.put_off(claim, busy.seconds, refused=refused)):
            log.info("the engine's server is busy", seconds=round(busy.seconds, 1), reason=unquoted(busy))
            return "put_off"
        return await self._report(job, claim, WorkError("engine_busy", str(busy)))

    async def _report(self, job: Job, claim: Claim, error: WorkError) -> str:
        tracing.current().note({"lingoloop.code": error.code})
        log.warning("unit failed", code=error.code, reason=unquoted(error), failures=claim.failures + 1)
        metrics.UNIT_FAILURES.labels(self._lane, claim.kind, error.code).inc()
        try:
            state = await job.until_it_works(
                lambda: self._claims.report_failure(
                    claim, error, retry_delays=self._rules.retry_delays, max_retries=self._rules.max_retries
                )
            )
        except Fenced:
            return "fenced"
        return "failed" if state is UnitState.FAILED else "delayed"

    def _expected(self, claim: Claim) -> float:
        """Return how many seconds a unit should take: a plan decodes at 100 × real time at least, as fast as speakers are told apart.

        The first chunks, before anything was measured, are given plenty; an import, which ends its slices itself, all there is.
        """
        if claim.kind is UnitKind.IMPORT:
            return math.inf
        if claim.kind in (UnitKind.PLAN, UnitKind.SPEAKERS):
            return (claim.duration_ms or 3_600_000) / 1000 / 100
        # An operation's looks cost nothing, and one that failed is begun once more at that price.
        seconds = claim.samples / SAMPLE_RATE if claim.kind is UnitKind.OPERATION else claim.cost
        return seconds * (self.pace.value or 1.0)


def _asks_engine(claim: Claim) -> bool:
    """Whether a unit may ask its engine for something: a plan asks for the language, if nobody said it."""
    return claim.kind is UnitKind.CHUNK or (claim.kind is UnitKind.PLAN and claim.language is None)
