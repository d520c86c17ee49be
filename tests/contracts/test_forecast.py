"""The time left follows from the fleet's speed and the fair order; the place from the order alone."""

import itertools
import time
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingoloop_common.contracts.forecast import LaneOutlook, OpenRun

STEP = 1.0
"""Seconds of audio in the model's chunks."""


def run(number: int, owner: str = "ann", left: float | None = 60.0, **fields: object) -> OpenRun:
    plain = OpenRun(UUID(int=number), owner, priority=0, small=False, waits=False, served=0.0, left=left)
    return replace(plain, **fields)  # type: ignore[arg-type]


def left(mine: OpenRun, *others: OpenRun, speed: float | None = 2.0, **served: float) -> int | None:
    return LaneOutlook(speed=speed, served=served, runs=[mine, *others]).seconds_left(mine.id)


@pytest.mark.parametrize(
    ("mine", "others", "served", "seconds"),
    [
        pytest.param(run(1), [], {}, 30, id="alone, the whole fleet is its own"),
        pytest.param(
            run(1), [run(2, "bob", 600.0)], {}, 60, id="two owners share, however long the other's is"
        ),
        pytest.param(run(1), [run(2, "bob", 20.0)], {}, 40, id="a shorter one is out of the way sooner"),
        pytest.param(run(1), [run(2, "bob", 600.0)], {"ann": 0, "bob": 100}, 30, id="who had less is first"),
        pytest.param(run(1), [run(2, "bob", 600.0)], {"ann": 30, "bob": 0}, 75, id="who had more waits"),
        pytest.param(run(1), [run(2, left=600.0)], {}, 60, id="runs of one owner share too"),
        pytest.param(run(1, served=40.0), [run(2, left=600.0)], {}, 80, id="the run with the least is next"),
        pytest.param(run(1, priority=1), [run(2, left=600.0)], {}, 30, id="a higher priority goes first"),
        pytest.param(run(1), [run(2, left=100.0, priority=1)], {}, 80, id="a lower one waits for all"),
        pytest.param(run(1), [run(2, "bob", None)], {}, 30, id="what nobody knows is not made up"),
        pytest.param(run(1, left=0.0), [], {}, 0, id="nothing is left"),
        pytest.param(
            run(1, small=True, left=10.0), [run(2, "bob", 600.0)], {"bob": 0}, 10, id="small: by its share"
        ),
        pytest.param(
            run(1, small=True, left=10.0),
            [run(2, "bob", 600.0)],
            {"ann": 500, "bob": 0},
            20,
            id="small, much served",
        ),
    ],
)
def test_time_left(mine: OpenRun, others: list[OpenRun], served: dict[str, float], seconds: int) -> None:
    assert left(mine, *others, **served) == seconds


@pytest.mark.parametrize(
    ("mine", "speed"),
    [(run(1, left=None), 2.0), (run(1), None), (run(1), 0.0)],
    ids=["length", "speed", "nobody"],
)
def test_what_cannot_be_known_is_not_said(mine: OpenRun, speed: float | None) -> None:
    assert left(mine, speed=speed) is None


def test_a_run_of_another_moment_has_no_forecast() -> None:
    outlook = LaneOutlook(speed=1.0, served={}, runs=[run(1)])
    assert (outlook.seconds_left(UUID(int=9)), outlook.place(UUID(int=9))) == (None, None)


def by_hand(mine: OpenRun, runs: list[OpenRun], served: dict[str, float]) -> float:
    """Serve one step after another in the fair order; return the audio that was done when `mine` was."""
    remaining = {one.id: one.left or 0.0 for one in runs}
    had = {one.id: one.served for one in runs}
    level = dict(served)
    for done in itertools.count(1):
        able = [one for one in runs if remaining[one.id] > 0]
        # Whoever is level with others goes last: the forecast promises the later of the possible ends.
        one = min(
            able,
            key=lambda r: (level[r.owner], r.owner == mine.owner, -r.priority, had[r.id], r.id == mine.id),
        )
        remaining[one.id] -= STEP
        had[one.id] += STEP
        level[one.owner] += STEP
        if remaining[mine.id] <= 0:
            return done * STEP
    raise AssertionError


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(1, 12), st.integers(0, 6), st.integers(0, 1)),
        min_size=1,
        max_size=6,
    ),
    st.tuples(*[st.integers(0, 8)] * 3),
)
def test_the_forecast_is_what_serving_step_by_step_comes_to(
    shapes: list[tuple[str, int, int, int]], levels: tuple[int, int, int]
) -> None:
    runs = [
        run(number, owner, float(length), served=float(had), priority=priority)
        for number, (owner, length, had, priority) in enumerate(shapes, 1)
    ]
    served = dict(zip("abc", map(float, levels), strict=True))
    outlook = LaneOutlook(speed=1.0, served=served, runs=runs)
    foreseen = outlook.seconds_left(runs[0].id)
    assert foreseen is not None
    assert abs(foreseen - by_hand(runs[0], runs, served)) <= len(runs) * STEP


def test_places_follow_the_claims_order() -> None:
    waiting = {"waits": True}
    runs = [
        run(1, "ann", **waiting),
        run(2, "ann", **waiting),
        run(3, "bob", **waiting),
        run(4, "cat", waits=False),
        run(5, "dan", small=True, **waiting),
        run(6, "ann", priority=1, **waiting),
    ]
    outlook = LaneOutlook(speed=None, served={"ann": 10.0, "bob": 10.5, "cat": 0.0, "dan": 99.0}, runs=runs)
    places = {place: number for number in range(1, 7) if (place := outlook.place(UUID(int=number)))}
    assert [places[place] for place in sorted(places)] == [5, 6, 3, 1, 2]
    assert outlook.place(UUID(int=4)) is None


@pytest.mark.parametrize("owners", [1, 5_000], ids=["of one owner", "each of its own"])
def test_thousands_of_runs_are_foreseen_in_a_moment(owners: int) -> None:
    runs = [run(n, f"owner-{n % owners}", waits=n % 2 == 0, priority=n % 3) for n in range(1, 5_001)]
    begin = time.process_time()
    outlook = LaneOutlook(speed=1.0, served={}, runs=runs)
    assert all(outlook.seconds_left(one.id) for one in runs)
    assert sum(outlook.place(one.id) is not None for one in runs) == 2_500
    assert time.process_time() - begin < 1  # it takes a twentieth of that; square in the runs, it took ten
