"""A run keeps the trace and the id of the request that its work goes back to."""

import httpx
import pytest

from tests import media
from tests.gateway.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONTEXT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
LONG = media.wav_of_ms(400_000)


async def kept(world: World, run_id: str) -> tuple[str | None, str | None]:
    row = await world.database.pool.fetchrow(
        "SELECT traceparent, request_id FROM transcript_run WHERE id::text = $1", run_id
    )
    assert row is not None
    return row["traceparent"], row["request_id"]


def asked(answer: httpx.Response, context: str | None) -> tuple[str | None, str]:
    assert answer.status_code == 202
    return context, answer.headers["X-Request-Id"]


async def test_of_its_upload_and_then_of_its_retry(idle_world: World) -> None:
    owner, http = idle_world.new_owner(), idle_world.http
    headers = idle_world.bearer(owner)
    upload = await http.post("/api/audios", content=LONG, headers={**headers, "traceparent": CONTEXT})
    run_id = upload.json()["runId"]
    assert await kept(idle_world, run_id) == asked(upload, CONTEXT)
    await http.post(f"/api/runs/{run_id}/cancel", headers={**headers, "traceparent": CONTEXT[:-2] + "00"})
    assert await kept(idle_world, run_id) == asked(upload, CONTEXT)  # a cancel asks for no work
    retry = await http.post(f"/api/runs/{run_id}/retry", headers=headers)
    assert await kept(idle_world, run_id) == asked(retry, None)


async def test_what_is_no_context_is_not_kept(idle_world: World) -> None:
    headers = idle_world.bearer(idle_world.new_owner()) | {"traceparent": "a-secret", "X-Request-Id": "mine"}
    upload = await idle_world.http.post("/api/audios", content=LONG, headers=headers)
    assert await kept(idle_world, upload.json()["runId"]) == asked(upload, None)
    assert upload.headers["X-Request-Id"] != "mine"
