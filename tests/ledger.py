"""Checks a run's ledger in the database: what must hold whatever happened on the way."""

import itertools
from typing import Any
from uuid import UUID

import asyncpg


async def check_ledger(database_url: str, run_id: str) -> list[asyncpg.Record]:
    """Check that chunks tile the recording, each done once, and events are numbered without a gap; return the chunks."""
    connection: asyncpg.Connection[Any] = await asyncpg.connect(database_url)
    try:
        run = await connection.fetchrow("SELECT * FROM transcript_run WHERE id = $1", UUID(run_id))
        assert run is not None
        chunks = await connection.fetch("SELECT * FROM chunk WHERE run_id = $1 ORDER BY index", run["id"])
        units = await connection.fetch("SELECT * FROM unit WHERE run_id = $1", run["id"])
        segments = await connection.fetch("SELECT * FROM segment WHERE run_id = $1 ORDER BY index", run["id"])
        events = await connection.fetch(
            "SELECT seq, type FROM run_event WHERE run_id = $1 ORDER BY seq", run["id"]
        )
        owners = await connection.fetch(
            "SELECT owner_seq FROM run_event WHERE owner = $1 ORDER BY 1", run["owner"]
        )
    finally:
        await connection.close()
    assert [chunk["index"] for chunk in chunks] == list(range(len(chunks)))
    ends = [0, *(chunk["end_sample"] for chunk in chunks)]
    assert [chunk["start_sample"] for chunk in chunks] == ends[:-1], "a gap or an overlap"
    assert run["planned_samples"] == run["done_samples"] == ends[-1]
    assert all(chunk["done_at"] for chunk in chunks)
    assert run["chunks_done"] == run["chunks_total"] == len(chunks)
    assert run["units_left"] == 0
    assert {unit["state"] for unit in units} == {"done"}
    assert all(unit["message_id"] is None and unit["holder"] is None for unit in units)
    assert [event["seq"] for event in events] == list(range(1, run["seq"] + 1))
    assert [event["type"].split(".")[2] for event in events].count("done") == 1
    assert [row["owner_seq"] for row in owners] == list(range(1, len(owners) + 1))
    for before, after in itertools.pairwise(segments):
        assert before["start_s"] <= before["end_s"] <= after["start_s"]
    return chunks
