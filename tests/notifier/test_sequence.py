"""A stream sends `last + 1` only (design, rule 12)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingoloop_notifier import sequence
from lingoloop_notifier.sequence import Sequence


def test_the_next_number_goes_out_at_once() -> None:
    assert Sequence[str](4).push(5, "five") == [(5, "five")]


def test_an_item_after_a_gap_waits_until_the_gap_is_filled() -> None:
    sequence: Sequence[str] = Sequence(0)
    assert sequence.push(2, "two") == []
    assert sequence.has_gap
    assert sequence.push(1, "one") == [(1, "one"), (2, "two")]
    assert not sequence.has_gap


def test_what_was_sent_or_is_covered_does_not_go_out_again() -> None:
    sequence: Sequence[str] = Sequence(3)
    assert sequence.push(3, "three") == []
    assert sequence.push(4, "four") == [(4, "four")]
    assert sequence.push(4, "four") == []
    assert not sequence.has_gap


def test_no_more_than_so_many_wait_and_the_rest_is_known_to_be_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sequence, "WAITING", 2)
    order: Sequence[str] = Sequence(0)
    for number in (2, 3, 4, 5):
        assert order.push(number, "") == []
    assert [number for number, _ in order.push(1, "")] == [1, 2, 3]
    assert (order.has_gap, order.highest) == (True, 5)


def test_what_is_skipped_does_not_go_out_and_what_is_expected_is_a_gap() -> None:
    order: Sequence[str] = Sequence(0)
    order.push(3, "three")
    order.skip_to(2)
    assert order.push(2, "two") == [(3, "three")]
    assert not order.has_gap
    order.expect(4)
    assert order.has_gap


@given(st.data(), st.integers(0, 30), st.integers(0, 5))
def test_any_order_with_duplicates_gives_each_item_once_and_in_order(
    data: st.DataObject, count: int, last: int
) -> None:
    numbers = list(range(1, last + count + 1))
    repeated = data.draw(st.lists(st.sampled_from(numbers), max_size=40)) if numbers else []
    arriving = data.draw(st.permutations(numbers + repeated))
    sequence: Sequence[int] = Sequence(last)
    out = [item for number in arriving for item in sequence.push(number, number * 10)]
    assert out == [(number, number * 10) for number in range(last + 1, last + count + 1)]
    assert not sequence.has_gap


@given(st.sets(st.integers(1, 30)))
def test_nothing_goes_out_beyond_the_first_gap(numbers: set[int]) -> None:
    sequence: Sequence[int] = Sequence(0)
    out = [number for arriving in numbers for number, _ in sequence.push(arriving, arriving)]
    assert out == list(range(1, len(out) + 1))
    assert sequence.has_gap == (set(out) != numbers)
