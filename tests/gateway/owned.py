"""What an owner may have, some of each, so that every call about one has something to be about."""

import json
from typing import Any
from uuid import UUID

from lingoloop_common.store.ids import new_id
from tests.gateway.tus_client import TusClient, metadata
from tests.gateway.world import World


async def owned_by(world: World, owner: str) -> dict[str, Any]:
    """Return a recording with its run, of which a segment is there, an upload that has only begun, a webhook with a delivery."""
    recording = await world.accepted(owner, model="long", filename="secret-name.wav")
    await world.database.pool.execute(
        "INSERT INTO segment (run_id, index, start_s, end_s, text, confidence, words)"
        " VALUES ($1, 0, 0, 1, 'secret-word', 1, '[]')",
        UUID(recording["runId"]),
    )
    client = TusClient(world, owner)
    upload = await client.create(9, Upload_Metadata=metadata(filename="secret-name.wav"))
    return {
        **recording,
        "uploadId": upload.rpartition("/")[2],
        **await told(world, owner, recording["runId"]),
    }


async def told(world: World, owner: str, run_id: str) -> dict[str, str]:
    """Let an owner have a webhook, and one delivery that has arrived there; return their ids."""
    sent = {"url": "https://secret-name.example/"}
    answer = await world.http.post("/api/webhooks", json=sent, headers=world.bearer(owner))
    delivery_id, endpoint_id = new_id(), answer.json()["id"]
    await world.database.pool.execute(
        "INSERT INTO webhook_delivery (id, endpoint_id, owner, run_id, event_id, event_type, body, state, tries,"
        " status_code, delivered_at) VALUES ($1, $2, $3, $4, $5, 'lingoloop.run.done.v1', $6, 'delivered', 1, 204, now())",
        delivery_id,
        UUID(endpoint_id),
        owner,
        UUID(run_id),
        new_id(),
        json.dumps({"data": "secret-word"}),
    )
    return {"endpointId": endpoint_id, "deliveryId": str(delivery_id)}
