"""What is no HTTP, or leads nowhere, is answered like everything else: a problem, with an id that the log has too."""

import asyncio
from urllib.parse import urlsplit

import httpx
import pytest
import structlog

from lingoloop_gateway.description.document import openapi
from lingoloop_gateway.description.table import ROUTES
from tests.gateway.contract import Contract
from tests.gateway.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(("request_line", "status"), [
    (b"NONSENSE", 400), (b"GET / HTTP/9.9", 400), (b"GET /api/runs HTTP/1.1\r\nbad header", 400),
    (b"GET /api/runs HTTP/1.1\r\nX: " + b"y" * 20_000, 400), (b"GET /nowhere HTTP/1.1", 404), (b"PUT /api/runs HTTP/1.1", 405),
])  # fmt: skip
async def test_what_is_no_http_or_has_no_route_is_a_problem_with_an_id_too(
    idle_world: World, request_line: bytes, status: int
) -> None:
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
        response = await send_bytes(idle_world, request_line + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"
    [line] = [line for line in logs if line["event"] == "request"]
    assert (line["request_id"], line["status"]) == (response.headers["X-Request-Id"], status)
    body = response.json()
    assert body["status"] == status
    assert "yyyy" not in response.text
    assert Contract(openapi(ROUTES, version="0")).refusal("/", response.content) is None


async def send_bytes(world: World, data: bytes) -> httpx.Response:
    """Send bytes as they are, and read what comes back."""
    url = urlsplit(world.gateway.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(data)
    answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return httpx.Response(int(first.split()[1]), headers=headers, content=body)
