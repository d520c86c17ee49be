"""The heartbeat: each second a worker renews its lease and learns what is no longer its own (design, rule 8)."""

import asyncio
import contextlib
from collections.abc import Callable, Collection
from uuid import UUID

import structlog

from lingoloop_common.contracts.engines import Abilities
from lingoloop_common.contracts.units import UnitKind
from lingoloop_common.faults import told
from lingoloop_common.lifecycle import background, end_task
from lingoloop_common.store.database import BROKEN, Database
from lingoloop_common.store.queries import load_queries
from lingoloop_transcriber.claim import Claim

log = structlog.get_logger(__name__)

SQL = load_queries(__package__, "heartbeat.sql")

PERIOD = 1.0
LEASE = 10.0
"""Seconds after the last heartbeat in which a worker's units are still its own."""


class Heartbeat:
    """Keeps a worker's row alive.

    Args:
        held: the claims that the worker works on now.
        abilities: what the worker's engine can do.
        pace: seconds a slot takes for a second of audio, None before that was measured.
        on_gone: told of those of them that are another's by now, or cancelled.
        on_wanted: told whether the worker should take work.
    """

    def __init__(
        self,
        database: Database,
        *,
        worker_id: UUID,
        lane: str,
        slots: int,
        abilities: Callable[[], Abilities],
        held: Callable[[], Collection[Claim]],
        pace: Callable[[], float | None],
        on_gone: Callable[[Collection[Claim]], None],
        on_wanted: Callable[[bool], None],
    ) -> None:
        self._database, self._worker_id, self._lane, self._slots = database, worker_id, lane, slots
        self._abilities = abilities
        self._held, self._pace, self._on_gone, self._on_wanted = held, pace, on_gone, on_wanted
        self._task: asyncio.Task[None] | None = None
        self.fleet_slots = slots
        """Slots of the lane's living workers, this one's included."""

    async def start(self) -> None:
        """Announce the worker and its lane, and learn what is wanted before any work is taken; then beat."""
        await self.beat()
        self._task = background(self._run(), name="heartbeat")

    async def stop(self) -> None:
        """End the lease."""
        await end_task(self._task)
        with contextlib.suppress(*BROKEN):
            await self._database.pool.execute(SQL["leave"], self._worker_id, timeout=2)

    async def beat(self) -> None:
        """Do one beat."""
        held = list(self._held())
        row = await self._database.pool.fetchrow(
            SQL["beat"],
            self._worker_id,
            self._lane,
            self._slots,
            LEASE,
            [claim.unit_id for claim in held],
            [claim.attempt for claim in held],
            self._pace(),
            sum(claim.kind is not UnitKind.IMPORT for claim in held),
            self._abilities().model_dump(mode="json"),
            timeout=5,
        )
        assert row is not None  # the statement always returns one row
        self.fleet_slots = int(row["slots"])
        if row["gone"]:
            # A unit may be held twice, in an attempt that was cancelled and in the one after a retry.
            self._on_gone([held[place - 1] for place in row["gone"]])
        self._on_wanted(row["wanted"] == "running")

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(PERIOD)
            try:
                await self.beat()
            except Exception as error:
                unknown = not isinstance(error, BROKEN)
                log.warning(
                    "heartbeat failed; will try again",
                    error=told(error),
                    exc_info=unknown,
                )
