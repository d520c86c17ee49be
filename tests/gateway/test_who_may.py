"""What every answer has, refusals and faults among them. Who may make which call: `test_tenancy`."""

import asyncio
from urllib.parse import urlsplit

import pytest

from tests.gateway.world import PAGE, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

ONE_RUN = "/api/runs/019a0000-0000-7000-8000-000000000000"


async def test_a_token_of_bytes_that_are_no_text_is_401(idle_world: World) -> None:
    url = urlsplit(idle_world.gateway.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(b"GET /api/runs/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xfe.e30.x\r\n\r\n")
    assert await reader.readline() == b"HTTP/1.1 401 Unauthorized\r\n"
    writer.close()


@pytest.mark.parametrize(("method", "target", "status", "allow"), [
    ("GET", "/nothing.txt", 404, None), ("GET", "/api", 404, None), ("GET", "/api/nothing", 404, None), ("POST", "/api/runs/x/y/z", 404, None),
    ("OPTIONS", "/api/nothing", 404, None), ("GET", "/metrics", 404, None), ("GET", "/healthz", 404, None),
    ("PUT", "/api/audios", 405, {"POST", "GET", "HEAD"}),
    ("POST", "/api/audios/x", 405, {"GET", "HEAD", "DELETE"}), ("DELETE", "/api/audios/x/content", 405, {"GET", "HEAD"}), ("DELETE", "/api/runs/x/progress", 405, {"GET", "HEAD"}),
    ("POST", "/api/runs/x/events", 405, {"GET"}),
])  # fmt: skip
async def test_an_unknown_path_is_404_and_a_wrong_method_405_that_says_which_are_right(
    idle_world: World, method: str, target: str, status: int, allow: set[str] | None
) -> None:
    response = await idle_world.http.request(method, target, headers=idle_world.bearer("ann"))
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"
    body = response.json()
    assert (body["status"], body["code"]) == (status, "not_found" if status == 404 else "method_not_allowed")
    assert {"type", "title", "detail", "error"} <= set(body)
    if allow:
        assert set(response.headers["Allow"].replace(" ", "").split(",")) == allow


async def test_every_answer_has_an_id_of_its_own(idle_world: World) -> None:
    answers = [
        await idle_world.http.request(method, path, headers=headers)
        for method, path in [
            ("GET", "/api/runs"), ("GET", ONE_RUN), ("POST", "/api/audios"), ("GET", "/v1/models"), ("HEAD", "/api/runs"),
            ("POST", "/v1/audio/transcriptions"), ("OPTIONS", "/api/uploads"), ("GET", "/api/docs/page.js"), ("GET", "/nowhere"),
        ]
        for headers in (idle_world.bearer("ann"), {})
    ]  # fmt: skip
    answers.append(
        await idle_world.http.options("/api/audios", headers={"Access-Control-Request-Method": "POST"})
    )
    ids = [answer.headers.get("X-Request-Id") for answer in answers]
    assert all(ids)
    assert len(set(ids)) == len(ids)


async def test_an_unexpected_error_is_500_and_keeps_its_text_to_itself(
    idle_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("password=hunter2 in /etc/secret")

    monkeypatch.setattr("lingoloop_gateway.runs.Runs.get", broken)
    response = await idle_world.get("ann", ONE_RUN)
    assert (response.status_code, response.json()["code"]) == (500, "internal_error")
    assert "hunter2" not in response.text
    assert "RuntimeError" not in response.text


async def test_a_database_that_is_away_is_503(idle_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object) -> None:
        raise ConnectionRefusedError("10.1.2.3:5432")

    monkeypatch.setattr("lingoloop_gateway.runs.Runs.get", away)
    response = await idle_world.get("ann", ONE_RUN)
    assert (response.status_code, response.json()["code"]) == (503, "unavailable")
    assert "10.1.2.3" not in response.text


@pytest.mark.parametrize(("origin", "allowed"), [(PAGE, True), ("https://evil.example", False)])
async def test_only_pages_of_allowed_origins_may_read_answers(
    idle_world: World, origin: str, allowed: bool
) -> None:
    preflight = await idle_world.http.options(
        "/api/audios", headers={"Origin": origin, "Access-Control-Request-Method": "POST"}
    )
    answer = await idle_world.http.get("/api/runs/x", headers={"Origin": origin, **idle_world.bearer("ann")})
    assert (preflight.status_code, answer.status_code) == (204, 404)
    for response in (preflight, answer):
        assert (response.headers.get("Access-Control-Allow-Origin") == origin) == allowed
    assert ("POST" in preflight.headers.get("Access-Control-Allow-Methods", "")) == allowed
