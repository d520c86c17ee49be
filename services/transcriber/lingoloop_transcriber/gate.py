"""The way out to a server that does an engine's work: shut for as long as it takes no more, and as slow as one is asked to be.

All slots of a worker go this way, since they speak to one server with one key: what it says to one of them is true for all.
"""

import asyncio
import random

from lingoloop_transcriber.job import Stopped

HELD_MOST = 60.0
"""Seconds for which a unit waits in its slot; for longer ones it is handed back."""

SPREAD = 1.1
"""Workers that were told the same come back spread over a tenth more."""


class Closed(Exception):
    """Too long to wait for; `seconds`: when to come again."""

    def __init__(self, seconds: float) -> None:
        super().__init__("the engine's server takes no more for now")
        self.seconds = seconds


class Gate:
    """Lets one unit after another through; `per_minute` of them at most, if it is said."""

    def __init__(self, per_minute: int | None) -> None:
        self._space = 60 / per_minute if per_minute else 0.0
        self._closed_until = 0.0
        self._next_at = 0.0

    def close(self, seconds: float) -> None:
        """Let nobody through for a while."""
        seconds *= random.uniform(1, SPREAD)  # noqa: S311  (jitter, not a secret)
        self._closed_until = max(self._closed_until, asyncio.get_running_loop().time() + seconds)

    async def pass_through(self, stop: "asyncio.Future[str]") -> None:
        """Wait until it is this one's turn.

        Raises:
            Closed: that takes too long.
            Stopped: it was ended early.
        """
        loop = asyncio.get_running_loop()
        while (wait := max(self._closed_until, self._next_at) - loop.time()) > 0:
            if self._closed_until - loop.time() > HELD_MOST:
                raise Closed(self._closed_until - loop.time())
            await asyncio.wait({stop}, timeout=wait)
            if stop.done():
                raise Stopped(stop.result())
        self._next_at = loop.time() + self._space
