"""Deliveries in a notifier's hands: the claim, and every way in which it ends."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog

from lingoloop_common.contracts.webhooks import AT_ONCE, OWNER_AT_ONCE
from lingoloop_common.store.database import Connection, Database
from lingoloop_common.store.queries import load_queries
from lingoloop_common.store.webhooks import release_idle, release_withheld
from lingoloop_notifier.attempts import DeliveryState, Outcome, Verdict, reason_to_pause

SQL = load_queries(__package__, "deliveries.sql")

log = structlog.get_logger(__name__)

CLAIMING = 0x11600E
"""Advisory lock's first key; the second is the owner's hash."""

LEASE = 60.0
"""Seconds for which a claim stands: a call takes 20 at most, and writing down what came of it should not take more."""

BATCH = 10_000
"""Deliveries that one claim looks at: an endpoint may have a million when there was no notifier for long."""

LOCKED_PAUSE = 0.02
"""Seconds until a claim that met what others hold, or withheld what it met, tries again."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery that this notifier sends, in one attempt; every write for it is conditioned on that attempt."""

    id: UUID
    endpoint_id: UUID
    run_id: UUID
    event_id: UUID
    attempt: int
    tries: int
    traceparent: str | None
    request_id: str | None
    body: str = field(repr=False)
    url: str = field(repr=False)
    secret: str = field(repr=False)
    old_secret: str | None = field(repr=False)

    @property
    def secrets(self) -> list[str]:
        """Those that sign: the old one too, until it ends."""
        return [self.secret, self.old_secret] if self.old_secret else [self.secret]


class Deliveries:
    """The writes of a notifier for the deliveries that it sends. Lock order: the endpoint, its owner's claims, its deliveries."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self) -> Claim | None:
        """Return the delivery that is ready the longest and that its endpoint has room for; None when none is."""
        while True:
            async with self._database.pool.acquire() as connection, connection.transaction():
                endpoint_id = await connection.fetchval(SQL["lock_oldest"], CLAIMING)
                if endpoint_id is not None:
                    row = await connection.fetchrow(
                        SQL["claim"], endpoint_id, AT_ONCE, OWNER_AT_ONCE, LEASE, BATCH
                    )
                    if row is not None:
                        return Claim(**row)
            if not await self._database.pool.fetchval(SQL["any_ready"]):
                return None
            await asyncio.sleep(LOCKED_PAUSE * random.uniform(0.5, 1.5))  # noqa: S311  (jitter, not a secret)

    async def end(self, claim: Claim, outcome: Outcome, verdict: Verdict) -> bool:
        """Write down what came of a try, and set going what is withheld for want of room.

        Returns:
            Whether it was still this attempt's to say.
        """
        async with self._database.pool.acquire() as connection, connection.transaction():
            endpoint = await connection.fetchrow(SQL["lock_endpoint"], claim.endpoint_id)
            if endpoint is None:
                return False
            paused = endpoint["paused_at"] is not None
            tried = await connection.fetchrow(
                SQL["end_try"],
                claim.id,
                claim.attempt,
                verdict.state,
                verdict.delay if verdict.state is DeliveryState.WAITING and not paused else None,
                outcome.status,
                outcome.error,
            )
            if tried is not None:
                reason = await _note(connection, claim, endpoint, tried["failing_since"], outcome, verdict)
                paused = paused or reason is not None
            # First an endpoint at which nothing is under way, or those that hang would keep up the owner's others.
            await release_idle(connection, owner=endpoint["owner"], limit=1)
            if not paused:
                await release_withheld(connection, claim.endpoint_id)
        return tried is not None

    async def hand_back(self, claim: Claim) -> None:
        """Make the delivery ready again, uncounted. Commit first, then reject the token: it needs no new one."""
        await self._database.pool.execute(SQL["hand_back"], claim.id, claim.attempt)


async def _note(
    connection: Connection,
    claim: Claim,
    endpoint: Mapping[str, Any],
    failing_since: datetime | None,
    outcome: Outcome,
    verdict: Verdict,
) -> str | None:
    """Write down how an endpoint is after a try of a delivery that fails since then; return why it is paused, if it is now."""
    if failing_since is None:
        if endpoint["failing_since"] is not None:
            await connection.execute(SQL["note_endpoint"], claim.endpoint_id, None, None)
        return None
    endpoint_failing_since = endpoint["failing_since"] or endpoint["now"]
    reason = None
    if endpoint["paused_at"] is None:
        reason = reason_to_pause(
            verdict,
            outcome,
            endpoint_failing_since=endpoint_failing_since,
            delivery_failing_since=failing_since,
        )
    await connection.execute(SQL["note_endpoint"], claim.endpoint_id, endpoint_failing_since, reason)
    if reason is not None:
        await connection.execute(SQL["withhold_all"], claim.endpoint_id)
        log.warning("a webhook endpoint is paused", endpoint_id=str(claim.endpoint_id), reason=reason)
    return reason
