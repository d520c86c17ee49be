"""Which faults strike, in which order, whom and for how long: all of it from the seed. Pure."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

RUNS_PER_HIT = 20
"""Each kind must hit once for so many runs."""

ROUND = 8
"""Faults in a round."""

LENGTHS = ((1.5, 5.0), (1.5, 5.0), (1.5, 5.0), (10.5, 13.0))
"""Seconds that a fault may last: most are over before anybody's patience is, some after."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One fault to come.

    Args:
        kind: a key of `faults.KINDS`.
        victim: picks one of the services that it may strike.
        seconds: how long it lasts, where it lasts.
        pause: seconds until the next fault.
    """

    kind: str
    victim: int
    seconds: float
    pause: float


def hits_each(runs: int) -> int:
    """Return how many hits each kind must have in a chaos of so many runs."""
    return max(1, runs // RUNS_PER_HIT)


def schedule(seed: int, runs: int, kinds: Sequence[str], *, size: int = ROUND) -> list[list[Planned]]:
    """Return rounds of `size` faults that give each kind its share."""
    luck = random.Random(seed)
    order = [kind for kind in kinds for _ in range(hits_each(runs))]
    luck.shuffle(order)
    faults = [planned(luck, kind) for kind in order]
    return [faults[begin : begin + size] for begin in range(0, len(faults), size)]


def planned(luck: random.Random, kind: str) -> Planned:
    """Return a fault of a kind, its details drawn by `luck`."""
    shortest, longest = luck.choice(LENGTHS)
    seconds, pause = luck.uniform(shortest, longest), luck.uniform(0.4, 1.4)
    return Planned(kind, luck.randrange(12), round(seconds, 2), round(pause, 2))
