"""Changes to runs: one transaction writes the state, its number, the event and the message about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from lingoloop_common.contracts import events
from lingoloop_common.contracts.events import ErrorCause, RunDone, RunState, RunUpdated
from lingoloop_common.contracts.progress import percent
from lingoloop_common.contracts.states import RunMove, RunStatus, closing_move, moved
from lingoloop_common.contracts.transcript import Segment
from lingoloop_common.contracts.units import SAMPLE_RATE
from lingoloop_common.store.database import Connection
from lingoloop_common.store.ids import new_id
from lingoloop_common.store.queries import load_queries

SQL = load_queries(__package__, "runs.sql")

Row = Mapping[str, Any]


class Fenced(Exception):
    """The unit is no longer the caller's: another attempt, a cancel or a take-back came first."""


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to a run: units that ended, audio that was done, words that came.

    `retries` puts units back: `units_ended` and `units_failed` are then negative. An `error` stands as the run's first
    cause, unless `replaces_error`.
    """

    starts: bool = False
    retries: bool = False
    units_ended: int = 0
    units_failed: int = 0
    chunks_done: int = 0
    done_samples: int = 0
    planned: bool = False
    error: ErrorCause | None = None
    replaces_error: bool = False
    segments: list[Segment] | None = None


def total_ms(run: Row) -> int | None:
    """Return a run's length in ms: as planned once that is complete, else as probed but never less than planned."""
    planned: int = run["planned_samples"] * 1000 // SAMPLE_RATE
    if run["planned"]:
        return planned
    return max(planned, run["duration_ms"]) if run["duration_ms"] else None


def run_state(run: Row) -> dict[str, Any]:
    """Return the fields of `RunState` from a row of `lock_run` or the like (with `now` and `duration_ms`).

    What other runs have a part in, the time left and the place in the queue, is for `store/forecast.py` to add.
    """
    status = RunStatus(run["status"])
    now: datetime = run["completed_at"] or run["now"]
    done = run["done_samples"] * 1000 // SAMPLE_RATE
    failed = status is RunStatus.FAILED
    return {
        "run_id": run["id"],
        "audio_id": run["audio_id"],
        "status": status,
        "progress": percent(done, total_ms(run), finished=status is RunStatus.SUCCEEDED),
        "time_elapsed": round((now - run["created_at"]).total_seconds() * 1000),
        "estimated_time_remaining": 0 if status.is_final else None,
        "chunks_done": run["chunks_done"],
        "chunks_total": run["chunks_total"] if run["planned"] else None,
        "error": ErrorCause(code=run["error_code"], message=run["error_message"]) if failed else None,
    }


async def lock_run(connection: Connection, run_id: UUID) -> Row:
    """Lock a run's row for this transaction and return it.

    Raises:
        Fenced: the run does not exist any more.
    """
    run = await connection.fetchrow(SQL["lock_run"], run_id)
    if run is None:
        raise Fenced("the run was deleted")
    return dict(run)


async def change_run(connection: Connection, run: Row, change: Change) -> Row:
    """Write a change to a run that this transaction has locked, with its event and the message about it.

    Returns:
        The row as it is now. The run is closed if its last unit ended (design, rule 4).

    Raises:
        IllegalMove: the run's status has no such move.
    """
    status = RunStatus(run["status"])
    if change.starts and status is RunStatus.QUEUED:
        status = moved(status, RunMove.START)
    if change.retries and status.is_final:
        status = moved(status, RunMove.RETRY)
    move = closing_move(run["units_left"] - change.units_ended, run["units_failed"] + change.units_failed)
    if move and change.units_ended > 0:
        status = moved(status, move)
    error = change.error
    row: Row | None = await connection.fetchrow(
        SQL["write_run"],
        run["id"],
        status,
        change.units_ended,
        change.units_failed,
        change.chunks_done,
        change.done_samples,
        change.planned,
        error.code if error else None,
        error.message if error else None,
        change.replaces_error,
    )
    assert row is not None  # this transaction holds its lock
    if status != run["status"]:
        message = row["error_message"] if status is RunStatus.FAILED else None
        await connection.execute(SQL["write_jobs"], run["id"], status, message)
    await _record(connection, row, change.segments)
    return row


async def _record(connection: Connection, run: Row, segments: list[Segment] | None) -> None:
    state = run_state(run)
    ended = RunStatus(run["status"]).is_final
    frame: RunState = (RunDone if ended else RunUpdated)(**state, segments=segments or None)
    event_id, event_type = new_id(), events.DONE if ended else events.UPDATED
    headers = events.cloud_event_headers(
        event_id=event_id,
        event_type=event_type,
        run_id=run["id"],
        owner=run["owner"],
        seq=run["seq"],
        owner_seq=0,
        at=run["now"],
    )
    await connection.execute(
        SQL["record_event"],
        run["id"],
        run["seq"],
        run["owner"],
        event_type,
        events.encode(frame).decode(),
        event_id,
        events.routing_key(run["owner"], run["id"], event_type),
        headers,
    )


async def fail_unit(
    connection: Connection,
    run: Row,
    *,
    unit_id: UUID,
    attempt: int,
    failures: int,
    lost: int,
    cause: ErrorCause,
) -> Row:
    """End a running unit for good: a dead letter, and the run fails when its other units have ended.

    Raises:
        Fenced: the unit is not running in this attempt any more.
    """
    unit = await connection.fetchrow(
        SQL["fail_unit"], unit_id, attempt, failures, lost, cause.code, cause.message
    )
    if unit is None:
        raise Fenced("the unit is not this attempt's any more")
    await connection.execute(
        SQL["insert_dead_letter"],
        new_id(),
        unit_id,
        run["id"],
        unit["owner"],
        unit["lane"],
        cause.code,
        cause.message,
    )
    return await change_run(connection, run, Change(units_ended=1, units_failed=1, error=cause))
