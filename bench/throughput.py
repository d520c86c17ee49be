"""A long recording from upload to `done`, against faster-whisper by hand on the same file; speed and error rate.

One transcriber with its defaults (one slot a core), real PostgreSQL and RabbitMQ. `ours` and `baseline` (the batched
pipeline) alternate three times; direct decoding is measured once, it takes minutes. WER in percent.
"""

import statistics
from pathlib import Path
from typing import Any

from bench.by_hand import ByHand, by_hand
from bench.fleets import Transcript, bench_fleet, transcribe
from bench.recordings import one_speaker, recording
from bench.report import compared
from tests.fleet import Fleet
from tests.speech import Clip, word_error_rate, write_wav

ROUNDS = 3
MINUTES = 30
FEWER_MINUTES = 10
"""For the comparisons on the side: tiny.en, and one speaker."""


async def measure(speech: Path) -> dict[str, Any]:
    """Return the main comparison, and beside it tiny.en's and that of one speaker."""
    clip = recording(speech, MINUTES)
    async with bench_fleet() as (fleet, folder):
        with by_hand() as hand:
            path = write_wav(folder / "recording.wav", clip.samples)
            await _warm_up(fleet, hand, folder, clip)
            rounds = [await _round(fleet, hand, path, clip) for _ in range(ROUNDS)]
            direct = {way: hand.transcribe(path, way) for way in _DIRECT}
            sides = {"one_speaker": await _side(fleet, hand, folder, one_speaker(FEWER_MINUTES), "base")}
            await fleet.start("transcriber", MODEL="tiny.en").ready()
            sides["tiny_en"] = await _side(fleet, hand, folder, recording(speech, FEWER_MINUTES), "tiny.en")
    ours, baseline = zip(*rounds, strict=True)
    return compared(
        [clip.seconds / one.seconds for one in ours],
        [clip.seconds / one.seconds for one in baseline],
        unit="x real time",
        bigger_is_better=True,
        audio_s=round(clip.seconds, 1),
        wer=statistics.median(_figures(clip, one)["wer"] for one in ours),
        wer_baseline=statistics.median(_figures(clip, one)["wer"] for one in baseline),
        **{
            way: {
                **_figures(clip, found),
                "ratio": round(found.seconds / statistics.median(o.seconds for o in ours), 2),
            }
            for way, found in direct.items()
        },
        **sides,
    )


_DIRECT = ("direct", "direct, greedy with voice activity")


async def _warm_up(fleet: Fleet, hand: ByHand, folder: Path, clip: Clip) -> None:
    path = write_wav(folder / "start.wav", clip.samples[: 90 * 16_000])
    await transcribe(fleet, path)
    hand.transcribe(path, "batched")


async def _round(fleet: Fleet, hand: ByHand, path: Path, clip: Clip) -> tuple[Transcript, Transcript]:
    found = await transcribe(fleet, path), hand.transcribe(path, "batched")
    print(*(_figures(clip, one) for one in found), flush=True)
    return found


async def _side(fleet: Fleet, hand: ByHand, folder: Path, clip: Clip, model: str) -> dict[str, Any]:
    path = write_wav(folder / f"side-{model}.wav", clip.samples)
    ours = await transcribe(fleet, path, model=model)
    by_hand = {way: hand.transcribe(path, way, model) for way in ("batched", *_DIRECT)}
    return {
        "ours": _figures(clip, ours),
        **{way: _figures(clip, found) for way, found in by_hand.items()},
        "ratio": round(by_hand["batched"].seconds / ours.seconds, 2),
    }


def _figures(clip: Clip, found: Transcript) -> dict[str, float]:
    share = word_error_rate(clip.words, found.text)
    return {"x_real_time": round(clip.seconds / found.seconds, 1), "wer": round(100 * share, 2)}
