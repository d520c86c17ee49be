"""Progress counts audio that is done, and never says more than is so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingoloop_common.contracts.progress import percent


@pytest.mark.parametrize(
    ("done", "total", "finished", "shown"),
    [
        (0, 60_000, False, 0),
        (30_000, 60_000, False, 50),
        (59_999, 60_000, False, 99),
        (60_000, 60_000, False, 99),  # all heard, not yet closed
        (70_000, 60_000, False, 99),  # the container said less than there is
        (60_000, 60_000, True, 100),
        (0, None, True, 100),
        (5_000, None, False, 0),
        (5_000, 0, False, 0),
    ],
)
def test_percent(done: int, total: int | None, finished: bool, shown: int) -> None:
    assert percent(done, total, finished=finished) == shown


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.one_of(st.none(), st.integers(0, 10**9)))
def test_percent_never_falls_while_more_is_done(done: int, more: int, total: int | None) -> None:
    assert 0 <= percent(done, total, finished=False) <= percent(done + more, total, finished=False) < 100
