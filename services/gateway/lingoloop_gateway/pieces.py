"""The text of a segment in pieces that a line may break between, and when each is heard. Pure.

Where a line may break follows UAX #14 (Unicode line breaking) for spaces, and W3C's "Requirements for Chinese Text
Layout" and "Requirements for Japanese Text Layout" (JIS X 4051) for what may not begin or end a line.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Any, NamedTuple

from wcwidth import iter_graphemes, wcswidth, wcwidth

from lingoloop_common.contracts.text import plain

LINE = 42
"""Columns in a line: Netflix's Timed Text Style Guide for Latin scripts; 21 CJK characters are as wide."""

CLOSING = frozenset(
    "，。！？、；：）」』】》〉〕］｝”’»…‥・ー々％,.!?;:)]}%ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ"
)
"""What may not begin a line."""

OPENING = frozenset("（「『【《〈〔［｛“‘«([{")
"""What may not end a line."""

QUOTES = "\"'”’»」』）)]"
"""What may follow the mark that ends a sentence or a clause."""

SENTENCE_ENDS = (".", "?", "!", "。", "？", "！", "…")
CLAUSE_ENDS = (",", ";", ":", "，", "；", "：", "、")

WORDS_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")
"""Thai, Lao, Burmese, Khmer: no space between words, yet a line may break only there."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Text that stays on one line, at most `LINE` columns wide.

    A space before it is the first character of `text`, and counted in `columns`; `start` and `end` are in seconds.
    """

    text: str
    start: float
    end: float
    columns: int

    @property
    def indent(self) -> int:
        """Columns that fall away where a line begins with this piece."""
        return int(self.text.startswith(" "))


class Letter(NamedTuple):
    """When a character is heard, in seconds; whether a word begins with it."""

    start: float
    end: float
    begins: bool


def columns(text: str) -> int:
    """Return the width of a text of `plain` where all letters are equally wide: CJK 2, others 1, combining marks 0."""
    return wcswidth(text)


def ends_sentence(text: str) -> bool:
    """Whether the text ends a sentence, quotes and brackets behind its end aside."""
    return text.rstrip(QUOTES).endswith(SENTENCE_ENDS)


def ends_clause(text: str) -> bool:
    """Whether the text ends a clause, quotes and brackets behind its end aside."""
    return text.rstrip(QUOTES).endswith(CLAUSE_ENDS)


@lru_cache(maxsize=10_000)
def unspaced(character: str) -> bool:
    """Whether a character is of a script without spaces in which a line may break anywhere: CJK, but not Korean."""
    return wcwidth(character) == 2 and not unicodedata.name(character, "").startswith("HANGUL")


def pieces_of(segment: Mapping[str, Any]) -> list[Piece]:
    """Return a segment (as in `GET /api/runs/{id}/segments`) as pieces; they are its text, each character once."""
    text = plain(segment["text"])
    letters, pieces = _letters(segment, text), []
    first = 0
    for group in _groups(text, letters):
        end = first + _letters_in(group)
        heard = letters[first:end]
        pieces.append(Piece(group, heard[0].start, heard[-1].end, columns(group)))
        first = end
    return pieces


def _letters(segment: Mapping[str, Any], text: str) -> list[Letter]:
    """Return when each character of a segment's text is heard, spaces left out.

    Words tell it as long as they spell the text. Where there are none, or they say something else, the text is spread
    over the segment's time.
    """
    words = [(plain(word["word"]).replace(" ", ""), word) for word in segment["words"] or ()]
    spelt = text.replace(" ", "")
    if "".join(letters for letters, _ in words) != spelt:
        words = [(spelt, segment)]
    return [letter for letters, heard in words for letter in _spread(letters, heard["start"], heard["end"])]


def _spread(letters: str, start: float, end: float) -> Iterator[Letter]:
    """Share out the time from `start` to `end` by width."""
    ends = list(accumulate(max(0, wcwidth(letter)) for letter in letters))
    scale = (end - start) / (ends[-1] or 1) if ends else 0
    for place, (before, after) in enumerate(zip([0, *ends], ends, strict=False)):
        yield Letter(start + before * scale, start + after * scale, place == 0)


def _letters_in(text: str) -> int:
    return len(text) - text.count(" ")


def _groups(text: str, letters: Sequence[Letter]) -> Iterator[str]:
    """Yield what stays on one line."""
    group: list[str] = []
    place = 0
    for cluster in _clusters(text):
        if group and _may_break(group[-1], cluster, word_begins=letters[place].begins):
            yield from _fitting(group)
            group = []
        group.append(cluster)
        place += _letters_in(cluster)
    if group:
        yield from _fitting(group)


def _clusters(text: str) -> list[str]:
    """Return what a reader takes for one character (UAX #29), each with the space before it."""
    clusters: list[str] = []
    for cluster in iter_graphemes(text):
        if clusters and clusters[-1] == " ":
            clusters[-1] += cluster
        else:
            clusters.append(cluster)
    return clusters


def _may_break(left: str, right: str, *, word_begins: bool) -> bool:
    """Whether a line may end with the cluster `left`, and the next begin with `right`."""
    before, after = left.strip()[:1], right.strip()[:1]
    if _keeps_together(left, right):
        return False
    if right.startswith(" ") or unspaced(before) or unspaced(after):
        return True
    return word_begins and bool(WORDS_UNSPACED.match(before) and WORDS_UNSPACED.match(after))


def _keeps_together(left: str, right: str) -> bool:
    """Whether punctuation forbids a break. A straight quote with no space before it is a closing one."""
    return right.strip()[:1] in CLOSING or left.strip()[:1] in OPENING or right[:1] in {'"', "'"}


def _fitting(clusters: Sequence[str]) -> Iterator[str]:
    """Yield the clusters joined; if they are wider than a line, in parts, each as long as it can be.

    They are parted at a space if there is one, else where punctuation allows it, else anywhere.
    """
    widths = [columns(cluster) for cluster in clusters]
    first, left = 0, sum(widths) - clusters[0].startswith(" ")
    while left > LINE:
        cut = _cut(clusters, widths, first)
        yield "".join(clusters[first:cut])
        left -= sum(widths[first:cut]) - clusters[first].startswith(" ") + clusters[cut].startswith(" ")
        first = cut
    yield "".join(clusters[first:])


def _cut(clusters: Sequence[str], widths: Sequence[int], first: int) -> int:
    """Return where the part that begins with the cluster `first` ends, for it does not fit a line as a whole."""
    room, end = LINE + clusters[first].startswith(" "), first
    while room >= widths[end]:
        room -= widths[end]
        end += 1

    def goodness(cut: int) -> tuple[bool, bool, int]:
        left, right = clusters[cut - 1], clusters[cut]
        return right.startswith(" "), not _keeps_together(left, right), cut

    return max(range(first + 1, end + 1), key=goodness)
