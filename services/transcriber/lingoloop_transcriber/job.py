"""A token in a worker's hands: what it became, when its work must end, how it is settled."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import structlog

from lingoloop_common.broker import Delivery
from lingoloop_common.contracts.units import UnitKind
from lingoloop_common.faults import told
from lingoloop_common.store.database import BROKEN
from lingoloop_transcriber.claim import Claim

log = structlog.get_logger(__name__)

T = TypeVar("T")

GONE, SHUTDOWN = "gone", "shutdown"


class Stopped(Exception):
    """The work was ended early; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class GivenUp(Exception):
    """The database did not come back."""


@dataclass(slots=True, eq=False)
class Job:
    """A token in hand, and the claim it became. `stop` is set to the reason when the work must end early.

    Attributes:
        patience: seconds for which its writes are repeated while the database is away.
        stopping: set when the worker stops; nothing is repeated then.
    """

    delivery: Delivery
    patience: float
    stopping: asyncio.Event
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

    async def settle(self, *, done: bool) -> None:
        """Acknowledge or put back the token; also the delivery that comes while the one before is being settled."""
        while self.settled is not self.delivery:
            settled = self.settled = self.delivery
            await (settled.ack() if done else settled.reject())

    async def until_it_works(self, write: Callable[[], Awaitable[T]]) -> T:
        """Repeat a write while the database is away: the result in hand is worth more than the slot's time.

        Every write may be repeated, since it is fenced and finds its own work done.

        Raises:
            GivenUp: the database stayed away for the time a unit may take, or this worker stops.
        """
        loop = asyncio.get_running_loop()
        # An import's token is gone: nobody else would take it up while this worker lives.
        end = math.inf if self.is_import else loop.time() + self.patience
        pause = 0.1
        while True:
            try:
                return await write()
            except BROKEN as error:
                if loop.time() >= end or self.stopping.is_set() or self.stop.done():
                    raise GivenUp from error
                log.warning("database is away; will try again", error=told(error))
            await asyncio.sleep(pause)
            pause = min(2.0, pause * 2)
