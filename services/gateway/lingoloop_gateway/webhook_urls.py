"""`webhookUrl`: an upload names who is to be told when its run has ended."""

from uuid import UUID

from lingoloop_common.errors import Problem
from lingoloop_common.store.database import Connection
from lingoloop_common.store.ids import new_id
from lingoloop_common.store.queries import load_queries
from lingoloop_common.store.webhooks import announce
from lingoloop_gateway.webhook_rules import new_secret

SQL = load_queries(__package__, "webhook_urls.sql")

NAMED_MOST = 100
"""Endpoints of an owner that only uploads have named."""


async def tell_end(connection: Connection, owner: str, url: str | None, run_id: UUID) -> None:
    """Let the owner's endpoint with this address, which may be a new one, be told of a run's end; at once if it has ended.

    In the transaction that gives the run to an upload, and has called `lock_owner`.

    Raises:
        Problem: `conflict`; the owner's uploads have named too many.
    """
    if url is None:
        return
    endpoint_id = await connection.fetchval(SQL["endpoint_at"], owner, url)
    if endpoint_id is None:
        endpoint_id = await _named(connection, owner, url)
    await announce(connection, run_id, endpoint_id)


async def _named(connection: Connection, owner: str, url: str) -> UUID:
    if await connection.fetchval(SQL["count_named"], owner) >= NAMED_MOST:
        raise Problem(
            "conflict",
            f"webhookUrl: your uploads have named {NAMED_MOST} addresses; delete some of the endpoints, and tell uploads apart"
            " by their metadata",
        )
    endpoint_id = new_id()
    await connection.execute(SQL["insert_named"], endpoint_id, owner, url, new_secret())
    return endpoint_id
