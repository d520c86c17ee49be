"""Order: a stream sends `last + 1` only (design, rule 12). Pure."""

from typing import Generic, TypeVar

T = TypeVar("T")


class Sequence(Generic[T]):
    """Lets numbered items through in order, each once; items after a gap wait until it is filled."""

    def __init__(self, last: int) -> None:
        self.last = last
        self._waiting: dict[int, T] = {}

    @property
    def has_gap(self) -> bool:
        """Whether items wait for one that has not come."""
        return bool(self._waiting)

    def push(self, number: int, item: T) -> list[tuple[int, T]]:
        """Take an item; return those that may go out now, in order."""
        if number > self.last:
            self._waiting[number] = item
        out = []
        while self.last + 1 in self._waiting:
            self.last += 1
            out.append((self.last, self._waiting.pop(self.last)))
        return out
