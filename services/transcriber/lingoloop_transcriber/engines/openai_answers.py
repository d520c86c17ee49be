"""What servers answer in OpenAI's API, read into timed words. Pure; times are in seconds from the start of what was sent."""

import math
import re
import unicodedata
from collections.abc import Iterator, Sequence

from pydantic import BaseModel, ConfigDict, ValidationError

from lingoloop_common.contracts.transcript import Segment, Word
from lingoloop_transcriber.engines import EngineError
from lingoloop_transcriber.engines.excerpts import Excerpt
from lingoloop_transcriber.engines.sentences import make_segments
from lingoloop_transcriber.engines.speech import Span

AHEAD = 40
"""Letters of the text that may be left out before a word: servers write "twenty-one" for what they call 21."""

SURE = 1.0
"""The confidence of what a server says without telling how sure it is."""

OPENING = " \t\n\"'“‘¿¡([{（「『《"
"""What belongs to the word after it."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class TimedWord(_Lenient):
    """A word, often without the punctuation around it. Not every server tells its probability."""

    word: str
    start: float
    end: float
    probability: float | None = None


class TimedText(_Lenient):
    """A segment. Some servers put the words into it."""

    text: str
    start: float
    end: float
    avg_logprob: float | None = None
    words: list[TimedWord] | None = None


class Answer(_Lenient):
    """An answer in `verbose_json`, or in `json`, which has the text alone."""

    text: str | None = None
    language: str | None = None
    segments: list[TimedText] | None = None
    words: list[TimedWord] | None = None


def read_answer(body: bytes) -> Answer:
    """Read an answer; raise EngineError for what is none."""
    try:
        answer = Answer.model_validate_json(body)
    except ValidationError as error:
        [first, *_] = error.errors(include_input=False, include_url=False)
        place = ".".join(map(str, first["loc"])) or "the whole"
        raise EngineError(f"the server's answer cannot be read: {place}: {first['msg']}") from None
    if (
        answer.text is None and answer.segments is None and answer.words is None
    ):  # some tell errors with status 200
        raise EngineError("the server's answer has no text")
    return answer


def segments_of(answer: Answer, excerpt: Excerpt, speech: Sequence[Span]) -> list[Segment]:
    """Return what is said in a chunk, with as much of its times as the server tells.

    Args:
        answer: what the server said of the excerpt.
        excerpt: what it was sent.
        speech: where in the chunk somebody speaks.
    """
    parts = answer.segments or []
    text = _clean(answer.text or " ".join(part.text.strip() for part in parts))
    words = answer.words or [word for part in parts for word in part.words or ()]
    if timed := list(_placed_words(answer, text, words, excerpt)):
        return make_segments(timed)
    if parts:
        return [_placed_text(part, excerpt) for part in parts if _clean(part.text)]
    if not text:
        return []
    return [Segment(index=0, start=speech[0].start, end=speech[-1].end, text=text, confidence=SURE)]


def _placed_words(answer: Answer, text: str, words: Sequence[TimedWord], excerpt: Excerpt) -> Iterator[Word]:
    timed = sorted(words, key=lambda word: word.start)
    for word, written in with_punctuation(_spaced(text), timed):
        where = excerpt.place(word.start, max(word.start, word.end))
        yield Word(word=written, start=where.start, end=where.end, confidence=_confidence(answer, word))


def _placed_text(segment: TimedText, excerpt: Excerpt) -> Segment:
    where = excerpt.place(segment.start, max(segment.start, segment.end))
    text, confidence = _clean(segment.text), _likelihood(segment)
    return Segment(index=0, start=where.start, end=where.end, text=text, confidence=confidence)


def with_punctuation(text: str, words: Sequence[TimedWord]) -> Iterator[tuple[TimedWord, str]]:
    """Yield the words that stand in a text, each with its part of the text: together they are the text, whole.

    A word that does not stand there is left out; the text in its place goes with the word before it.
    """
    found: list[tuple[TimedWord, int]] = []
    at = 0
    for word in words:
        wanted = _clean(word.word)
        place = re.compile(re.escape(wanted), re.IGNORECASE).search(text, at, at + AHEAD + len(wanted))
        if wanted and place:
            found.append((word, _back(text, place.start(), at)))
            at = place.end()
    begins = [0, *(begin for _, begin in found[1:]), len(text)]
    for (word, _), begin, end in zip(found, begins[:-1], begins[1:], strict=False):
        yield word, text[begin:end]


def _back(text: str, place: int, least: int) -> int:
    """Return where a word begins with the space and the opening punctuation before it, not before `least`."""
    while place > least and text[place - 1] in OPENING:
        place -= 1
    return place


def _spaced(text: str) -> str:
    """Return a text with a space before it, which words begin with in scripts that have spaces."""
    return text if not text or unicodedata.east_asian_width(text[0]) in "WF" else f" {text}"


def _clean(text: str) -> str:
    return _CONTROL.sub(" ", text).strip()


def _confidence(answer: Answer, word: TimedWord) -> float:
    if word.probability is not None:
        return min(1.0, max(0.0, word.probability))
    middle = (word.start + word.end) / 2
    around = next((part for part in answer.segments or () if part.start <= middle <= part.end), None)
    return _likelihood(around) if around else SURE


def _likelihood(segment: TimedText) -> float:
    return SURE if segment.avg_logprob is None else math.exp(min(0.0, max(-20.0, segment.avg_logprob)))
