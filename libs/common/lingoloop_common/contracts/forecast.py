"""When a run will end: the fleet's measured speed, and the work that a fair order puts ahead of it (design, rule 11)."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate, groupby
from uuid import UUID

from lingoloop_common.contracts.units import SMALL_SHARE, plan_cost


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


class Vessels:
    """Connected vessels, each from its bottom to its top: how much they hold at a level.

    All have the same width, so what a vessel holds is how far the level is above its bottom, less how far above its top.
    """

    def __init__(self, vessels: Iterable[tuple[float, float]]) -> None:
        pairs = list(vessels)
        self._bottoms = sorted(bottom for bottom, _ in pairs)
        self._tops = sorted(bottom + height for bottom, height in pairs)
        self._bottom_sums = [0.0, *accumulate(self._bottoms)]
        self._top_sums = [0.0, *accumulate(self._tops)]

    def hold(self, level: float) -> float:
        """Return how much is in all of them together."""
        below, full = bisect_left(self._bottoms, level), bisect_left(self._tops, level)
        return below * level - self._bottom_sums[below] - (full * level - self._top_sums[full])


class LaneOutlook:
    """A lane at one moment, and what follows from it. Made in n log n for n runs, asked in log n.

    Args:
        speed: seconds of audio that the fleet does in a second; None when that was never measured, or nobody works.
        served: seconds of audio each owner was served, as the claim counts them.
        runs: all runs of the lane that have not ended.
    """

    def __init__(self, *, speed: float | None, served: Mapping[str, float], runs: Iterable[OpenRun]) -> None:
        self._speed, self._served = speed, served
        self._runs = {run.id: run for run in runs}
        self._small_left = sum(_left(run) for run in self._runs.values() if run.small)
        of_owner: defaultdict[str, list[OpenRun]] = defaultdict(list)
        for run in self._runs.values():
            of_owner[run.owner].append(run)
        self._owners = Vessels((self._level(owner), sum(map(_left, own))) for owner, own in of_owner.items())
        self._first: dict[tuple[str, int], float] = {}
        """Seconds of audio of an owner's runs whose priority is higher."""
        self._alike: dict[tuple[str, int], Vessels] = {}
        """An owner's runs of one priority: among them the run with the least is next."""
        starts: list[tuple[bool, float, str, UUID]] = []
        for owner, own in of_owner.items():
            starts += self._sort_out(owner, own)
        self._places = {run_id: place for place, (*_, run_id) in enumerate(sorted(starts), 1)}

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
        which = (run.owner, run.priority)
        own = self._first[which] + self._alike[which].hold(run.served + run.left)
        seconds = self._owners.hold(self._level(run.owner) + own) / self._speed
        if run.small:
            seconds = min(seconds, self._small_left / (self._speed * SMALL_SHARE))
        return round(seconds)

    def place(self, run_id: UUID) -> int | None:
        """Return a waiting run's place in the order in which runs will be begun, from 1; None for any other."""
        return self._places.get(run_id)

    def _sort_out(self, owner: str, runs: list[OpenRun]) -> Iterator[tuple[bool, float, str, UUID]]:
        """Group an owner's runs by priority; yield where the claim's order begins each that waits.

        Small ones come first, then those whose owner has the least by then.
        """
        first = before = 0.0
        for priority, group in groupby(
            sorted(runs, key=lambda run: (-run.priority, run.id)), lambda run: run.priority
        ):
            alike = list(group)
            self._first[owner, priority] = first
            self._alike[owner, priority] = Vessels((run.served, _left(run)) for run in alike)
            first += sum(map(_left, alike))
            for run in alike:
                if run.waits:
                    yield not run.small, self._level(owner) + before, owner, run.id
                    before += plan_cost(small=run.small)
            before += sum(_left(run) for run in alike if not run.waits)

    def _level(self, owner: str) -> float:
        return self._served.get(owner, 0.0)


def _left(run: OpenRun) -> float:
    return run.left or 0.0
