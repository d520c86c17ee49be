"""The shape of a transcript: segments and words, in seconds from the recording's start."""

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict, TypeAdapter
from pydantic.alias_generators import to_camel

from lingoloop_common.contracts.units import SAMPLE_RATE

SEGMENTS_PER_CHUNK = 1_000
"""A segment's index is `chunk index × 1000 + place in the chunk`: stable while chunks finish out of order."""

SPLITS = 5
"""Where it is told who speaks, places in a chunk are so far apart: a segment may become so many, and no index changes."""


class Wire(BaseModel):
    """Anything that goes over the wire as camelCase JSON."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, use_attribute_docstrings=True
    )


class Word(Wire):
    """One word; `start` and `end` in seconds, `confidence` from 0 to 1."""

    word: str
    start: float
    end: float
    confidence: float


class Segment(Wire):
    """A piece of text. `index` rises with time, through all channels, and never changes; it is not consecutive across chunks."""

    index: int
    start: float
    end: float
    text: str
    confidence: float
    words: list[Word] | None = None
    channel: int | None = None
    """Where each channel is transcribed alone, the one in which it is said, from 0."""
    speaker: str | None = None
    """Who speaks, where that is asked: "1" is who said something first."""


SEGMENTS = TypeAdapter(list[Segment])
"""Reads and writes many segments at once."""


def place_segments(
    segments: list[Segment],
    *,
    chunk_index: int,
    start: int,
    end: int,
    step: int = 1,
    most: int = SEGMENTS_PER_CHUNK,
) -> list[Segment]:
    """Move an engine's segments from chunk time to the recording's time.

    Args:
        segments: in chunk time, in order.
        chunk_index: the chunk's place in the ledger.
        start: first sample of the chunk, at 16 kHz.
        end: first sample after the chunk.
        step: how far apart the indexes are.
        most: how many indexes they have; more than usual only where the ledger leaves them free up to the next chunk.

    Returns:
        Segments whose times lie inside the chunk, never run backwards, and whose index is stable.
    """
    origin, limit = start / SAMPLE_RATE, end / SAMPLE_RATE
    clock = origin

    def moved(seconds: float) -> float:
        nonlocal clock
        clock = min(limit, max(clock, origin + seconds))
        return round(clock, 3)

    placed: list[Segment] = []
    for place, segment in enumerate(segments[: most // step]):
        begin = moved(segment.start)
        words = [
            Word(word=w.word, start=moved(w.start), end=moved(w.end), confidence=round(w.confidence, 3))
            for w in segment.words or ()
        ]
        placed.append(
            Segment(
                index=chunk_index * SEGMENTS_PER_CHUNK + place * step,
                start=begin,
                end=moved(segment.end),
                text=segment.text,
                confidence=round(segment.confidence, 3),
                words=words,
                speaker=segment.speaker,
            )
        )
    return placed


def merge_channels(
    placed: Mapping[int, Sequence[Segment]], chunk_index: int, *, most: int = SEGMENTS_PER_CHUNK
) -> list[Segment]:
    """Put the segments of a chunk's channels together in order of time, of the lower channel first, and number them anew.

    Args:
        placed: by channel, in order, as `place_segments` returns them.
        chunk_index: the chunk's place in the ledger.
        most: how many are kept, as for `place_segments`.
    """
    together = sorted(
        ((segment, channel) for channel, segments in placed.items() for segment in segments),
        key=lambda said: (said[0].start, said[1]),
    )
    return [
        segment.model_copy(update={"index": chunk_index * SEGMENTS_PER_CHUNK + place, "channel": channel})
        for place, (segment, channel) in enumerate(together[:most])
    ]
