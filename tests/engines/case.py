"""An engine in the behaviour suite, and a recording that it understands."""

from dataclasses import dataclass

import numpy as np

from lingoloop_common.contracts.engines import Wishes
from lingoloop_common.contracts.transcript import Segment
from lingoloop_transcriber.engines import Engine, Piece, Sound
from lingoloop_transcriber.loudness import audible
from tests.speech import RATE, Samples


@dataclass(frozen=True)
class Case:
    """`says`: what it hears in its recording, among others, in small letters without punctuation."""

    engine: Engine
    recording: Samples
    says: str
    listens: bool = True
    """False: it makes up its words, whatever the sound."""

    @property
    def seconds(self) -> float:
        """How long the recording is."""
        return self.recording.size / RATE

    def hear(self, samples: Samples | None = None, **wishes: object) -> list[Segment]:
        """Transcribe samples (its recording, if none are given) as a slot asks for it."""
        given = self.recording if samples is None else samples
        sound = sound_of(given) if self.engine.needs_audio else None
        return self.engine.transcribe(Piece(sound, given.size / RATE, Wishes.model_validate(wishes)))


def sound_of(samples: Samples) -> Sound:
    """Return samples as a slot gives them to engines."""
    return audible(samples.astype(np.float32) / np.float32(32768))
