"""Rates: how often somebody may ask, as a bucket of tokens that fills again (the generic cell rate algorithm).

A bucket holds a minute's worth, so that a burst is no offence. One number for each asker is kept: when their bucket is full
again. Each process counts for itself, and the number of askers it remembers is bounded.
"""

import math
import time
from collections import OrderedDict

from lingoloop_common.errors import Problem

MINUTE = 60.0

REMEMBERED = 20_000
"""Askers at most; of more, those who have not asked for longest are forgotten, to their favour."""


def take(full_at: float, now: float, per_minute: int) -> tuple[float, float]:
    """Take one from a bucket; return the seconds to wait (0: it was taken), and when the bucket is full again. Pure."""
    filled = max(full_at, now) + MINUTE / per_minute
    wait = filled - now - MINUTE
    return (wait, full_at) if wait > 1e-9 else (0.0, filled)


class Rates:
    """One rate, for many who ask; 0 a minute: no limit."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def check(self, asker: str) -> None:
        """Count a request; raise Problem `too_many_requests` when there were too many."""
        if not self._per_minute:
            return
        now = time.monotonic()
        wait, full_at = take(self._full_at.get(asker, 0.0), now, self._per_minute)
        self._full_at[asker] = full_at
        self._full_at.move_to_end(asker)
        if len(self._full_at) > REMEMBERED:
            self._full_at.popitem(last=False)
        if wait:
            raise Problem(
                "too_many_requests",
                f"{self._per_minute} requests a minute are allowed; slow down",
                retryAfter=math.ceil(wait),
            )
