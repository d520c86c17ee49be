"""What Google heard, as segments. Pure; takes the plain messages of protobuf, since a long answer has 100,000 words."""

from collections.abc import Iterable, Sequence
from itertools import groupby, takewhile
from typing import Any

from lingoloop_common.contracts.transcript import Segment, Word
from lingoloop_transcriber.engines.google.recognition import language_of
from lingoloop_transcriber.engines.sentences import make_segments

NEAR = 40
"""Letters of the transcript in which a word is looked for."""


def segments_of(results: Iterable[Any]) -> list[Segment]:
    """Return the segments of recognition results, in order, in seconds from the beginning of their sound.

    A result without times of words is one segment, from the end of the one before.
    """
    segments: list[Segment] = []
    at = 0.0
    for result in results:
        if not result.alternatives or not (best := result.alternatives[0]).transcript.strip():
            continue
        end = _seconds(result.result_end_offset)
        if any(_seconds(word.end_offset) for word in best.words):
            words = [(word.speaker_label or None, ours) for word, ours in _words(best)]
            for speaker, turn in groupby(words, key=lambda pair: pair[0]):
                own = make_segments([word for _, word in turn])
                segments += [segment.model_copy(update={"speaker": speaker}) for segment in own]
            end = max(end, words[-1][1].end)
        else:
            speakers = {word.speaker_label for word in best.words}
            speaker = speakers.pop() or None if len(speakers) == 1 else None
            segments.append(
                Segment(
                    index=0,
                    start=at,
                    end=max(at, end),
                    text=best.transcript.strip(),
                    confidence=_sure(best.confidence),
                    speaker=speaker,
                )
            )
        at = max(at, end)
    return segments


def language_in(results: Iterable[Any]) -> str | None:
    """Return what is spoken in the first of recognition results that has words, as far as it is told."""
    said = (
        result.language_code
        for result in results
        if result.language_code and any(one.transcript.strip() for one in result.alternatives[:1])
    )
    code = next(said, None)
    return language_of(code) if code else None


def _words(best: Any) -> list[tuple[Any, Word]]:
    """Return Google's words, each with ours."""
    texts = _texts(best.transcript, [word.word for word in best.words])
    return [
        (
            word,
            Word(
                word=text,
                start=_seconds(word.start_offset),
                end=_seconds(word.end_offset),
                confidence=_sure(word.confidence or best.confidence),
            ),
        )
        for word, text in zip(best.words, texts, strict=True)
    ]


def _texts(transcript: str, words: Sequence[str]) -> list[str]:
    """Return words with the spaces and marks that the transcript has around them: in Chinese none before them.

    A mark belongs to the word before, what comes after a space to the one behind it.
    """
    texts: list[str] = []
    place = 0
    for word in words:
        found = transcript.find(word, place, place + len(word) + NEAR)
        between = " "
        if found >= 0:
            between, place = transcript[place:found], found + len(word)
            if any(letter.isalnum() for letter in between):  # written otherwise than said: the words are kept
                between = " "
        if texts:
            marks = "".join(takewhile(lambda letter: not letter.isspace(), between))
            texts[-1] += marks
            between = between[len(marks) :]
        texts.append(between + word)
    rest = transcript[place:].strip()
    if texts and not any(letter.isalnum() for letter in rest):
        texts[-1] += rest
    return texts


def _seconds(offset: Any) -> float:
    """Return a duration in seconds, to the millisecond: Google's carry the noise of binary fractions."""
    return round(float(offset.seconds + offset.nanos / 1e9), 3)


def _sure(confidence: float) -> float:
    """Return a confidence; 0 stands for one that was not given, and nothing is said against the word then."""
    return min(1.0, float(confidence)) if confidence else 1.0
