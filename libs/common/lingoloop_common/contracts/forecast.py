"""When a run will end: the fleet's measured speed, and the work that a fair order puts ahead of it (design, rule 11)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from lingoloop_common.contracts.units import PLAN_COST, SMALL_SHARE


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that has not ended; `served` and `left` are seconds of audio, done and still to do.

    `left` is None while nobody knows how long the recording is; `waits` until a worker has begun it.
    """

    id: UUID
    owner: str
    priority: int
    small: bool
    waits: bool
    served: float
    left: float | None


class LaneOutlook:
    """A lane at one moment, and what follows from it.

    Args:
        speed: seconds of audio that the fleet does in a second; None when that was never measured, or nobody works.
        served: seconds of audio each owner was served, as the claim counts them.
        runs: all runs of the lane that have not ended.
    """

    def __init__(self, *, speed: float | None, served: Mapping[str, float], runs: Iterable[OpenRun]) -> None:
        self._speed, self._served = speed, served
        self._runs = {run.id: run for run in runs}
        self._of_owner: defaultdict[str, list[OpenRun]] = defaultdict(list)
        for run in self._runs.values():
            self._of_owner[run.owner].append(run)
        self._left = {owner: sum(_left(run) for run in runs) for owner, runs in self._of_owner.items()}
        self._small_left = sum(_left(run) for run in self._runs.values() if run.small)
        self._places: dict[UUID, int] | None = None

    def __contains__(self, run_id: UUID) -> bool:
        return run_id in self._runs

    def seconds_left(self, run_id: UUID) -> int | None:
        """Return the seconds until a run ends if nothing new comes, or None while that cannot be known.

        The fair order is filled like connected vessels: until the run's owner has been served what the run needs, every
        other owner is served up to the same level, or until nothing of theirs is left.
        """
        run = self._runs.get(run_id)
        if run is None or run.left is None or not self._speed:
            return None
        own = run.left + sum(_shared(run, other) for other in self._of_owner[run.owner] if other.id != run.id)
        level = self._level(run.owner) + own
        others = sum(
            min(left, max(0.0, level - self._level(owner)))
            for owner, left in self._left.items()
            if owner != run.owner
        )
        seconds = (own + others) / self._speed
        if run.small:
            seconds = min(seconds, self._small_left / (self._speed * SMALL_SHARE))
        return round(seconds)

    def place(self, run_id: UUID) -> int | None:
        """Return a waiting run's place in the order in which runs will be begun, from 1; None for any other."""
        if self._places is None:
            waiting = sorted((run for run in self._runs.values() if run.waits), key=self._start)
            self._places = {run.id: place for place, run in enumerate(waiting, 1)}
        return self._places.get(run_id)

    def _start(self, run: OpenRun) -> tuple[bool, float, str, UUID]:
        """Return where the claim's order begins a waiting run: small ones first, then at the owner's level by then."""
        before = sum(
            PLAN_COST if other.waits else _left(other)
            for other in self._of_owner[run.owner]
            if other.priority > run.priority
            or (other.waits and other.priority == run.priority and other.id < run.id)
        )
        return not run.small, self._level(run.owner) + before, run.owner, run.id

    def _level(self, owner: str) -> float:
        return self._served.get(owner, 0.0)


def _left(run: OpenRun) -> float:
    return run.left or 0.0


def _shared(run: OpenRun, other: OpenRun) -> float:
    """Return how much of another run of the same owner is done before `run` ends: the run with the least is next."""
    if other.priority != run.priority:
        return _left(other) if other.priority > run.priority else 0.0
    return min(_left(other), max(0.0, run.served + _left(run) - other.served))
