"""One lone recording keeps a whole fleet busy, from its first chunks on."""

from pathlib import Path

import asyncpg
import av
import numpy as np
import pytest

from tests.fleet import rest_of_run, running_fleet

pytestmark = pytest.mark.slow

SLOTS = 32
MS_PER_SECOND = 50
"""The pace of a slot with the base model is about 25: chunks here are half as frequent, since all shares two cores."""


def write_silence(path: Path, hours: float) -> Path:
    """Write a small file that says that it is long; the simulated engine does not decode it."""
    minute = np.zeros((1, 8000 * 60), np.int16)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flac", rate=8000, layout="mono")
        for _ in range(round(hours * 60)):
            frame = av.AudioFrame.from_ndarray(minute, format="s16", layout="mono")
            frame.sample_rate = 8000
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.timeout(240)
async def test_one_recording_keeps_thirty_two_slots_busy(
    tmp_path: Path, database_url: str, rabbitmq_url: str
) -> None:
    path = write_silence(tmp_path / "long.flac", hours=4)
    async with running_fleet(
        tmp_path,
        database_url,
        rabbitmq_url,
        transcribers=4,
        MAX_CONCURRENT_JOBS=str(SLOTS // 4),
        ENGINE="simulated",
        SIMULATED_MS_PER_SECOND=str(MS_PER_SECOND),
    ) as fleet:
        async with fleet.client() as client:
            run_id = await client.upload(path, lambda _: None)
            frames = await rest_of_run(client, run_id)
        assert frames[-1]["status"] == "succeeded"
        connection = await asyncpg.connect(database_url)
        rows = await connection.fetch(
            "SELECT done_at - make_interval(secs => engine_ms / 1000.0) AS begun, done_at, engine_ms FROM chunk"
        )
        await connection.close()
    begun, ended = min(row["begun"] for row in rows), max(row["done_at"] for row in rows)
    busy = sum(row["engine_ms"] for row in rows) / 1000 / (ended - begun).total_seconds()
    print(f"{len(rows)} chunks, {busy:.1f} of {SLOTS} slots busy on average")
    assert busy >= 0.85 * SLOTS
    quarter = sorted(row["begun"] for row in rows)[: len(rows) // 4]
    full = [row for row in rows if row["begun"] <= begun + (ended - begun) / 4]
    assert len(full) >= 0.85 * len(quarter)  # also at the beginning, while the plan is still cutting
