"""A 10-second clip by `POST /api/audios` (ours), against the engine alone on its sound (baseline), in milliseconds."""

import multiprocessing
import os
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.fleets import bench_fleet
from bench.overhead import load_engine
from bench.recordings import recording
from bench.report import compared
from lingoloop_common.contracts.engines import Wishes
from lingoloop_transcriber.engines import Piece
from lingoloop_transcriber.slots import ENVIRONMENT
from tests.speech import RATE, write_wav

ROUNDS = 3
REPEATS = 10
"""Uploads in a round; the round's figure is their median."""


async def measure(speech: Path) -> dict[str, Any]:
    """Alternate both; `ratio` says little here: what counts is `added_ms`, what the system adds to the engine's time."""
    samples = recording(speech, 1).samples[: 10 * RATE]
    ours, baseline, worst = [], [], 0.0
    os.environ.update(ENVIRONMENT)
    async with bench_fleet() as (fleet, folder), fleet.http() as http:
        path = write_wav(folder / "clip.wav", samples)
        with multiprocessing.get_context("spawn").Pool(1, load_engine) as pool:
            for number in range(ROUNDS + 1):
                answers = []
                for _ in range(REPEATS):
                    begin = time.perf_counter()
                    answer = await http.post(
                        "/api/audios?filename=clip.wav&force=1", content=path.read_bytes()
                    )
                    answers.append(1000 * (time.perf_counter() - begin))
                    assert answer.status_code == 200, answer.text
                    assert answer.json()["text"]
                bare = pool.apply(_engine_alone, (samples.tobytes(),))
                if number:  # the first is to warm up
                    ours.append(statistics.median(answers))
                    baseline.append(bare)
                    worst = max(worst, max(answers) - bare)
                    print(f"answered in {ours[-1]:.0f} ms, engine alone {bare:.0f} ms", flush=True)
    added = statistics.median(o - b for o, b in zip(ours, baseline, strict=True))
    return compared(
        ours,
        baseline,
        unit="ms",
        bigger_is_better=False,
        added_ms=round(added, 1),
        added_ms_worst=round(worst, 1),
    )


def _engine_alone(raw: bytes) -> float:
    from bench import overhead

    sound = np.frombuffer(raw, np.int16).astype(np.float32) / np.float32(32768)
    times = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        language = overhead.engine.detect_language(sound)
        overhead.engine.transcribe(Piece(sound, sound.size / RATE, Wishes(language=language)))
        times.append(1000 * (time.perf_counter() - begin))
    return statistics.median(times)
