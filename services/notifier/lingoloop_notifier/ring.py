"""Recent events in memory: who comes again soon is told what it missed without a question to the database."""

from collections import defaultdict, deque

from lingoloop_common.contracts.events import shard
from lingoloop_notifier import history
from lingoloop_notifier.arrival import Event, Key
from lingoloop_notifier.history import Stored

LIMIT = 64 * 2**20
"""Bytes of events that are kept."""
OVERHEAD = 1_600
"""Bytes that an event takes beside its JSON, at most: when it is its run's only one."""


class _Kept:
    """A stream's events as they came, with their numbers in it; of those that ever came, the one with the highest."""

    __slots__ = ("events", "highest", "last")

    def __init__(self, number: int, event: Event) -> None:
        self.events: deque[tuple[int, Event]] = deque()
        self.highest, self.last = number, event


class Ring:
    """The newest events of the shards that are bound, bounded in bytes.

    Only what is under way is told from it: what has ended may have been deleted since, and no event tells that.
    """

    def __init__(self) -> None:
        self._shards: defaultdict[int, dict[Key, _Kept]] = defaultdict(dict)
        self._order: deque[tuple[Event, dict[Key, _Kept]]] = deque()
        self._bytes = 0

    def add(self, event: Event) -> None:
        """Keep an event; the oldest go when there are too many."""
        streams = self._shards[shard(event.owner)]
        for key, number in event.places:
            kept = streams.get(key)
            if kept is None:
                kept = streams[key] = _Kept(number, event)
            kept.events.append((number, event))
            if number > kept.highest:
                kept.highest, kept.last = number, event
        self._order.append((event, streams))
        self._bytes += len(event.data) + OVERHEAD
        while self._bytes > LIMIT:
            self._drop()

    def after(self, key: Key, number: int) -> list[Stored] | None:
        """Return a stream's events after `number`; an empty list says that it is the last.

        None when one of them is not here, or tells of an end, or they are more than a page.
        """
        owner, run_id = key
        kept = self._shards[shard(owner)].get(key)
        if kept is None or (run_id and kept.last.is_done):
            return None
        if kept.highest - number > history.PAGE:
            return None
        found: dict[int, Event] = {}
        for place, event in reversed(kept.events):
            if place <= number:
                break  # in order, as nearly all are; otherwise some are missing below
            if event.is_done:
                return None
            found[place] = event
        if len(found) != kept.highest - number:
            return None
        return [Stored(place, event.type, event.data) for place, event in sorted(found.items())]

    def forget(self, number: int) -> None:
        """Forget a shard: between what came and what will come events may be missing."""
        self._shards.pop(number, None)

    def clear(self) -> None:
        """Forget all, for the same reason."""
        self._shards.clear()
        self._order.clear()
        self._bytes = 0

    def _drop(self) -> None:
        event, streams = self._order.popleft()
        self._bytes -= len(event.data) + OVERHEAD
        for key, _ in event.places:
            kept = streams[key]
            kept.events.popleft()
            if not kept.events:
                del streams[key]
