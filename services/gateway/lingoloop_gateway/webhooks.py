"""Endpoints of webhooks: an owner's addresses that are told of runs that ended, and the secrets that sign."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from lingoloop_common.errors import Problem
from lingoloop_common.keys import Queryable
from lingoloop_common.relay import Relay
from lingoloop_common.store.database import Connection, Database
from lingoloop_common.store.ids import new_id
from lingoloop_common.store.queries import load_queries
from lingoloop_common.store.runs import Row
from lingoloop_common.store.usage import lock_owner
from lingoloop_common.store.webhooks import resume
from lingoloop_gateway.cursors import cursor_after, read_cursor
from lingoloop_gateway.idempotency import Once, claim, write_made
from lingoloop_gateway.runs import iso
from lingoloop_gateway.webhook_rules import NewEndpoint, new_secret

SQL = load_queries(__package__, "webhooks.sql")

ENDPOINTS_MOST = 20
"""Endpoints of an owner that are told of every run."""

OLD_SECRET_HOURS = 24
"""How long a secret that was changed signs too."""


@dataclass(frozen=True, slots=True)
class Written:
    """An endpoint's row as a request left it; `replayed`: the request came before, and nothing was written now."""

    row: Row
    replayed: bool


class Webhooks:
    """One owner's endpoints; every query names the owner, so another's id finds nothing."""

    def __init__(self, database: Database, relay: Relay) -> None:
        self._database, self._relay = database, relay

    async def create(self, owner: str, wanted: NewEndpoint, once: Once | None) -> Written:
        """Make an endpoint, or let one that an upload has named be told of every run.

        Raises:
            Problem: `conflict` where there is such a one, or too many; or `once` has the key of another request.
        """
        return await self._once(owner, once, lambda connection: self._create(connection, owner, wanted))

    async def get(self, endpoint_id: UUID, owner: str) -> Row:
        """Return an endpoint's row; raise Problem `not_found`."""
        return await _found(self._database.pool, "endpoint_by_id", endpoint_id, owner)

    async def page(
        self, owner: str, *, cursor: str | None, limit: int
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Return endpoints, the newest first, and the cursor of the next page, None after the last.

        Raises:
            Problem: `invalid_value` for a cursor that no page gave.
        """
        before = read_cursor(cursor) if cursor else (None, None)
        rows = await self._database.pool.fetch(SQL["endpoints_page"], owner, *before, limit + 1)
        items = [describe_endpoint(row) for row in rows[:limit]]
        return items, cursor_after(rows[limit - 1]) if len(rows) > limit else None

    async def rotate(self, endpoint_id: UUID, owner: str, once: Once | None) -> Written:
        """Change an endpoint's secret; the old one signs too for `OLD_SECRET_HOURS`.

        Raises:
            Problem: `not_found`; or `once` has the key of another request.
        """

        async def change(connection: Connection) -> Row:
            await _found(connection, "lock_endpoint", endpoint_id, owner)
            return await _change_secret(connection, endpoint_id, new_secret())

        return await self._once(owner, once, change)

    async def resume(self, endpoint_id: UUID, owner: str) -> Row:
        """Let what waits for a paused endpoint be sent; return its row, or raise Problem `not_found`."""
        async with self._database.pool.acquire() as connection, connection.transaction():
            await lock_owner(connection, owner)
            await _found(connection, "lock_endpoint", endpoint_id, owner)
            await resume(connection, endpoint_id)
            row = await _found(connection, "endpoint_by_id", endpoint_id, owner)
        self._relay.tell()
        return row

    async def delete(self, endpoint_id: UUID, owner: str) -> None:
        """Forget an endpoint and what it was told; raise Problem `not_found`, also the second time."""
        async with self._database.pool.acquire() as connection, connection.transaction():
            await lock_owner(connection, owner)
            await _found(connection, "delete_endpoint", endpoint_id, owner)

    async def _once(
        self, owner: str, once: Once | None, write: Callable[[Connection], Awaitable[Row]]
    ) -> Written:
        """Let a request write an endpoint. What stands beside its key is the id: a secret is only in the endpoint's row."""
        async with self._database.pool.acquire() as connection, connection.transaction():
            await lock_owner(connection, owner)
            if once and (known := await claim(connection, once)):
                assert known.made is not None  # written in the transaction that took the key
                before = UUID(known.made["endpoint_id"])
                return Written(await _found(connection, "endpoint_by_id", before, owner), replayed=True)
            row = await write(connection)
            if once:
                await write_made(connection, once, {"endpoint_id": str(row["id"])})
        return Written(row, replayed=False)

    async def _create(self, connection: Connection, owner: str, wanted: NewEndpoint) -> Row:
        before = await connection.fetchrow(SQL["lock_endpoint_at"], owner, wanted.url)
        if before and before["every_run"]:
            text = f"there is an endpoint with this url already: {before['id']}"
            raise Problem("conflict", text, endpointId=str(before["id"]))
        if await connection.fetchval(SQL["count_endpoints"], owner) >= ENDPOINTS_MOST:
            raise Problem("conflict", f"you may have {ENDPOINTS_MOST} endpoints for every run; delete one")
        if before is None:
            secret = wanted.secret or new_secret()
            return await _row(connection, "insert_endpoint", new_id(), owner, wanted.url, secret)
        row = await _row(connection, "tell_of_every_run", before["id"])
        if wanted.secret in (None, row["secret"]):
            return row
        return await _change_secret(connection, row["id"], wanted.secret)


async def _change_secret(connection: Connection, endpoint_id: UUID, secret: str) -> Row:
    return await _row(connection, "change_secret", endpoint_id, secret, OLD_SECRET_HOURS)


async def _row(connection: Connection, query: str, *values: Any) -> Row:
    row = await connection.fetchrow(SQL[query], *values)
    assert row is not None  # the endpoint is locked, or new
    return dict(row)


async def _found(database: Queryable, query: str, endpoint_id: UUID, owner: str) -> Row:
    row = await database.fetchrow(SQL[query], endpoint_id, owner)
    if row is None:
        raise Problem("not_found", "there is no such webhook")
    return dict(row)


def describe_endpoint(endpoint: Row) -> dict[str, Any]:
    """Return an endpoint as `GET /api/webhooks/{id}` shows it, without its secret."""
    return {
        "id": str(endpoint["id"]),
        "url": endpoint["url"],
        "everyRun": endpoint["every_run"],
        "createdAt": iso(endpoint["created_at"]),
        "failingSince": iso(endpoint["failing_since"]),
        "pausedAt": iso(endpoint["paused_at"]),
        "pausedBecause": endpoint["paused_because"],
    }
