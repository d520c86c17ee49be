"""Order: a stream sends `last + 1` only (design, rule 12). Pure."""

from typing import Generic, TypeVar

T = TypeVar("T")

WAITING = 1_000
"""Items that are kept while one before them is missing; the rest is read when that is read."""


class Sequence(Generic[T]):
    """Lets numbered items through in order, each once; items after a gap wait until it is filled."""

    def __init__(self, last: int) -> None:
        self.last = last
        self.highest = last
        """The last number that is known of."""
        self._waiting: dict[int, T] = {}

    @property
    def has_gap(self) -> bool:
        """Whether there is something after the last that has not come, or waits for what has not."""
        return self.highest > self.last

    def push(self, number: int, item: T) -> list[tuple[int, T]]:
        """Take an item; return those that may go out now, in order."""
        if number == self.last + 1 and not self._waiting:  # as nearly always
            self.skip_to(number)
            return [(number, item)]
        self.expect(number)
        if number > self.last and (number == self.last + 1 or len(self._waiting) < WAITING):
            self._waiting[number] = item
        out = []
        while self.last + 1 in self._waiting:
            self.last += 1
            out.append((self.last, self._waiting.pop(self.last)))
        return out

    def expect(self, number: int) -> None:
        """Learn that there is an item of this number."""
        self.highest = max(self.highest, number)

    def skip_to(self, number: int) -> None:
        """Let nothing up to this number go out any more."""
        if number > self.last:
            self.last = number
            self.expect(number)
            if self._waiting:
                self._waiting = {waits: item for waits, item in self._waiting.items() if waits > number}
