"""The states of runs and units, and the only table of moves between them (design, invariant 7)."""

from enum import StrEnum


class RunStatus(StrEnum):
    """A run's (and a job's) status as clients see it."""

    QUEUED = "queued"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """Whether no job of the run is under way any more."""
        return self in (RunStatus.SUCCEEDED, RunStatus.FAILED)


class RunMove(StrEnum):
    """What can happen to a run."""

    START = "start"
    SUCCEED = "succeed"
    FAIL = "fail"
    RETRY = "retry"


class UnitState(StrEnum):
    """A unit of work's state. `waiting` is withheld: until `due_at`, or until there is room ahead of the work."""

    WAITING = "waiting"
    READY = "ready"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELED = "canceled"


RUN_MOVES: dict[tuple[RunStatus, RunMove], RunStatus] = {
    (RunStatus.QUEUED, RunMove.START): RunStatus.PROCESSING,
    (RunStatus.QUEUED, RunMove.SUCCEED): RunStatus.SUCCEEDED,
    (RunStatus.QUEUED, RunMove.FAIL): RunStatus.FAILED,
    (RunStatus.PROCESSING, RunMove.SUCCEED): RunStatus.SUCCEEDED,
    (RunStatus.PROCESSING, RunMove.FAIL): RunStatus.FAILED,
    (RunStatus.FAILED, RunMove.RETRY): RunStatus.QUEUED,
}


class IllegalMove(ValueError):
    """A move that the table does not have: a bug, or a request that comes too late."""


def moved(status: RunStatus, move: RunMove) -> RunStatus:
    """Return the status after `move`.

    Raises:
        IllegalMove: the table has no such move.
    """
    try:
        return RUN_MOVES[status, move]
    except KeyError:
        raise IllegalMove(f"a {status} run cannot {move}") from None


def closing_move(units_left: int, units_failed: int) -> RunMove | None:
    """Return how a run ends now, or None while units are left (design, rule 4).

    The plan is a unit too, so the count cannot reach zero before the plan has added its last chunk.
    """
    if units_left > 0:
        return None
    return RunMove.FAIL if units_failed else RunMove.SUCCEED
