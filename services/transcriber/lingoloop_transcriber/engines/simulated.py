"""`simulated`: no model and no decoding; takes a set time per second of audio. For load tests of everything else."""

import time
from typing import ClassVar

from pydantic import Field
from pydantic_settings import BaseSettings

from lingoloop_common.contracts.engines import Abilities
from lingoloop_common.contracts.transcript import Segment, Word
from lingoloop_transcriber.engines import Piece, Sound

SEGMENT_SECONDS = 5.0


class SimulatedSettings(BaseSettings):
    """How fast it pretends to be."""

    simulated_ms_per_second: float = Field(default=10.0, ge=0)


class Simulated:
    """Says which seconds it was given; every segment can be checked against the ledger."""

    needs_audio: ClassVar[bool] = False
    elsewhere: ClassVar[bool] = False
    abilities = Abilities()

    def __init__(self, model: str | None) -> None:
        self._seconds_each = SimulatedSettings().simulated_ms_per_second / 1000

    def detect_language(self, sound: Sound) -> str | None:
        """It hears nothing."""
        return None

    def transcribe(self, piece: Piece) -> list[Segment]:
        """Wait, then return a segment for each five seconds."""
        time.sleep(piece.seconds * self._seconds_each)
        segments = []
        start = 0.0
        while start < piece.seconds:
            end = min(piece.seconds, start + SEGMENT_SECONDS)
            words = [Word(word=f" {start:.1f}", start=start, end=end, confidence=1.0)]
            text = f"simulated {start:.1f}"
            segments.append(Segment(index=0, start=start, end=end, text=text, confidence=1.0, words=words))
            start = end
        return segments
