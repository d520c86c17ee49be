"""Rates: a minute's worth at once, then one at a time; and no more askers are remembered than fit."""

from types import SimpleNamespace

import pytest

from lingoloop_common import rates
from lingoloop_common.errors import Problem
from lingoloop_common.rates import Rates, take

NOW = 1_000.0


@pytest.mark.parametrize(
    ("full_at", "wait", "then"),
    [
        (0.0, 0.0, NOW + 1),  # never asked, or long ago
        (NOW, 0.0, NOW + 1),
        (NOW + 30, 0.0, NOW + 31),
        (NOW + 59, 0.0, NOW + 60),  # the last one in the bucket
        (NOW + 59.5, 0.5, NOW + 59.5),
        (NOW + 60, 1.0, NOW + 60),
    ],
)
def test_a_bucket_of_a_minutes_worth_fills_again_one_by_one(full_at: float, wait: float, then: float) -> None:
    assert take(full_at, NOW, 60) == (wait, then)


class Clock:
    """A clock that the test turns."""

    now = NOW

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(rates, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


def allowed(given: Rates, asker: str = "ann") -> bool:
    try:
        given.check(asker)
    except Problem:
        return False
    return True


def test_a_burst_and_then_the_rate_and_never_more_than_twice_a_minutes_worth(clock: Clock) -> None:
    given, taken = Rates(10), 0
    assert [allowed(given) for _ in range(12)] == [True] * 10 + [False] * 2
    for _ in range(600):
        clock.now += 0.1
        taken += allowed(given)
    assert taken == 10


def test_what_is_refused_costs_nothing(clock: Clock) -> None:
    given = Rates(1)
    assert allowed(given)
    for _ in range(100):
        assert not allowed(given)
    clock.now += 60
    assert allowed(given)


def test_the_pause_is_told_in_whole_seconds_and_is_enough(clock: Clock) -> None:
    given = Rates(7)
    for _ in range(7):
        given.check("ann")
    with pytest.raises(Problem) as caught:
        given.check("ann")
    assert caught.value.headers == {"Retry-After": "9"}
    clock.now += 9
    given.check("ann")


@pytest.mark.usefixtures("clock")
def test_askers_are_counted_apart() -> None:
    given = Rates(1)
    assert [allowed(given, name) for name in ("ann", "bob", "ann")] == [True, True, False]


@pytest.mark.usefixtures("clock")
def test_0_is_no_limit() -> None:
    given = Rates(0)
    assert all(allowed(given) for _ in range(1_000))


@pytest.mark.usefixtures("clock")
def test_of_too_many_those_are_forgotten_who_have_not_asked_for_longest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rates, "REMEMBERED", 3)
    given = Rates(1)
    for name in ("ann", "bob", "cid"):
        assert allowed(given, name)
    assert not allowed(given, "ann")
    assert allowed(given, "dee")
    assert len(given._full_at) == 3
    assert [allowed(given, name) for name in ("ann", "bob")] == [False, True]
