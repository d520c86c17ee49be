"""The sweep: finds work that no token points at any more, and puts it right. Each pass is idempotent."""

import asyncio
import contextlib
import math
from collections.abc import Mapping
from typing import Any

import structlog

from lingoloop_common import metrics
from lingoloop_common.broker import Broker, BrokerError
from lingoloop_common.contracts.events import ErrorCause
from lingoloop_common.contracts.states import UnitState
from lingoloop_common.contracts.units import after_loss
from lingoloop_common.faults import told
from lingoloop_common.lifecycle import background, end_task
from lingoloop_common.relay import Relay
from lingoloop_common.store.database import BROKEN, Connection, Database
from lingoloop_common.store.queries import load_queries
from lingoloop_common.store.runs import SQL as RUN_SQL
from lingoloop_common.store.runs import Fenced, fail_unit, lock_run
from lingoloop_common.store.webhooks import release_idle

log = structlog.get_logger(__name__)

SQL = load_queries(__package__, "sweep.sql")

LOCK = 0x11600C
PAUSE = 1.0
"""Seconds between passes: the next due time is looked at this often."""

MUTE_LIMIT = 30.0
"""Seconds after which a queue that does not answer, or confirms no tokens, is made again."""

UNSENT_LIMIT = 5.0
"""Seconds that a token may be in the outbox while the queue says that it is well."""

KEYS_KEPT = 86_400.0
"""Seconds for which an `Idempotency-Key` stands for the request that it came with."""

DELIVERIES_KEPT = 30
"""Days for which it is known what a webhook was told."""

SAMPLE_EVERY = 30.0
"""Seconds between looks whether a minute has begun of which the backlog is not noted: none is left out."""

SAMPLES_KEPT = 24
"""Hours for which it is known what the backlog was."""

IDLE_LIMIT = 100
"""Endpoints that are set going in one pass at most."""

REFILL_LIMIT = 10_000
"""Tokens written in one pass and lane at most."""


