"""What words a text is found by, and what a query asks for. Pure.

Upper and lower case, wide and narrow letters are alike (Unicode's NFKC and case folding). Words are what stands between
spaces and punctuation; scripts without spaces, Chinese and Japanese among them, are cut into pairs of characters that
overlap, and the last of them alone: so whatever is asked for is found wherever it stands, without a dictionary.
"""

import hashlib
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lingoloop_common.errors import Problem
from lingoloop_gateway.paragraphs import RunningText

LONGEST_WORD = 40
"""Letters of a word that count."""

POSITIONS = 16_000
VECTOR_BYTES = 900_000
"""What a tsvector holds at least (PostgreSQL's limits are 16,383 and 1 MB); what is beyond is not found."""

OFTEN = 255
"""Places of one word that a tsvector keeps."""

QUERY_LENGTH, QUERY_TERMS = 200, 16

SHORTEST_BEGINNING = 3
"""Letters of a word from which on it also asks for longer ones: `transcri` finds a transcript."""

UNSPACED = (
    "々〇ぁ-ゖゝ-ゟァ-ヺー-ヿㄅ-ㄯㆠ-ㆿㇰ-ㇿ㐀-䶿一-鿿豈-\ufaff\U00020000-\U0003ffff"
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
)
MARKS = "".join(c for c in map(chr, range(0x300, 0x10000)) if unicodedata.category(c) in {"Mn", "Mc"})
LETTER = rf"(?:[^\W_{UNSPACED}]|[{MARKS}])"
PIECE = re.compile(rf"(?P<unspaced>[{UNSPACED}]+)|{LETTER}+")

QUOTES = str.maketrans(dict.fromkeys("“”„‟«»「」『』", '"'))
TERM = re.compile(r'"([^"]*)"?|([^\s"]+)')


@dataclass(frozen=True, slots=True)
class Term:
    """A word or phrase that is asked for: as a tsquery, and as it stands in a text of `fold`."""

    query: str
    pattern: re.Pattern[str]


class JoinedText:
    """The texts of segments as one, folded, so that what spans two of them is found."""

    def __init__(self, texts: Sequence[str]) -> None:
        running, at = RunningText(), 0
        self._starts: list[int] = []
        parts = []
        for text in texts:
            parts.append(running.added(fold(text)))
            self._starts.append(at)
            at += len(parts[-1])
        self.text = "".join(parts)

    def holding(self, term: Term) -> Iterator[int]:
        """Yield the places of the segments in which a term begins."""
        for match in term.pattern.finditer(self.text):
            yield bisect_right(self._starts, match.start()) - 1


def fold(text: str) -> str:
    """Return a text without differences of case and width."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def vector(owner: str, folded: str) -> str:
    """Return a tsvector, as text, of a folded text of an owner."""
    mark, size = _mark(owner), 0
    places: dict[str, list[int]] = {}
    for place, lexeme in enumerate(_lexemes(folded), 1):
        size += len(mark) + len(lexeme.encode()) + 8
        if place > POSITIONS or size > VECTOR_BYTES:
            break
        found = places.setdefault(lexeme, [])
        if len(found) < OFTEN:
            found.append(place)
    return " ".join(f"'{mark}{lexeme}':{','.join(map(str, found))}" for lexeme, found in places.items())


def read_query(owner: str, query: str) -> list[Term]:
    """Return what a query asks for, all of which must be in a run: words, and phrases in quotes.

    What is written without a space between is a phrase, too: `don't`, `iPhone手机`.

    Raises:
        Problem: `invalid_value`, it is too long or holds no letter or digit.
    """
    if len(query) > QUERY_LENGTH:
        raise Problem("invalid_value", f"q may have {QUERY_LENGTH} characters")
    mark = _mark(owner)
    terms = {}
    for quoted, bare in TERM.findall(fold(query).translate(QUOTES)):
        if pieces := list(PIECE.finditer(quoted or bare)):
            term = _term(mark, pieces, exact=bool(quoted))
            terms[term.query] = term
    if not terms:
        raise Problem("invalid_value", "q must hold a letter or a digit")
    if len(terms) > QUERY_TERMS:
        raise Problem("invalid_value", f"q may have {QUERY_TERMS} words")
    return list(terms.values())


def _mark(owner: str) -> str:
    return hashlib.sha256(owner.encode()).hexdigest()[:5]


def _lexemes(folded: str) -> Iterator[str]:
    for piece in PIECE.finditer(folded):
        yield from _pairs(piece[0]) if piece["unspaced"] else [piece[0][:LONGEST_WORD]]


def _pairs(text: str) -> list[str]:
    return [text[at : at + 2] for at in range(len(text))]


def _term(mark: str, pieces: Sequence[re.Match[str]], *, exact: bool) -> Term:
    lexemes: list[str] = []
    pattern = ""
    for place, piece in enumerate(pieces):
        text, last = piece[0], place == len(pieces) - 1
        shown = re.escape(text)
        if piece["unspaced"]:
            # Its last character may stand before another one, except where something else follows.
            pairs = [f"'{mark}{pair}'" for pair in _pairs(text)]
            lexemes += pairs if not last else pairs[:-1] or [f"{pairs[0]}:*"]
        else:
            longer = last and not exact and len(text) >= SHORTEST_BEGINNING
            lexemes.append(f"'{mark}{text[:LONGEST_WORD]}'" + (":*" if longer else ""))
            # What may not stand before it is looked at after it: so a search begins with letters, and is fast.
            shown += rf"(?<!{LETTER}{shown})" + ("" if longer else rf"(?!{LETTER})")
        pattern += (r"[\W_]*" if place else "") + shown
    return Term(" <-> ".join(lexemes), re.compile(pattern))
