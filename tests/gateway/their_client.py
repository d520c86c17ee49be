"""OpenAI's own Python client, unmodified, at a gateway; and work that is done by hand while it waits."""

from typing import Any
from uuid import UUID

from openai import AsyncOpenAI

from lingoloop_common.store.runs import Change, change_run, lock_run
from tests import media
from tests.gateway.world import World
from tests.waiting import eventually

TWELVE_SECONDS = media.wav_of_ms(12_000)
TEXT = "simulated 0.0 simulated 5.0 simulated 10.0"
PATH = "/v1/audio/transcriptions"


def client(world: World, owner: str, **settings: Any) -> AsyncOpenAI:
    given = {"api_key": world.token(owner), "max_retries": 0, **settings}
    return AsyncOpenAI(base_url=f"{world.gateway.url}/v1", **given)


async def ask(world: World, owner: str, data: bytes = TWELVE_SECONDS, **fields: Any) -> Any:
    """Let their client send a recording, and return what it makes of the answer."""
    async with client(world, owner) as theirs:
        given = {"file": ("talk.wav", data, "audio/wav"), "model": "whisper-1", **fields}
        return await theirs.audio.transcriptions.create(**given)


async def heard(world: World, owner: str, **fields: Any) -> list[Any]:
    """Return the events of a stream."""
    async with client(world, owner) as theirs:
        given: dict[str, Any] = {"file": ("talk.wav", TWELVE_SECONDS), "model": "whisper-1", **fields}
        return [event async for event in await theirs.audio.transcriptions.create(stream=True, **given)]


async def planned(world: World, owner: str, chunks: int) -> UUID:
    """Wait for an owner's only run, and put chunks of 10 s into its ledger, all planned; nobody works on it."""
    pool = world.database.pool
    await eventually(lambda: world.count("unit", owner))
    run_id: UUID = await pool.fetchval(
        "UPDATE unit SET state = 'done' WHERE owner = $1 RETURNING run_id", owner
    )
    await pool.execute(
        "INSERT INTO chunk (run_id, index, start_sample, end_sample)"
        " SELECT $1, n, n * 160000, (n + 1) * 160000 FROM generate_series(0, $2::int - 1) n",
        run_id,
        chunks,
    )
    await pool.execute(
        "UPDATE transcript_run SET planned = true, units_left = $2, planned_samples = 160000 * $2 WHERE id = $1",
        run_id,
        chunks,
    )
    return run_id


async def finish(world: World, run_id: UUID, index: int, text: str) -> None:
    """Let a chunk be done, with one segment."""
    async with world.database.pool.acquire() as connection, connection.transaction():
        run = await lock_run(connection, run_id)
        await connection.execute(
            "INSERT INTO segment (run_id, index, start_s, end_s, text, confidence)"
            " VALUES ($1, $2::int * 1000, $2 * 10, $2 * 10 + 9, $3, 1)",
            run_id,
            index,
            text,
        )
        await connection.execute(
            "UPDATE chunk SET done_at = now() WHERE run_id = $1 AND index = $2", run_id, index
        )
        await change_run(connection, run, Change(starts=True, units_ended=1, chunks_done=1))
    world.relay.tell()
