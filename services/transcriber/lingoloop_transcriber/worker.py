"""The worker: each token it is handed becomes a unit of work in a slot, and each claim comes to a good end."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Collection, Iterator
from uuid import UUID

import structlog

from lingoloop_common import metrics, tracing
from lingoloop_common.blobs import Blobs
from lingoloop_common.broker import Broker, BrokerError, Consumer, Delivery
from lingoloop_common.outbound import Outbound
from lingoloop_common.relay import Relay
from lingoloop_common.tracing import Kind
from lingoloop_transcriber.attempts import Attempts, WorkRules
from lingoloop_transcriber.claim import Claim
from lingoloop_transcriber.claims import Claims
from lingoloop_transcriber.elsewhere import Elsewhere
from lingoloop_transcriber.imports import Imports
from lingoloop_transcriber.job import GONE, SHUTDOWN, GivenUp, Job
from lingoloop_transcriber.ledger import Ledger
from lingoloop_transcriber.slots import Slot, Slots
from lingoloop_transcriber.speakers import Speakers

log = structlog.get_logger(__name__)

IMPORTS = 8
"""Recordings that a worker fetches at a time, beside its slots' work."""


def place_pause() -> float:
    """Return seconds until an import that finds no place looks for one again, here or elsewhere."""
    return random.uniform(3, 6)  # noqa: S311  (jitter, not a secret)


class Worker:
    """Takes tokens of one lane, as many at a time as there are slots."""

    def __init__(
        self,
        *,
        lane: str,
        broker: Broker,
        relay: Relay,
        blobs: Blobs,
        slots: Slots,
        claims: Claims,
        ledger: Ledger,
        imports: Imports,
        speakers: Speakers,
        outbound: Outbound,
        rules: WorkRules,
        fleet_slots: Callable[[], int],
        elsewhere: Elsewhere | None = None,
    ) -> None:
        self._lane, self._broker, self._relay, self._slots = lane, broker, relay, slots
        self._claims, self._imports, self._rules = claims, imports, rules
        self._attempts = Attempts(
            lane=lane,
            relay=relay,
            blobs=blobs,
            claims=claims,
            ledger=ledger,
            imports=imports,
            speakers=speakers,
            elsewhere=elsewhere,
            outbound=outbound,
            rules=rules,
            fleet_slots=fleet_slots,
        )
        self.pace = self._attempts.pace
        self._busy = metrics.SLOTS_BUSY.labels(lane)
        metrics.UNITS_TAKEN_BACK.labels(lane)  # told with 0, too
        self._jobs: dict[UUID, Job] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._consumer: Consumer | None = None
        self._stopping = asyncio.Event()
        self._started = False
        self._takes_work = True
        self._obeying = asyncio.Lock()

    async def start(self) -> None:
        """Begin to take tokens, if that is wanted."""
        self._started = True
        await self._obey()

    async def stop(self) -> None:
        """Take no more, finish what is in flight within the grace period, hand the rest back."""
        self._stopping.set()
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
        if wanted == self._takes_work or self._stopping.is_set():
            return
        self._takes_work = wanted
        log.info("taking work" if wanted else "draining", lane=self._lane)
        if self._started:
            self._spawn(self._try_to_obey())

    async def _obey(self) -> None:
        """Do what is wanted now. There is no consumer before work is wanted for the first time."""
        async with self._obeying:
            wanted = self._takes_work and not self._stopping.is_set()
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
        job = Job(delivery, self._rules.job_timeout, self._stopping)
        self._jobs[delivery.message_id] = job
        self._spawn(self._work(delivery.message_id, job))

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, message_id: UUID, job: Job) -> None:
        try:
            async with self._slots.borrow() as slot:
                if self._stopping.is_set():
                    await job.settle(done=False)
                    return
                redelivered = job.delivery.redelivered
                claim = await job.until_it_works(
                    lambda: self._claims.claim_unit(message_id, redelivered=redelivered)
                )
                if claim is None:
                    await job.settle(done=True)
                    return
                job.claim = claim
                if not job.is_import:
                    with _named(job, claim):
                        await self._carry_out(job, claim, slot)
                    return
            with _named(job, claim):
                await self._fetch(job, claim)
        except GivenUp:
            # The database stayed away. The broker delivers the token again, and its unit is taken back with it.
            await job.settle(done=False)
        except Exception:
            # A fault in this code outside of any unit's work: do not spin on it.
            log.exception("a token could not be worked on")
            await asyncio.sleep(1)
            await job.settle(done=False)
        finally:
            del self._jobs[message_id]

    async def _fetch(self, job: Job, claim: Claim) -> None:
        """Let an import wait for its server without a slot, and without a token that the broker counts.

        From here on only this worker's lease says that it is being worked on: every way out ends the claim, or is fenced.
        """
        await job.settle(done=True)
        if sum(other.is_import for other in self._jobs.values()) > IMPORTS:
            await job.until_it_works(lambda: self._imports.put_off(claim, place_pause()))
            return
        outcome = await self._attempts.outcome(job, claim, None)
        _note(outcome)
        self._relay.tell()
        metrics.UNITS_ENDED.labels(self._lane, claim.kind, outcome).inc()
        await job.settle(done=True)

    async def _carry_out(self, job: Job, claim: Claim, slot: Slot) -> None:
        """Do the work and settle the token: acknowledged whenever the unit has an end, or is another's."""
        self._busy.inc()
        try:
            outcome = await self._attempts.outcome(job, claim, slot)
        finally:
            self._busy.dec()
            self._relay.tell()
        _note(outcome)
        metrics.UNITS_ENDED.labels(self._lane, claim.kind, outcome).inc()
        await job.settle(done=outcome != "handed_back")


@contextlib.contextmanager
def _named(job: Job, claim: Claim) -> Iterator[None]:
    """Let what is logged name the unit, and its work be a step of its run's trace.

    The token is only linked: it says that some unit of the lane became ready, not which.
    """
    about = {"run_id": str(claim.run_id), "unit_id": str(claim.unit_id), "kind": claim.kind.value}
    asked = {"request_id": claim.request_id} if claim.request_id else {}
    step = tracing.span(
        claim.kind,
        kind=Kind.CONSUMER,
        parent=claim.traceparent,
        link=job.delivery.traceparent,
        attributes={
            **{f"lingoloop.{name}": value for name, value in about.items()},
            "lingoloop.lane": claim.lane,
            "lingoloop.attempt": claim.attempt,
        },
    )
    with structlog.contextvars.bound_contextvars(**about, **asked, attempt=claim.attempt), step:
        yield


def _note(outcome: str) -> None:
    """Say how a unit's step ended."""
    step = tracing.current()
    step.note({"lingoloop.outcome": outcome})
    if outcome in ("delayed", "failed"):
        step.fail(outcome)
