"""Sends webhooks: each token it is handed becomes a delivery, and each claim comes to a good end."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import TypeVar

import structlog

from lingoloop_common import metrics, tracing
from lingoloop_common.broker import Broker, Consumer, Delivery
from lingoloop_common.contracts.webhooks import LANE
from lingoloop_common.faults import told
from lingoloop_common.outbound import CallFailed, Outbound, Refused
from lingoloop_common.relay import Relay
from lingoloop_common.store.database import BROKEN
from lingoloop_common.tracing import Kind, Span
from lingoloop_notifier.attempts import DeliveryState, Outcome, after_try, outcome_of
from lingoloop_notifier.deliveries import LEASE, Claim, Deliveries
from lingoloop_notifier.signing import signed_headers

log = structlog.get_logger(__name__)

T = TypeVar("T")

LIMIT = 64
"""Tokens that a notifier has in hand at a time; one owner's deliveries take `OWNER_AT_ONCE` of them at most."""


class Webhooks:
    """Takes tokens of the webhooks' lane. A token stands for one delivery, whichever is the oldest that may be sent."""

    def __init__(
        self,
        *,
        broker: Broker,
        relay: Relay,
        deliveries: Deliveries,
        outbound: Outbound,
        retry_delays: tuple[float, ...],
        grace: float,
    ) -> None:
        self._broker, self._relay, self._deliveries, self._outbound = broker, relay, deliveries, outbound
        self._retry_delays, self._grace = retry_delays, grace
        self._busy = metrics.SLOTS_BUSY.labels(LANE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._calls: set[asyncio.Task[Outcome]] = set()
        self._consumer: Consumer | None = None
        self._stopping = False

    async def start(self) -> None:
        """Begin to take tokens."""
        self._consumer = await self._broker.consume(LANE, self.receive, limit=LIMIT)

    async def stop(self) -> None:
        """Take no more, finish what is in flight within the grace period, hand the rest back."""
        self._stopping = True
        if self._consumer is not None:
            await self._consumer.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._grace)
        for call in self._calls:
            call.cancel()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=5)
            for task in late:
                task.cancel()

    def receive(self, token: Delivery) -> None:
        """Take a token."""
        task = asyncio.create_task(self._work(token))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, token: Delivery) -> None:
        """Make a token a delivery and settle it: acknowledged when the delivery has an end, or there is none to be sent."""
        done = False
        try:
            if not self._stopping:
                claim = await self._until_it_works(self._deliveries.claim)
                done = claim is None or await self._carry_out(claim)
        except _GivenUp:
            # The database stayed away. The broker delivers the token again; a claim that was not ended ends by itself.
            pass
        except Exception:
            # A fault in this code: do not spin on it.
            log.exception("a token could not be worked on")
            await asyncio.sleep(1)
        await (token.ack() if done else token.reject())

    async def _carry_out(self, claim: Claim) -> bool:
        """Send a delivery and write down what came of it; False when it was handed back."""
        with _named(claim) as step:
            outcome = await self._until_cut_off(claim)
            if outcome is None:
                step.note({"lingoloop.outcome": "handed_back"})
                await self._until_it_works(lambda: self._deliveries.hand_back(claim))
                metrics.WEBHOOK_TRIES.labels("handed_back").inc()
                return False
            if outcome.status is not None:
                step.note({"http.response.status_code": outcome.status})
            jitter = random.uniform(0.9, 1.1)  # noqa: S311  (jitter, not a secret)
            verdict = after_try(outcome, claim.tries, self._retry_delays, jitter)
            mine = await self._until_it_works(lambda: self._deliveries.end(claim, outcome, verdict))
            self._relay.tell()
            metrics.WEBHOOK_TRIES.labels(verdict.state.value if mine else "fenced").inc()
            step.note({"lingoloop.outcome": verdict.state.value})
            if outcome.error is not None:
                step.fail(verdict.state.value)
            if not mine:
                log.info("let go of a webhook", reason="it is another's by now, or was deleted")
            elif verdict.state is DeliveryState.DELIVERED:
                log.info("webhook delivered", status=outcome.status, tries=claim.tries)
            else:
                log.warning(
                    "webhook not delivered",
                    status=outcome.status,
                    reason=outcome.error,
                    tries=claim.tries,
                    state=verdict.state.value,
                )
            return True

    async def _until_cut_off(self, claim: Claim) -> Outcome | None:
        """Send, and return what came of it; None when this notifier stopped meanwhile."""
        call = asyncio.create_task(self._send(claim))
        self._calls.add(call)
        try:
            with self._busy.track_inprogress(), metrics.WEBHOOK_SECONDS.time():
                await asyncio.wait({call})
        finally:
            self._calls.discard(call)
            call.cancel()
        return None if call.cancelled() else call.result()

    async def _send(self, claim: Claim) -> Outcome:
        now = datetime.now(UTC)
        try:
            headers = signed_headers(claim.event_id, claim.body, claim.secrets, now) | tracing.headers()
            answer = await self._outbound.post(claim.url, claim.body.encode(), headers)
        except (Refused, CallFailed) as error:
            return Outcome(error=str(error))
        except Exception as error:
            # The name only: a trace may show the address or the secret.
            log.error("a fault in the sender", error=type(error).__name__)
            return Outcome(error="the sender failed; see its log")
        return outcome_of(answer, now)

    async def _until_it_works(self, write: Callable[[], Awaitable[T]]) -> T:
        """Repeat a write while the database is away, for as long as a claim stands.

        Every write may be repeated: it is fenced, and what it repeats is a claim at worst, which ends by itself.

        Raises:
            _GivenUp: the database stayed away, or this notifier stops.
        """
        loop = asyncio.get_running_loop()
        end, pause = loop.time() + LEASE, 0.1
        while True:
            try:
                return await write()
            except BROKEN as error:
                if loop.time() >= end or self._stopping:
                    raise _GivenUp from error
                log.warning("database is away; will try again", error=told(error))
            await asyncio.sleep(pause)
            pause = min(2.0, pause * 2)


@contextlib.contextmanager
def _named(claim: Claim) -> Iterator[Span]:
    """Let what is logged name the delivery, and its sending be a step of its run's trace."""
    about = {
        "run_id": str(claim.run_id),
        "endpoint_id": str(claim.endpoint_id),
        "delivery_id": str(claim.id),
    }
    asked = {"request_id": claim.request_id} if claim.request_id else {}
    attributes: dict[str, str | int] = {f"lingoloop.{name}": value for name, value in about.items()}
    attributes["lingoloop.tries"] = claim.tries
    step = tracing.span("webhook", kind=Kind.CLIENT, parent=claim.traceparent, attributes=attributes)
    with structlog.contextvars.bound_contextvars(**about, **asked), step as sending:
        yield sending


class _GivenUp(Exception):
    """The database did not come back."""
