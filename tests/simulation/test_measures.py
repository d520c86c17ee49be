"""The measures themselves, by tables."""

import pytest

from tests.simulation.measures import (
    Look,
    always_in,
    busy_share,
    first_full,
    full_share,
    jain,
    median_error,
)


def looks(*rows: tuple[int, int, int, int]) -> list[Look]:
    """Make looks a second apart, of (busy, slots, ready, left)."""
    return [Look(float(at), *row) for at, row in enumerate(rows)]


@pytest.mark.parametrize(
    ("services", "index"),
    [([5.0], 1.0), ([3.0, 3.0, 3.0], 1.0), ([9.0, 0.0, 0.0], 1 / 3), ([4.0, 2.0], 0.9), ([20.0, 0.0], 0.5)],
    ids=["one alone", "all alike", "one has everything", "twice as much", "one of two"],
)
def test_jains_index(services: list[float], index: float) -> None:
    assert jain(services) == pytest.approx(index)


def test_jains_index_needs_a_service() -> None:
    with pytest.raises(ValueError, match="nobody"):
        jain([0.0, 0.0])


@pytest.mark.parametrize(
    ("rows", "share"),
    [
        ([(8, 8, 1, 9), (8, 8, 1, 9)], 1.0),
        ([(8, 8, 1, 9), (4, 8, 1, 9)], 0.75),
        ([(8, 8, 1, 9), (0, 8, 0, 0)], 1.0),
        ([(8, 8, 1, 9), (0, 0, 1, 9)], 1.0),
        ([(2, 8, 1, 9), (16, 24, 1, 9)], 0.5625),
    ],
    ids=["all busy", "half idle once", "no work", "nobody settled", "weighed by slots"],
)
def test_the_busy_share(rows: list[tuple[int, int, int, int]], share: float) -> None:
    assert busy_share(looks(*rows)) == share


def test_the_busy_share_needs_work() -> None:
    with pytest.raises(ValueError, match="no work"):
        busy_share(looks((0, 8, 0, 0)))


@pytest.mark.parametrize(
    ("rows", "begin", "share"),
    [
        ([(1, 4, 0, 9), (4, 4, 9, 9), (4, 4, 9, 8), (2, 4, 0, 3)], 1.0, 1.0),
        ([(4, 4, 9, 9), (2, 4, 9, 8), (1, 4, 0, 1)], 0.0, 0.75),
        ([(3, 4, 9, 9), (3, 4, 9, 9)], None, 0.0),
    ],
    ids=["until fewer chunks than slots", "idle in between", "never full"],
)
def test_when_all_slots_are_in_use(
    rows: list[tuple[int, int, int, int]], begin: float | None, share: float
) -> None:
    assert first_full(looks(*rows), 4) == begin
    assert full_share(looks(*rows), 4) == share


@pytest.mark.parametrize(
    ("seen", "always"),
    [([], set()), ([["ann", "bob"], ["bob"], ["bob", "eve"]], {"bob"}), ([["ann"], []], set())],
    ids=["nobody looked", "one stayed", "all went"],
)
def test_who_was_there_all_the_time(seen: list[list[str]], always: set[str]) -> None:
    assert always_in(seen) == always


@pytest.mark.parametrize(
    ("pairs", "error"),
    [([(10, 10)], 0.0), ([(8, 10), (12, 10), (30, 10)], 0.2), ([(0, 10), (10, 10)], 0.5)],
    ids=["as it was said", "the middle one", "between the middle two"],
)
def test_the_median_error(pairs: list[tuple[float, float]], error: float) -> None:
    assert median_error(pairs) == pytest.approx(error)
