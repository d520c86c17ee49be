"""Rows for tests: workers, and runs with their audio, job and units, as an upload and a plan would have made them."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg

from lingoloop_common.contracts.units import SAMPLE_RATE
from lingoloop_common.store.database import Connection as OneConnection
from lingoloop_common.store.ids import new_id

Connection: TypeAlias = "OneConnection | asyncpg.Pool[Any]"
"""A pool will do where nothing needs to be in one transaction."""


WEBHOOK_SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


@dataclass(frozen=True, slots=True)
class AddedRun:
    """The ids of what `add_run` wrote."""

    owner: str
    lane: str
    audio_id: UUID
    run_id: UUID
    job_id: UUID
    unit_ids: list[UUID]


async def add_run(
    connection: Connection,
    *,
    owner: str = "ann",
    lane: str = "simulated",
    units: int = 1,
    status: str = "processing",
    planned: bool = True,
    duration_ms: int | None = 60_000,
    **columns: Any,
) -> AddedRun:
    """Add a run with `units` chunks of a second each, ready unless `columns` of the units say otherwise.

    If it is not `planned`, its plan's unit is the last one.
    """
    audio_id, run_id, job_id = new_id(), new_id(), new_id()
    await connection.execute(
        "INSERT INTO audio (id, owner, filename, content_type, size_bytes, sha256, duration_ms, blob)"
        " VALUES ($1, $2, 'talk.ogg', 'audio/ogg', 1000, $3, $4, $5)",
        audio_id,
        owner,
        audio_id.bytes * 2,
        duration_ms,
        f"audio/{audio_id}",
    )
    await connection.execute(
        "INSERT INTO transcript_run (id, audio_id, owner, lane, status, planned, started_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, CASE WHEN $5 = 'queued' THEN NULL ELSE now() END)",
        run_id,
        audio_id,
        owner,
        lane,
        status,
        planned,
    )
    await connection.execute(
        "INSERT INTO job (id, run_id, audio_id, job_type, status) VALUES ($1, $2, $3, 'transcribe_long', $4)",
        job_id,
        run_id,
        audio_id,
        status,
    )
    run = AddedRun(owner, lane, audio_id, run_id, job_id, [])
    for _ in range(units):
        await add_unit(connection, run, **columns)
    if not planned:
        await add_unit(connection, run, kind="plan", **columns)
    return run


async def add_import(connection: Connection, url: str, **options: Any) -> AddedRun:
    """Add a run whose recording is still to be fetched, ready, as the gateway does."""
    run = await add_run(connection, units=0, status="queued", duration_ms=None, **options)
    await connection.execute("UPDATE transcript_run SET planned = false WHERE id = $1", run.run_id)
    await connection.execute(
        "UPDATE audio SET size_bytes = NULL, sha256 = NULL, content_type = NULL WHERE id = $1", run.audio_id
    )
    await connection.execute(
        "INSERT INTO import (audio_id, url, named) VALUES ($1, $2, false)", run.audio_id, url
    )
    await add_unit(connection, run, kind="import")
    return run


async def add_unit(connection: Connection, run: AddedRun, *, kind: str = "chunk", **columns: Any) -> UUID:
    """Add a unit to a run, with its chunk; `columns` of the unit win.

    A unit that is ready gets no token here; one that is running is bound to a token of its own, in attempt 1.
    """
    if columns.get("state") == "running":
        begun = {"attempt": 1, "claimed_at": datetime.now(UTC)}
        columns = {"message_id": new_id(), "holder": new_id(), **begun, **columns}
    values = {
        "id": new_id(),
        "run_id": run.run_id,
        "job_id": run.job_id,
        "owner": run.owner,
        "lane": run.lane,
        "kind": kind,
        "state": "ready",
        "small": False,
        "priority": 0,
        "position": float(len(run.unit_ids)),
        "cost": 1.0,
        **columns,
    }
    names, places = ", ".join(values), ", ".join(f"${number + 1}" for number in range(len(values)))
    await connection.execute(f"INSERT INTO unit ({names}) VALUES ({places})", *values.values())
    await connection.execute(
        "INSERT INTO owner_service (lane, owner) VALUES ($1, $2) ON CONFLICT DO NOTHING", run.lane, run.owner
    )
    if values["state"] in ("waiting", "ready", "running"):
        await connection.execute(
            "UPDATE transcript_run SET units_left = units_left + 1 WHERE id = $1", run.run_id
        )
    if kind == "chunk":
        index = len(run.unit_ids)
        await connection.execute(
            "INSERT INTO chunk (run_id, index, start_sample, end_sample, unit_id) VALUES ($1, $2, $3, $4, $5)",
            run.run_id,
            index,
            index * SAMPLE_RATE,
            (index + 1) * SAMPLE_RATE,
            values["id"],
        )
        await connection.execute(
            "UPDATE transcript_run SET chunks_total = chunks_total + 1, planned_samples = $2 WHERE id = $1",
            run.run_id,
            (index + 1) * SAMPLE_RATE,
        )
    run.unit_ids.append(values["id"])
    return run.unit_ids[-1]


async def add_worker(
    connection: Connection,
    *,
    lane: str = "simulated",
    slots: int = 2,
    lease: float | None = 10,
    seen: float = 0,
) -> UUID:
    """Add a worker whose lease ends in `lease` seconds (None: was ended) and that was seen `seen` seconds ago."""
    worker_id = new_id()
    await connection.execute(
        "INSERT INTO worker (id, lane, slots, lease_until, last_seen)"
        " VALUES ($1, $2, $3, now() + make_interval(secs => $4), now() - make_interval(secs => $5))",
        worker_id,
        lane,
        slots,
        lease,
        seen,
    )
    return worker_id


async def add_token(connection: Connection, *, lane: str = "simulated") -> UUID:
    """Put a token into the outbox and return its message id."""
    message_id = new_id()
    await connection.execute("INSERT INTO outbox (message_id, lane) VALUES ($1, $2)", message_id, lane)
    return message_id


async def add_endpoint(
    connection: Connection,
    *,
    owner: str = "ann",
    url: str = "https://receiver.example/hook",
    every_run: bool = True,
    **columns: Any,
) -> UUID:
    """Add a webhook endpoint; `columns` of it win."""
    values = {
        "id": new_id(),
        "owner": owner,
        "url": url,
        "every_run": every_run,
        "secret": WEBHOOK_SECRET,
        **columns,
    }
    names, places = ", ".join(values), ", ".join(f"${number + 1}" for number in range(len(values)))
    await connection.execute(f"INSERT INTO webhook_endpoint ({names}) VALUES ({places})", *values.values())
    endpoint_id: UUID = values["id"]
    return endpoint_id
