"""What an endpoint of webhooks was told: list it, send one again."""

from typing import Any
from uuid import UUID

from lingoloop_common.errors import Problem
from lingoloop_common.relay import Relay
from lingoloop_common.store.database import Database
from lingoloop_common.store.queries import load_queries
from lingoloop_common.store.runs import Row
from lingoloop_common.store.webhooks import send_again
from lingoloop_gateway.runs import iso

SQL = load_queries(__package__, "deliveries.sql")

STATUSES = ("waiting", "ready", "sending", "delivered", "failed")

ENDED = frozenset({"delivered", "failed"})
"""Those that may be sent again."""


class Deliveries:
    """One owner's deliveries; every query names the owner, so another's id finds nothing."""

    def __init__(self, database: Database, relay: Relay) -> None:
        self._database, self._relay = database, relay

    async def page(
        self, endpoint_id: UUID, owner: str, *, statuses: list[str] | None, before: UUID | None, limit: int
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Return deliveries to an endpoint, the newest first, and the cursor of the next page, None after the last."""
        rows = await self._database.pool.fetch(
            SQL["deliveries_page"], endpoint_id, owner, statuses, before, limit + 1
        )
        items = [describe_delivery(row) for row in rows[:limit]]
        return items, items[-1]["id"] if len(rows) > limit else None

    async def send_again(self, endpoint_id: UUID, delivery_id: UUID, owner: str) -> dict[str, Any]:
        """Send what was delivered, or could not be, once more, under the same message id; return the delivery.

        Raises:
            Problem: `not_found`, or `conflict` while it is under way.
        """
        one = (delivery_id, endpoint_id, owner)
        async with self._database.pool.acquire() as connection, connection.transaction():
            status = await connection.fetchval(SQL["lock_delivery"], *one)
            if status is None:
                raise Problem("not_found", "there is no such delivery")
            if status not in ENDED:
                raise Problem("conflict", f"this delivery is under way: {status}")
            await send_again(connection, delivery_id)
            row = await connection.fetchrow(SQL["delivery_by_id"], *one)
            assert row is not None  # it is locked
        self._relay.tell()
        return describe_delivery(row)


def describe_delivery(delivery: Row) -> dict[str, Any]:
    """Return a delivery as lists show it."""
    return {
        "id": str(delivery["id"]),
        "messageId": str(delivery["event_id"]),
        "runId": str(delivery["run_id"]),
        "type": delivery["event_type"],
        "status": delivery["state"],
        "tries": delivery["tries"],
        "statusCode": delivery["status_code"],
        "error": delivery["error"],
        "createdAt": iso(delivery["created_at"]),
        "deliveredAt": iso(delivery["delivered_at"]),
        "nextTryAt": iso(delivery["due_at"]) if delivery["state"] == "waiting" else None,
    }
