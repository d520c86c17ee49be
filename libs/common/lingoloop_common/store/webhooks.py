"""Deliveries: which are written beside the end of a run, and how they are set going again.

Lock order: the run, then the endpoint, then its deliveries; whoever takes many deliveries and waits for them has called
`lock_owner`, for an endpoint's and a run's have different orders. Whoever looks at an endpoint's deliveries to decide how many
may be under way has locked the endpoint.
"""

from uuid import UUID

from lingoloop_common.contracts.states import RunStatus
from lingoloop_common.contracts.webhooks import AT_ONCE, OWNER_AT_ONCE
from lingoloop_common.store.database import Connection
from lingoloop_common.store.queries import load_queries
from lingoloop_common.store.runs import lock_run, write_deliveries

SQL = load_queries(__package__, "webhooks.sql")


async def announce(connection: Connection, run_id: UUID, endpoint_id: UUID) -> bool:
    """Tell an endpoint of a run's end: when it comes, or now if it came already.

    Needs a transaction, and one that has made or locked the endpoint, lest it is deleted meanwhile.

    Returns:
        Whether a delivery was written now. A second time, or to an endpoint that has it, none is.

    Raises:
        Fenced: the run does not exist any more.
    """
    run = await lock_run(connection, run_id)
    await connection.execute(SQL["name_endpoint"], run_id, endpoint_id)
    if not RunStatus(run["status"]).is_final:
        return False
    return await write_deliveries(connection, [run], to=endpoint_id) > 0


async def resume(connection: Connection, endpoint_id: UUID) -> None:
    """Let an endpoint that was paused be told what it was not told meanwhile. Needs a transaction."""
    await connection.execute(SQL["resume"], endpoint_id)
    await connection.execute(SQL["begin_afresh"], endpoint_id)
    await release_withheld(connection, endpoint_id)


async def release_withheld(connection: Connection, endpoint_id: UUID) -> None:
    """Set going what an endpoint, whose row this transaction has locked, has room for now."""
    await connection.execute(SQL["release_withheld"], endpoint_id, AT_ONCE, OWNER_AT_ONCE)


async def release_idle(connection: Connection, *, limit: int, owner: str | None = None) -> None:
    """Set going what endpoints have room for from which deliveries are withheld though none is under way."""
    for endpoint in await connection.fetch(SQL["idle_endpoints"], owner, OWNER_AT_ONCE, limit):
        await release_withheld(connection, endpoint["id"])


async def send_again(connection: Connection, delivery_id: UUID) -> bool:
    """Send a delivery once more, with all its tries; False when it is under way anyway. To a paused endpoint it waits."""
    return await connection.fetchval(SQL["send_again"], delivery_id) is not None
