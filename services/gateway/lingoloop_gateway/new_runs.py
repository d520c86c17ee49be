"""Writes new runs, in the transaction of whoever accepts them."""

from lingoloop_common import tracing
from lingoloop_common.contracts.units import UnitKind, plan_cost
from lingoloop_common.log import request_id
from lingoloop_common.store.database import Connection
from lingoloop_common.store.ids import new_id
from lingoloop_common.store.queries import load_queries
from lingoloop_common.store.runs import SQL as RUN_SQL
from lingoloop_common.store.runs import Change, change_run, lock_run
from lingoloop_gateway.accepted import Accepted
from lingoloop_gateway.options import RunOptions
from lingoloop_gateway.webhook_urls import tell_end

SQL = load_queries(__package__, "new_runs.sql")


async def add_run(
    connection: Connection,
    owner: str,
    options: RunOptions,
    lane: str,
    accepted: Accepted,
    begins_with: UnitKind = UnitKind.PLAN,
) -> None:
    """Write a run over an audio that is there: its job, its first unit, the unit's token, its first event."""
    await connection.execute(
        SQL["insert_run"],
        accepted.run_id,
        accepted.audio_id,
        owner,
        lane,
        options.language,
        options.priority,
        options.more(),
        options.asked(),
        tracing.current().traceparent,
        request_id(),
    )
    await tell_end(connection, owner, options.webhook_url, accepted.run_id)
    job_type = "transcribe_long" if accepted.large else "transcribe_short"
    await connection.execute(SQL["insert_job"], accepted.job_id, accepted.run_id, accepted.audio_id, job_type)
    await connection.execute(
        RUN_SQL["insert_unit"],
        new_id(),
        accepted.run_id,
        accepted.job_id,
        owner,
        lane,
        begins_with,
        not accepted.large,
        options.priority,
        0.0,
        plan_cost(small=not accepted.large),
    )
    await connection.execute(RUN_SQL["insert_token"], lane, tracing.headers())
    await connection.execute(RUN_SQL["activate_owner"], lane, owner)
    await change_run(connection, await lock_run(connection, accepted.run_id), Change())
