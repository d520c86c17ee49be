"""Turns joined to words: each segment gets its speaker; one in which the speaker changes becomes several. Pure."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import groupby

from lingoloop_common.contracts.transcript import Segment, Word

PIECE_LEAST = 0.8
"""Seconds of a piece of a segment: where exactly a turn ends is known no better than that, and sentences end with them."""

Piece = tuple[list[Word], int]
"""Words that follow each other, and who says them."""


class Labels:
    """The speakers of a recording, counted from 1 in the order in which they first say something.

    Args:
        turns: from when to when, in seconds, and who, by any number; in order and without overlap.
    """

    def __init__(self, turns: Iterable[tuple[float, float, int]]) -> None:
        self._turns = list(turns)
        self._starts = [start for start, _, _ in self._turns]
        self._labels: dict[int, str] = {}

    def label(self, segment: Segment, *, most: int) -> list[Segment]:
        """Return a segment with its speaker, or what becomes of it: `most` with indexes that follow its own.

        It is to be called for one segment after the other in order of time.
        """
        if not self._turns:
            return [segment]
        words = segment.words or []
        # A text that is not its words, one after the other, cannot be split by them.
        if not words or most == 1 or "".join(word.word for word in words).strip() != segment.text:
            who = self._longest(words) if words else self._who((segment.start + segment.end) / 2)
            return [segment.model_copy(update={"speaker": self._name(who)})]
        pieces = _joined(self._pieces(words), most)
        if len(pieces) == 1:
            return [segment.model_copy(update={"speaker": self._name(pieces[0][1])})]
        return [
            Segment(
                index=segment.index + place,
                start=said[0].start,
                end=said[-1].end,
                text="".join(word.word for word in said).strip(),
                confidence=round(sum(word.confidence for word in said) / len(said), 3),
                words=said,
                speaker=self._name(who),
            )
            for place, (said, who) in enumerate(pieces)
        ]

    def _name(self, who: int) -> str:
        return self._labels.setdefault(who, str(len(self._labels) + 1))

    def _pieces(self, words: Sequence[Word]) -> list[Piece]:
        """Return the words in pieces of one speaker each."""
        found = [(word, self._who((word.start + word.end) / 2)) for word in words]
        return [([word for word, _ in piece], who) for who, piece in groupby(found, lambda pair: pair[1])]

    def _longest(self, words: Sequence[Word]) -> int:
        spoken: dict[int, float] = {}
        for said, who in self._pieces(words):
            spoken[who] = spoken.get(who, 0.0) + _seconds(said)
        return max(spoken, key=lambda who: spoken[who])

    def _who(self, moment: float) -> int:
        """Return who speaks at a moment, or nearest to it."""
        after = bisect_right(self._starts, moment)
        near = self._turns[max(0, after - 1) : after + 1]
        return min(near, key=lambda turn: max(turn[0] - moment, moment - turn[1], 0.0))[2]


def _joined(pieces: list[Piece], most: int) -> list[Piece]:
    """Let the shortest piece go to the longer one beside it, until none is too short and they are not too many."""
    pieces = list(pieces)
    while len(pieces) > 1:
        place = min(range(len(pieces)), key=lambda at: _seconds(pieces[at][0]))
        if _seconds(pieces[place][0]) >= PIECE_LEAST and len(pieces) <= most:
            break
        beside = [at for at in (place - 1, place + 1) if 0 <= at < len(pieces)]
        _, who = pieces[max(beside, key=lambda at: _seconds(pieces[at][0]))]
        pieces[place] = (pieces[place][0], who)
        pieces = [
            ([word for said, _ in piece for word in said], who)
            for who, group in groupby(pieces, lambda piece: piece[1])
            for piece in [list(group)]
        ]
    return pieces


def _seconds(words: Sequence[Word]) -> float:
    return words[-1].end - words[0].start
