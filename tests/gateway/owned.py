"""What an owner may have, some of each, so that every call about one has something to be about."""

from typing import Any
from uuid import UUID

from tests.gateway.tus_client import TusClient, metadata
from tests.gateway.world import World


async def owned_by(world: World, owner: str) -> dict[str, Any]:
    """Return a recording with its run, one segment of which is there, and an upload that has only begun."""
    recording = await world.accepted(owner, model="long", filename="secret-name.wav")
    await world.database.pool.execute(
        "INSERT INTO segment (run_id, index, start_s, end_s, text, confidence, words)"
        " VALUES ($1, 0, 0, 1, 'secret-word', 1, '[]')",
        UUID(recording["runId"]),
    )
    client = TusClient(world, owner)
    upload = await client.create(9, Upload_Metadata=metadata(filename="secret-name.wav"))
    return {**recording, "uploadId": upload.rpartition("/")[2]}
