"""faster-whisper as people run it by hand: the whole machine for one file, in a process of its own."""

import contextlib
import multiprocessing
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from faster_whisper import BatchedInferencePipeline, WhisperModel

from bench.fleets import Transcript
from lingoloop_transcriber.engines.models import default_cache, find_model
from tests.seams import Timed

THREADS = 2

WAYS: dict[str, dict[str, Any]] = {
    "batched": {"batch_size": 8},
    "direct": {},
    "direct, greedy with voice activity": {
        "vad_filter": True,
        "beam_size": 1,
        "condition_on_previous_text": False,
    },
    "direct, no conditioning": {"condition_on_previous_text": False},
    "direct, voice activity": {"vad_filter": True},
    "direct, voice activity, no conditioning": {"vad_filter": True, "condition_on_previous_text": False},
}
"""Options of `BatchedInferencePipeline.transcribe` (the first) and `WhisperModel.transcribe`, beside word times."""


class ByHand:
    """Runs files in one child process, which keeps its models loaded."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    def transcribe(self, path: Path, way: str, model: str = "base", language: str = "en") -> Transcript:
        """Transcribe a file in one of WAYS."""
        transcript: Transcript = self._pool.apply(_transcribe, (path, way, model, language))
        return transcript


@contextlib.contextmanager
def by_hand() -> Iterator[ByHand]:
    """Give the child for as long as the context lasts."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        yield ByHand(pool)


@cache
def _load(model: str) -> WhisperModel:
    folder = find_model(model, default_cache())
    return WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=THREADS)


def _transcribe(path: Path, way: str, model: str, language: str) -> Transcript:
    loaded: Any = BatchedInferencePipeline(_load(model)) if way == "batched" else _load(model)
    begin = time.perf_counter()
    found, _ = loaded.transcribe(str(path), language=language, word_timestamps=True, **WAYS[way])
    segments = list(found)
    seconds = time.perf_counter() - begin
    words = [Timed(w.word, float(w.start), float(w.end)) for segment in segments for w in segment.words or ()]
    return Transcript("".join(segment.text for segment in segments), words, seconds)
