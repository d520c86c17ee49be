"""A chunk's speech without its long pauses: a server is sent no silence, for which it would invent words and be paid."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lingoloop_common.contracts.units import SAMPLE_RATE
from lingoloop_transcriber.engines import Sound
from lingoloop_transcriber.engines.speech import Span

MARGIN = 0.3
"""Seconds of sound kept around speech."""

PAUSE = 1.0
"""Seconds; longer pauses are left out."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Parts of a chunk, one after the other.

    Attributes:
        sound: what is left.
        parts: where each part was in the chunk.
    """

    sound: Sound
    parts: Sequence[Span]

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.sound.size / SAMPLE_RATE

    def place(self, start: float, end: float) -> Span:
        """Return where in the chunk something was that is at [start, end] here, all of it in one part."""
        middle, begin = (start + end) / 2, 0.0
        for part in self.parts[:-1]:
            if middle < begin + part.seconds:
                break
            begin += part.seconds
        else:
            part = self.parts[-1]

        def moved(seconds: float) -> float:
            return min(part.end, max(part.start, part.start + seconds - begin))

        return Span(moved(start), max(moved(start), moved(end)))


def make_excerpt(sound: Sound, speech: Sequence[Span]) -> Excerpt:
    """Return the parts of a chunk in which somebody speaks; `speech` is in order, and not empty."""
    parts: list[Span] = []
    for span in speech:
        if parts and span.start - parts[-1].end <= PAUSE:
            parts[-1] = Span(parts[-1].start, span.end)
        else:
            parts.append(span)
    longest = sound.size / SAMPLE_RATE
    parts = [Span(max(0.0, part.start - MARGIN), min(longest, part.end + MARGIN)) for part in parts]
    cuts = [sound[round(part.start * SAMPLE_RATE) : round(part.end * SAMPLE_RATE)] for part in parts]
    return Excerpt(np.concatenate(cuts), parts)
