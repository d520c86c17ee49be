"""What memory tells of a stream is what the database would, or nothing."""

import tracemalloc
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingoloop_common.broker import EventMessage
from lingoloop_common.contracts.events import DONE, UPDATED, shard
from lingoloop_notifier import history, ring
from lingoloop_notifier.arrival import Event, Key, read
from lingoloop_notifier.history import Stored
from lingoloop_notifier.ring import OVERHEAD, Ring

RUN, OWNER = ("ann", "a run"), ("ann", None)


def event(number: int, *, run_id: str = "a run", owner: str = "ann", done: bool = False) -> Event:
    data = b'{"number":%d}' % number
    return Event(DONE if done else UPDATED, run_id, owner, number, number, data)


def kept(*numbers: int, done: int = 0) -> Ring:
    """Return a ring to which these events came."""
    ring = Ring()
    for number in numbers:
        ring.add(event(number, done=number == done))
    return ring


def numbers(found: list[Stored] | None) -> list[int] | None:
    return None if found is None else [stored.number for stored in found]


@given(st.data(), st.integers(1, 12), st.sampled_from([RUN, OWNER]))
def test_from_every_id_it_gives_exactly_the_rest_or_nothing(
    data: st.DataObject, count: int, key: Key
) -> None:
    done = data.draw(st.integers(0, count))
    came = data.draw(st.lists(st.integers(1, count), max_size=30))
    ring = kept(*came, done=done)
    for number in range(count + 2):
        found = ring.after(key, number)
        if found is not None:
            rest = range(number + 1, max(came) + 1)
            assert found == [Stored(n, event(n).type, event(n).data) for n in rest]
            assert done not in rest
            assert not (key == RUN and done == max(came))


@pytest.mark.parametrize("key", [RUN, OWNER])
def test_what_came_in_order_is_told_from_every_id(key: Key) -> None:
    ring = kept(3, 4, 5)
    assert [numbers(ring.after(key, number)) for number in range(1, 7)] == [
        None, [3, 4, 5], [4, 5], [5], [], None,
    ]  # fmt: skip


def test_what_came_out_of_order_is_told_in_order() -> None:
    assert numbers(kept(1, 3, 2, 5, 4).after(RUN, 1)) == [2, 3, 4, 5]


def test_nothing_is_told_over_a_gap() -> None:
    ring = kept(1, 2, 4)
    assert [ring.after(RUN, number) for number in (0, 1, 2)] == [None, None, None]
    assert numbers(ring.after(RUN, 3)) == [4]


def test_an_end_is_left_to_the_database_since_what_has_ended_may_have_been_deleted() -> None:
    ring = kept(1, 2, 3, done=3)
    assert [ring.after(RUN, number) for number in (1, 2, 3)] == [None, None, None]
    assert [ring.after(OWNER, number) for number in (1, 2, 3)] == [None, None, []]


def test_more_than_a_page_is_left_to_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "PAGE", 3)
    assert [numbers(kept(1, 2, 3, 4, 5).after(RUN, number)) for number in (1, 2)] == [None, [3, 4, 5]]


def test_another_owner_is_told_nothing() -> None:
    ring = kept(1, 2)
    same_shard = next(name for name in map(str, range(10_000)) if shard(name) == shard("ann"))
    assert ring.after(RUN, 1) is not None
    for owner in ("ben", same_shard):
        assert ring.after((owner, "a run"), 1) is None


def test_what_came_before_a_shard_was_bound_anew_is_forgotten_and_no_other_shards() -> None:
    ring, other = kept(1, 2), next(name for name in map(str, range(100)) if shard(name) != shard("ann"))
    ring.add(event(1, run_id="another", owner=other))
    ring.forget(shard("ann"))
    ring.add(event(4))
    assert [ring.after(RUN, number) for number in (1, 2)] == [None, None]
    assert numbers(ring.after(RUN, 3)) == [4]
    assert ring.after((other, "another"), 1) == []


def test_it_takes_no_more_memory_than_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Worst are many runs with an event each: a stream of its own is kept for every one."""
    monkeypatch.setattr(ring, "LIMIT", 4 * 2**20)
    tracemalloc.start()
    try:
        many = Ring()
        for number in range(10_000):
            headers: dict[str, str | int] = {
                "cloudEvents_type": UPDATED,
                "cloudEvents_subject": str(UUID(int=number)),
                "cloudEvents_owner": f"owner {number % 100}",
                "cloudEvents_seq": 1_000 + number,
                "cloudEvents_ownerseq": 1_000 + number,
            }
            many.add(read(EventMessage(headers, bytes(300))))
        del headers
        assert tracemalloc.get_traced_memory()[0] < 1.1 * ring.LIMIT
    finally:
        tracemalloc.stop()


def test_it_is_bounded_and_the_oldest_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ring, "LIMIT", 3 * (OVERHEAD + 20))
    many = kept(1)
    for number in range(1, 100):
        many.add(event(number, run_id=f"run {number}", owner="ben"))
        if number == 50:
            many.forget(shard("ben"))  # what was forgotten still counts until it has gone
    assert many.after(RUN, 0) is None
    assert [many.after(("ben", f"run {number}"), number) for number in (96, 97, 99)] == [None, [], []]
    assert many.after(("ben", None), 96) is not None
    assert many.after(("ben", None), 95) is None