class Sweep:
    """Runs in every gateway; one at a time does a pass."""

    def __init__(self, database: Database, broker: Broker, relay: Relay) -> None:
        self._database, self._broker, self._relay = database, broker, relay
        self._missing: dict[str, int] = {}
        self._mute_since: dict[tuple[str, str], float] = {}
        self._sampled = -math.inf
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to sweep."""
        self._task = background(self._run(), name="sweep")

    async def stop(self) -> None:
        """End; a pass that is cut off is rolled back."""
        await end_task(self._task)

    async def end_all_leases(self) -> None:
        """Before a one-process server takes work: everything that was running is taken back at the next pass."""
        await self._database.pool.execute(SQL["end_all_leases"])
        await self._database.pool.execute(SQL["end_all_claims"])

    async def sweep(self) -> None:
        """Do one pass, unless another process is at it."""
        async with self._database.pool.acquire() as connection:
            backlog = await self._heal(connection)
        if backlog is not None:
            for lane, counts in backlog.items():
                metrics.UNITS_TAKEN_BACK.labels(lane)  # told with 0, too
                metrics.TOKENS_REFILLED.labels(lane)
                await self._refill(lane, counts)
            self._missing = {lane: count for lane, count in self._missing.items() if lane in backlog}
        self._relay.tell()  # rows that a crash left behind are sent by whoever is alive

    async def _heal(self, connection: Connection) -> dict[str, Mapping[str, Any]] | None:
        """Release what is due, take back what was lost, and return the backlog by lane; None if another is at it."""
        async with connection.transaction():
            await connection.execute("SET LOCAL statement_timeout = '10s'")
            if not await connection.fetchval(SQL["one_sweeper"], LOCK):
                return None
            await connection.fetchval(SQL["release_due"])
            lost = await connection.fetch(SQL["lost_units"])
            given_up = [unit for unit in lost if after_loss(unit["lost"]).state is UnitState.FAILED]
            released = [unit for unit in lost if unit not in given_up]
            if released:
                await connection.execute(SQL["release_lost"], [unit["id"] for unit in released])
            await _heal_deliveries(connection)
            await connection.execute(SQL["end_leases"])
            await connection.execute(SQL["forget_workers"])
            await connection.execute(SQL["forget_keys"], KEYS_KEPT)
            await self._sample_backlog(connection)
            if idle := await connection.fetch(SQL["idle_owners"]):
                await connection.execute(
                    SQL["deactivate_owners"], [row["lane"] for row in idle], [row["owner"] for row in idle]
                )
            backlog = {row["lane"]: row for row in await connection.fetch(SQL["backlog"])}
        for unit in released:
            metrics.UNITS_TAKEN_BACK.labels(unit["lane"]).inc()
            log.warning("took a unit back from a worker that vanished", **_named(unit))
        for unit in given_up:
            await self._give_up(connection, unit)
        return backlog

    async def _sample_backlog(self, connection: Connection) -> None:
        """Note the backlog about once a minute; of several sweepers, whoever is first in a minute does."""
        now = asyncio.get_running_loop().time()
        if now - self._sampled >= SAMPLE_EVERY:
            await connection.execute(SQL["sample_backlog"], SAMPLES_KEPT)
            self._sampled = now

    async def _give_up(self, connection: Connection, unit: Mapping[str, Any]) -> None:
        cause = ErrorCause(
            code="worker_lost", message=f"{unit['lost']} workers vanished while they worked on it"
        )
        try:
            async with connection.transaction():
                run = await lock_run(connection, unit["run_id"])
                await fail_unit(
                    connection,
                    run,
                    unit_id=unit["id"],
                    attempt=unit["attempt"],
                    failures=unit["failures"],
                    lost=unit["lost"],
                    cause=cause,
                )
                # If these were the last chunks ahead of a withheld plan, nobody else would wake it.
                await connection.execute(RUN_SQL["wake_plan"], unit["run_id"])
        except Fenced:
            return
        metrics.UNIT_FAILURES.labels(unit["lane"], unit["kind"], cause.code).inc()
        metrics.UNITS_ENDED.labels(unit["lane"], unit["kind"], "failed").inc()
        log.warning("unit failed", code=cause.code, reason=cause.message, **_named(unit))

    async def _refill(self, lane: str, counts: Mapping[str, Any]) -> None:
        """Write the tokens that were missing in this pass and in the one before."""
        try:
            depth = await self._broker.depth(lane)
        except BrokerError as error:
            self._mute_since.pop((lane, "unsent"), None)
            try:
                await self._broker.check()
            except BrokerError:  # it is not the queue
                self._mute_since.pop((lane, "silent"), None)
            else:
                await self._recreate_if_mute(lane, "silent", str(error))
            return
        self._mute_since.pop((lane, "silent"), None)
        # A broker that was killed may still count a queue's tokens, and neither take nor give any.
        if counts["unsent_for"] > UNSENT_LIMIT:
            await self._recreate_if_mute(lane, "unsent", "its tokens are not confirmed")
        else:
            self._mute_since.pop((lane, "unsent"), None)
        missing = counts["ready"] - depth - counts["unsent"]
        refill = min(missing, self._missing.get(lane, 0), REFILL_LIMIT)
        self._missing[lane] = missing
        if refill > 0:
            await self._database.pool.execute(SQL["refill_tokens"], lane, refill)
            self._missing[lane] = 0
            metrics.TOKENS_REFILLED.labels(lane).inc(refill)
            log.warning("tokens were missing", lane=lane, count=refill)

    async def _recreate_if_mute(self, lane: str, sign: str, error: str) -> None:
        now = asyncio.get_running_loop().time()
        since = self._mute_since.setdefault((lane, sign), now)
        if now - since < MUTE_LIMIT:
            return
        del self._mute_since[lane, sign]
        log.error("a queue does not answer; making it again", lane=lane, error=error)
        with contextlib.suppress(BrokerError):
            await self._broker.recreate(lane)
            metrics.QUEUES_RECREATED.inc()

    async def _run(self) -> None:
        while True:
            try:
                await self.sweep()
            except Exception as error:
                unknown = not isinstance(error, (BrokerError, *BROKEN))
                log.warning("sweep failed; will try again", error=told(error), exc_info=unknown)
            await asyncio.sleep(PAUSE)


async def _heal_deliveries(connection: Connection) -> None:
    """Set going what webhooks are still to be told, and forget what they were told long ago."""
    await connection.execute(SQL["release_due_deliveries"])
    await release_idle(connection, limit=IDLE_LIMIT)
    await connection.execute(SQL["forget_deliveries"], DELIVERIES_KEPT)


def _named(unit: Mapping[str, Any]) -> dict[str, str]:
    """Let a log line name a unit and its run."""
    return {"run_id": str(unit["run_id"]), "unit_id": str(unit["id"])}
