"""From the last byte of an upload to the first segment at an SSE client: 5 hours (ours) against 10 minutes (baseline).

A fresh fleet each time, since the rest of the five hours would be in the next one's way.
"""

import asyncio
import time
from pathlib import Path
from typing import Any

from bench.fleets import bench_fleet, transcribe
from bench.recordings import recording, write_hours
from bench.report import compared
from tests.speech import Clip, write_wav

ROUNDS = 3
HOURS = 5


async def measure(speech: Path) -> dict[str, Any]:
    """Alternate both, three times each; seconds."""
    clip = recording(speech, 10)
    long, short = [], []
    for _ in range(ROUNDS):
        short.append(await first_words(clip, hours=0))
        long.append(await first_words(clip, hours=HOURS))
        print(f"10 minutes {short[-1]:.3f} s, {HOURS} hours {long[-1]:.3f} s", flush=True)
    return compared(long, short, unit="s", bigger_is_better=False, worst=round(max(long + short), 3))


async def first_words(clip: Clip, *, hours: float) -> float:
    """Return the seconds until the first words of a recording; `hours`: the clip again and again."""
    async with bench_fleet() as (fleet, folder):
        await transcribe(fleet, write_wav(folder / "start.wav", clip.samples[: 70 * 16_000]))
        path = write_hours(folder / "recording.wav", clip, hours)
        async with fleet.client() as client:
            last_byte = 0.0

            def sent(_: int) -> None:
                nonlocal last_byte
                last_byte = time.perf_counter()

            run_id = await client.upload(path, sent, language="en", force="1")
            async with asyncio.timeout(60):
                async for frame in client.events(run_id):
                    if frame.get("segments"):
                        return time.perf_counter() - last_byte
    raise AssertionError("the run ended without words")
