"""Rules about webhooks: what a try came to, what becomes of its delivery, and when an endpoint is paused. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

from lingoloop_common.outbound import Answer

GONE = 410
"""The status by which a receiver says that it wants no more (Standard Webhooks 1.0)."""

BUSY = {429, 503}
"""Those whose `Retry-After` is heeded."""

LONGEST_WAIT = 3_600.0
"""Seconds that a receiver may ask for."""


class DeliveryState(StrEnum):
    """What a try leaves a delivery in."""

    DELIVERED = "delivered"
    WAITING = "waiting"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a try: the answer's status if there was one, why it failed if it did, the wait that was asked for."""

    status: int | None = None
    error: str | None = None
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a delivery: its next state, and the seconds to wait when that is `waiting`."""

    state: DeliveryState
    delay: float = 0.0


def outcome_of(answer: Answer, now: datetime) -> Outcome:
    """Read an answer: 2xx is the only good one."""
    status = answer.status
    if 200 <= status < 300:
        return Outcome(status)
    if 300 <= status < 400:
        return Outcome(status, f"the receiver answered {status}, a redirect; these are not followed")
    wait = _asked_for(answer.retry_after, now) if status in BUSY else 0.0
    return Outcome(status, f"the receiver answered {status}", wait)


def after_try(outcome: Outcome, tries: int, delays: Sequence[float], jitter: float) -> Verdict:
    """Decide about a delivery.

    Args:
        outcome: of its last try.
        tries: so far, this one included.
        delays: seconds before the second, third, … try; after the last one it has failed.
        jitter: by which a delay is multiplied, about 1.
    """
    if outcome.error is None:
        return Verdict(DeliveryState.DELIVERED)
    if outcome.status == GONE or tries > len(delays):
        return Verdict(DeliveryState.FAILED)
    return Verdict(DeliveryState.WAITING, max(delays[tries - 1] * jitter, outcome.wait))


def reason_to_pause(
    verdict: Verdict, outcome: Outcome, *, endpoint_failing_since: datetime, delivery_failing_since: datetime
) -> str | None:
    """Return why nothing more is sent to an endpoint after a try that failed, or None when more is.

    A single message that a receiver cannot digest pauses nothing, as long as others arrive while it is tried.
    """
    if outcome.status == GONE:
        return f"the receiver answered {GONE}: it wants no more"
    if verdict.state is DeliveryState.FAILED and endpoint_failing_since <= delivery_failing_since:
        since = endpoint_failing_since.strftime("%Y-%m-%d %H:%M UTC")
        return f"nothing has arrived since {since}; the last try: {outcome.error}"
    return None


def _asked_for(retry_after: str | None, now: datetime) -> float:
    """Return the seconds that the header asks for, as a number or as a date (RFC 9110, section 10.2.3); 0 for none."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdecimal():
        seconds = float(text[:10])
    else:
        try:
            seconds = (parsedate_to_datetime(text) - now).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return 0.0
    return min(max(seconds, 0.0), LONGEST_WAIT)
