"""Changes to runs: one transaction writes the state, its number, the event and the message about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from lingoloop_common import metrics, tracing
from lingoloop_common.contracts import events
from lingoloop_common.contracts.events import ErrorCause, RunDone, RunState, RunUpdated
from lingoloop_common.contracts.progress import percent
from lingoloop_common.contracts.states import RunMove, RunStatus, closing_move, moved
from lingoloop_common.contracts.transcript import Segment
from lingoloop_common.contracts.units import SAMPLE_RATE, UnitKind
from lingoloop_common.contracts.webhooks import done_message
from lingoloop_common.store.database import Connection
from lingoloop_common.store.ids import new_id
from lingoloop_common.store.queries import load_queries

SQL = load_queries(__package__, "runs.sql")

Row = Mapping[str, Any]

WRITTEN = (
    "id",
    "seq",
    "status",
    "units_left",
    "units_failed",
    "chunks_done",
    "done_samples",
    "planned",
    "error_code",
    "error_message",
    "started_at",
    "first_words_at",
    "completed_at",
)
"""What a change may write of a run's row, in the order of the statement's parameters."""

STAGES = {"started_at": "started", "planned": "planned", "first_words_at": "first_words"}
"""Stages of a run's life, by the column that says that it has been there; the last one is `succeeded`."""


class Fenced(Exception):
    """The unit is no longer the caller's: another attempt, a cancel or a take-back came first."""

    def __init__(self, why: str = "the unit is not this attempt's any more") -> None:
        super().__init__(why)


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to a run: units that ended, audio that was done, words that came.

    `retries` puts units back: `units_ended` and `units_failed` are then negative. An `error` stands as the run's first
    cause, unless `replaces_error`. `traceparent` is the step that did it, where that is not the present one.
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
    traceparent: str | None = None


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
    """Write a change to a run that this transaction has locked and read, with its event and the messages about it.

    Returns:
        The row as it is now. The run is closed if its last unit ended (design, rule 4).

    Raises:
        IllegalMove: the run's status has no such move.
    """
    (row,) = await change_runs(connection, [(run, change)])
    return row


async def change_runs(connection: Connection, changes: Sequence[tuple[Row, Change]]) -> list[Row]:
    """Do what `change_run` does for several runs, each of them once: in one statement, and one more if any of them ends."""
    rows = [changed(run, change) for run, change in changes]
    written = [_written(run, row, change) for (run, change), row in zip(changes, rows, strict=True)]
    await connection.execute(SQL["write_changes"], *zip(*written, strict=True))
    for (run, _), row in zip(changes, rows, strict=True):
        _measure(run, row)
    ended = [row for (run, _), row in zip(changes, rows, strict=True) if _ends(run, row)]
    # A look first, for most owners have no endpoint: it takes a fifth of the time.
    if ended and await connection.fetchval(SQL["anyone_to_tell"], [row["owner"] for row in ended]):
        await write_deliveries(connection, ended)
    return rows


async def write_deliveries(connection: Connection, runs: Sequence[Row], *, to: UUID | None = None) -> int:
    """Write that runs ended to the webhook endpoints that want to hear of it, or to one; return how many had not."""
    written = await connection.fetch(
        SQL["write_deliveries"],
        [run["id"] for run in runs],
        [events.event_id(run["id"], run["seq"]) for run in runs],
        events.DONE,
        [done_message(run_state(run), run["completed_at"]) for run in runs],
        to,
    )
    return len(written)


def stages(run: Row, row: Row) -> list[str]:
    """Return the stages of its life that a change of a run brings it to. Pure."""
    reached = [stage for column, stage in STAGES.items() if row[column] and not run[column]]
    if row["status"] == RunStatus.SUCCEEDED != run["status"]:
        reached.append("succeeded")
    return reached


def _measure(run: Row, row: Row) -> None:
    """Count what a change brings a run to; one that is rolled back after all, which is rare, counts too."""
    for stage in stages(run, row):
        seconds = (row["now"] - row["created_at"]).total_seconds()
        metrics.RUN_STAGE_SECONDS.labels(stage).observe(seconds)
    if _ends(run, row):
        metrics.RUNS_ENDED.labels(row["status"], metrics.known_code(row["error_code"])).inc()


def _ends(run: Row, row: Row) -> bool:
    """Whether a change of a run is its end."""
    return RunStatus(row["status"]).is_final and row["status"] != run["status"]


def _written(run: Row, row: Row, change: Change) -> tuple[Any, ...]:
    """Return what `write_changes` takes for one run."""
    ended = RunStatus(row["status"]).is_final
    frame: RunState = (RunDone if ended else RunUpdated)(**run_state(row), segments=change.segments or None)
    event_type = events.DONE if ended else events.UPDATED
    event_id = events.event_id(row["id"], row["seq"])
    headers = events.cloud_event_headers(
        event_id=event_id,
        event_type=event_type,
        run_id=row["id"],
        owner=row["owner"],
        seq=row["seq"],
        owner_seq=0,  # given by the statement
        at=row["now"],
    )
    # Of several in one transaction each has its own; the row's is that of the request which the run goes back to.
    traceparent = change.traceparent or tracing.current().traceparent or row["traceparent"]
    if traceparent:
        headers["traceparent"] = traceparent
    return (
        *(row[name] for name in WRITTEN),
        row["status"] != run["status"],
        row["owner"],
        event_type,
        events.encode(frame).decode(),
        event_id,
        events.routing_key(row["owner"], row["id"], event_type),
        headers,
    )


def changed(run: Row, change: Change) -> Row:
    """Return a run's row after a change; raise IllegalMove when its status has no such move. Pure."""
    status = RunStatus(run["status"])
    if change.starts and status is RunStatus.QUEUED:
        status = moved(status, RunMove.START)
    if change.retries and status.is_final:
        status = moved(status, RunMove.RETRY)
    units_left, units_failed = (
        run["units_left"] - change.units_ended,
        run["units_failed"] + change.units_failed,
    )
    move = closing_move(units_left, units_failed)
    if move and change.units_ended > 0:
        status = moved(status, move)
    cause = {"error_code": run["error_code"], "error_message": run["error_message"]}
    if change.replaces_error or (change.error and run["error_code"] is None):
        error = change.error
        cause = {
            "error_code": error.code if error else None,
            "error_message": error.message if error else None,
        }
    return {
        **run,
        **cause,
        "seq": run["seq"] + 1,
        "status": status.value,
        "units_left": units_left,
        "units_failed": units_failed,
        "chunks_done": run["chunks_done"] + change.chunks_done,
        "done_samples": run["done_samples"] + change.done_samples,
        "planned": run["planned"] or change.planned,
        "started_at": run["started_at"] or (run["now"] if status is RunStatus.PROCESSING else None),
        "first_words_at": run["first_words_at"] or (run["now"] if change.segments else None),
        "completed_at": run["now"] if status.is_final else None,
    }


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
        raise Fenced
    if unit["kind"] == UnitKind.IMPORT:
        await connection.execute(SQL["drop_parts"], [run["audio_id"]], False)
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
