"""What a play is measured by. Pure: numbers in, a number out."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Look:
    """A fleet at one moment, as far as its workers are neither coming nor going.

    `ready` are the units that wait for a slot, `left` the chunks that have not ended.
    """

    at: float
    busy: int
    slots: int
    ready: int
    left: int


def jain(services: Collection[float]) -> float:
    """Return Jain's index: 1 when all are served alike, 1/n when one of n gets everything."""
    squares = sum(service**2 for service in services)
    if not squares:
        raise ValueError("nobody was served anything")
    return sum(services) ** 2 / (len(services) * squares)


def busy_share(looks: Iterable[Look]) -> float:
    """Return the part of the slot-time that was busy, over the looks in which work was waiting."""
    counted = [look for look in looks if look.ready]
    slots = sum(look.slots for look in counted)
    if not slots:
        raise ValueError("no work ever waited for a slot")
    return sum(look.busy for look in counted) / slots


def first_full(looks: Iterable[Look], slots: int) -> float | None:
    """Return when all `slots` were busy first, or None."""
    return next((look.at for look in looks if look.busy >= slots), None)


def full_share(looks: Iterable[Look], slots: int) -> float:
    """Return the part of slot-time that was busy from when all were first, until fewer chunks were left than slots."""
    counted = list(looks)
    begin = first_full(counted, slots)
    if begin is None:
        return 0.0
    between = [look for look in counted if look.at >= begin and look.left >= slots]
    return sum(look.busy for look in between) / (slots * len(between)) if between else 0.0


def always_in(looks: Sequence[Collection[str]]) -> set[str]:
    """Return the owners that were in every one of the looks."""
    return set.intersection(*map(set, looks)) if looks else set()


def median_error(said_and_true: Iterable[tuple[float, float]]) -> float:
    """Return the median of how far what was said was from what came true, as a part of the latter."""
    return median(abs(said - true) / true for said, true in said_and_true)
