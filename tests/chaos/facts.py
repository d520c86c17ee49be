"""Reads from the database and the broker what the checker needs."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

import aio_pika
import asyncpg
from aio_pika.exceptions import AMQPError

from lingoloop_common.broker import queue_name
from tests.chaos.checker import Chunk, Event, Run, Unit
from tests.chaos.stage import LANE, Stage

T = TypeVar("T")
Pool: TypeAlias = "asyncpg.Pool[Any]"

LEFT = """
SELECT 'units waiting', count(*) FROM unit WHERE state = 'waiting' UNION ALL
SELECT 'units ready', count(*) FROM unit WHERE state = 'ready' UNION ALL
SELECT 'units running', count(*) FROM unit WHERE state = 'running' UNION ALL
SELECT 'runs open', count(*) FROM transcript_run WHERE status IN ('queued', 'processing') UNION ALL
SELECT 'outbox rows', count(*) FROM outbox
"""


async def read_runs(pool: Pool, known: Sequence[str]) -> dict[str, Run]:
    """Return all runs but those that are known."""
    rows = await pool.fetch(
        "SELECT * FROM transcript_run WHERE NOT id = ANY($1::uuid[])", [UUID(run_id) for run_id in known]
    )
    ids = [row["id"] for row in rows]
    jobs = await _by_run(pool, ids, "SELECT * FROM job", lambda row: str(row["status"]))
    chunks = await _by_run(pool, ids, "SELECT * FROM chunk", _chunk)
    units = await _by_run(pool, ids, "SELECT * FROM unit", _unit)
    segments = await _by_run(pool, ids, "SELECT * FROM segment", _segment)
    events = await _by_run(pool, ids, "SELECT *, data::json ->> 'status' AS status FROM run_event", _event)
    names = ("status", "seq", "units_left", "planned_samples", "done_samples", "chunks_total", "chunks_done")
    return {
        str(row["id"]): Run(
            id=str(row["id"]),
            **{name: row[name] for name in names},
            jobs=tuple(jobs[row["id"]]),
            chunks=tuple(chunks[row["id"]]),
            units=tuple(units[row["id"]]),
            segments=tuple(segments[row["id"]]),
            events=tuple(sorted(events[row["id"]], key=lambda event: event.seq)),
        )
        for row in rows
    }


async def _by_run(
    pool: Pool, ids: Sequence[UUID], select: str, make: Callable[[asyncpg.Record], T]
) -> defaultdict[UUID, list[T]]:
    found: defaultdict[UUID, list[T]] = defaultdict(list)
    for row in await pool.fetch(f"{select} WHERE run_id = ANY($1::uuid[])", ids):
        found[row["run_id"]].append(make(row))
    return found


def _chunk(row: asyncpg.Record) -> Chunk:
    return Chunk(row["index"], row["start_sample"], row["end_sample"], row["done_at"] is not None)


def _unit(row: asyncpg.Record) -> Unit:
    bound = row["message_id"] is not None or row["holder"] is not None
    return Unit(row["kind"], row["state"], row["attempt"], bound)


def _segment(row: asyncpg.Record) -> tuple[int, float, float, str]:
    return row["index"], row["start_s"], row["end_s"], row["text"]


def _event(row: asyncpg.Record) -> Event:
    return Event(row["seq"], ".done." in row["type"], row["status"], row["created_at"].timestamp())


async def owner_last(pool: Pool, owner: str) -> int:
    """Return the number of an owner's last event; fail where one is missing."""
    row = await pool.fetchrow(
        "SELECT coalesce(max(owner_seq), 0) AS last, count(*) AS count FROM run_event WHERE owner = $1", owner
    )
    assert row is not None
    assert row["last"] == row["count"], f"the numbers of {owner}'s events have a gap"
    return int(row["last"])


async def read_left(stage: Stage) -> dict[str, int]:
    """Return what is not at rest: units, runs, outbox rows, tokens in the queue."""
    rows = await stage.ask(lambda pool: pool.fetch(LEFT))
    return {str(row[0]): int(row[1]) for row in rows} | {"tokens in the queue": await _depth(stage)}


async def _depth(stage: Stage) -> int:
    """Count the tokens that wait; -1 while the broker does not answer."""
    with contextlib.suppress(AMQPError, OSError, asyncio.TimeoutError):
        async with await aio_pika.connect(stage.broker_url, timeout=10) as connection:
            channel = await connection.channel()
            queue = await channel.declare_queue(queue_name(LANE), passive=True)
            return queue.declaration_result.message_count or 0
    return -1
