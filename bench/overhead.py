"""What the system costs: a 10-minute recording through three services, against the bare loop over the same chunks.

The bare loop decodes and cuts in one process and hands the chunks to two processes that have the engine loaded: no
database, no broker, no storage, no events.
"""

import multiprocessing
import os
import statistics
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from bench.fleets import bench_fleet, transcribe
from bench.recordings import recording
from bench.report import compared
from lingoloop_common.contracts.engines import Wishes
from lingoloop_transcriber.decode import decode
from lingoloop_transcriber.engines import Engine, Piece, Sound, find_engine
from lingoloop_transcriber.slots import ENVIRONMENT
from lingoloop_transcriber.split import Splitter
from tests.speech import RATE, write_wav

MINUTES = 10
ROUNDS = 3
SLOTS = 2

engine: Engine


async def measure(speech: Path) -> dict[str, Any]:
    """Alternate both, three times each; `ratio` is the baseline's time over ours."""
    clip = recording(speech, MINUTES)
    async with bench_fleet(MAX_CONCURRENT_JOBS=str(SLOTS)) as (fleet, folder):
        path = write_wav(folder / "recording.wav", clip.samples)
        with bare_pool() as pool:
            await transcribe(fleet, path)
            bare_loop(pool, path)
            ours, baseline = [], []
            for number in range(ROUNDS):
                ours.append((await transcribe(fleet, path)).seconds)
                baseline.append(bare_loop(pool, path))
                print(
                    f"round {number + 1}: services {ours[-1]:.2f} s, bare loop {baseline[-1]:.2f} s",
                    flush=True,
                )
    return compared(
        ours,
        baseline,
        unit="s",
        bigger_is_better=False,
        audio_s=round(clip.seconds, 1),
        real_time_factor=round(clip.seconds / statistics.median(ours), 1),
    )


def bare_pool() -> Any:
    """Return two processes with the engine loaded, one thread each."""
    os.environ.update(ENVIRONMENT)
    return multiprocessing.get_context("spawn").Pool(SLOTS, load_engine)


def bare_loop(pool: Any, path: Path) -> float:
    """Return the seconds from opening the file to the last chunk's words."""
    begin = time.perf_counter()
    pieces = _pieces(path)
    first = next(pieces)
    language = pool.apply(_detect_language, (first,))
    for _ in pool.imap_unordered(_transcribe, ((raw, language) for raw in chain([first], pieces))):
        pass
    return time.perf_counter() - begin


def _pieces(path: Path) -> Iterator[bytes]:
    splitter = Splitter()
    for block in decode(path):
        for cut in splitter.push(block):
            if cut.samples is not None:
                yield cut.samples.tobytes()
    for cut in splitter.close():
        if cut.samples is not None:
            yield cut.samples.tobytes()


def load_engine() -> None:
    global engine  # noqa: PLW0603  (one engine a process)
    engine = find_engine("whisper")(None)


def _detect_language(raw: bytes) -> str | None:
    return engine.detect_language(_sound(raw))


def _transcribe(piece: tuple[bytes, str | None]) -> int:
    raw, language = piece
    sound = _sound(raw)
    return len(engine.transcribe(Piece(sound, sound.size / RATE, Wishes(language=language))))


def _sound(raw: bytes) -> Sound:
    return np.frombuffer(raw, np.int16).astype(np.float32) / np.float32(32768)
