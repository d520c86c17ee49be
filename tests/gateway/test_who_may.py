"""Every route, every kind of caller: who is not the owner, or not allowed, learns nothing."""

import asyncio
import time
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import httpx
import jwt
import pytest

from tests import media
from tests.gateway.world import PAGE, SECRET, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

READING = [
    "/api/audios",
    "/api/audios/{audio}",
    "/api/audios/{audio}/content",
    "/api/audios/{audio}/peaks",
    "/api/runs/{run}",
    "/api/runs/{run}/progress",
    "/api/runs/{run}/segments",
    "/api/runs/{run}/export?fmt=txt",
    "/api/runs/{run}/export?fmt=json",
    "/api/runs/{run}/events",
    "/api/runs/events",
    "/v1/models",
    "/v1/models/whisper-1",
]
WRITING = [
    "POST /api/audios",
    "POST /v1/audio/transcriptions",
    "DELETE /api/audios/{audio}",
    "POST /api/audios/{audio}/transcribe",
    "PATCH /api/runs/{run}/segments/0",
    "PUT /api/runs/{run}/speakers",
]
BODIES = {
    "PATCH /api/runs/{run}/segments/0": b'{"text": "x"}',
    "PUT /api/runs/{run}/speakers": b'{"speakers": {}}',
}
ROUTES = [*READING, "POST /api/tickets", *WRITING]
OF_ONE = [route for route in ROUTES if "{" in route]
NOBODYS = "019a0000-0000-7000-8000-000000000000"
NONE_OF_THEM = {"runId": NOBODYS, "audioId": NOBODYS}


def code_of(response: httpx.Response) -> str:
    """Return our code of a refusal, which has the shape that its path's clients know."""
    if response.url.path.startswith("/v1/"):
        assert response.headers["Content-Type"] == "application/json"
        theirs = response.json()["error"]["code"]
        return {"invalid_api_key": "unauthorized", "insufficient_permissions": "forbidden"}[theirs]
    assert response.headers["Content-Type"] == "application/problem+json"
    return str(response.json()["code"])


def signed(secret: str = SECRET, algorithm: str = "HS256", **changed: object) -> str:
    claims = {"sub": "ann", "scope": "runs:read runs:write", "exp": int(time.time()) + 600, **changed}
    return f"Bearer {jwt.encode(claims, secret, algorithm=algorithm)}"


UNKNOWN: dict[str, Callable[[], str | None]] = {
    "no token": lambda: None,
    "garbage": lambda: "Bearer garbage",
    "an expired token": lambda: signed(exp=int(time.time()) - 31),
    "a wrong signature": lambda: signed("another-secret-that-is-long-enough-0123456789"),
    "algorithm none": lambda: signed("", "none"),
    "another scheme": lambda: "Basic YW5uOnB3",
    "no owner": lambda: signed(sub=""),
}


async def send(
    world: World, route: str, authorization: str | None, owned: Mapping[str, str] = NONE_OF_THEM
) -> httpx.Response:
    """Send a request about a run or its audio; of a stream that opens, only the head is read."""
    headers = {"Authorization": authorization} if authorization else {}
    method, _, target = route.rpartition(" ")
    target = target.format(run=owned["runId"], audio=owned["audioId"])
    if target == "/api/audios" and method == "POST":
        return await world.http.post(target, content=media.wav(), params={"model": "long"}, headers=headers)
    content = BODIES.get(route)
    async with world.http.stream(method or "GET", target, content=content, headers=headers) as response:
        if response.headers["Content-Type"] != "text/event-stream":
            await response.aread()
        return response


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("how", UNKNOWN)
async def test_without_a_good_token_every_call_is_401(idle_world: World, how: str, route: str) -> None:
    owned = await idle_world.accepted("ann", model="long")
    before = idle_world.stored()
    response = await send(idle_world, route, UNKNOWN[how](), owned)
    assert (response.status_code, code_of(response)) == (401, "unauthorized")
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert idle_world.stored() == before


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("scope", ["", "admin", "runs", "runs:writer"])
async def test_without_the_scope_every_call_is_403(idle_world: World, route: str, scope: str) -> None:
    owned = await idle_world.accepted("ann", model="long")
    response = await send(idle_world, route, signed(scope=scope), owned)
    assert (response.status_code, code_of(response)) == (403, "forbidden")


@pytest.mark.parametrize("route", WRITING)
async def test_reading_does_not_include_writing(idle_world: World, route: str) -> None:
    assert (await send(idle_world, route, signed(scope="runs:read admin"))).status_code == 403


@pytest.mark.parametrize("route", READING)
@pytest.mark.parametrize("scope", ["runs:read", "runs:write"])
async def test_the_owner_may_read_with_either_scope(idle_world: World, route: str, scope: str) -> None:
    owned = await idle_world.accepted("ann", model="long")
    assert (await send(idle_world, route, signed(scope=scope), owned)).status_code == 200


@pytest.mark.parametrize("route", OF_ONE)
@pytest.mark.parametrize("scope", ["runs:read runs:write", "runs:read runs:write admin"])
async def test_what_is_somebody_elses_is_answered_like_one_that_does_not_exist(
    idle_world: World, route: str, scope: str
) -> None:
    theirs = await idle_world.accepted(idle_world.new_owner(), model="long")
    other = await send(idle_world, route, signed(scope=scope), theirs)
    missing = await send(idle_world, route, signed(scope=scope))
    assert other.status_code == missing.status_code == 404
    assert other.json() == missing.json()


@pytest.mark.parametrize("route", OF_ONE)
@pytest.mark.parametrize("given", ["nonsense", "1", "%00", "%2e%2e", "a%2Fb"])
async def test_an_id_that_is_none_is_404(idle_world: World, route: str, given: str) -> None:
    ids = {"runId": given, "audioId": given}
    assert (await send(idle_world, route, signed(), ids)).status_code == 404


@pytest.mark.parametrize(("route", "status"), [
    ("/api/runs/{run}/export", 200), ("/api/runs/{run}/events", 200), ("/api/runs/events", 200),
    ("/api/audios/{audio}/content", 200),
    ("/v1/models", 401), ("/api/audios", 401), ("/api/audios/{audio}", 401), ("DELETE /api/audios/{audio}", 401), ("POST /api/audios/{audio}/transcribe", 401), ("/api/runs/{run}", 401), ("/api/runs/{run}/progress", 401), ("/api/runs/{run}/segments", 401),
])  # fmt: skip
async def test_a_token_in_the_query_is_taken_only_where_a_browser_cannot_set_a_header(
    idle_world: World, route: str, status: int
) -> None:
    owned = await idle_world.accepted("ann", model="long")
    target = f"{route}?access_token={signed().removeprefix('Bearer ')}"
    assert (await send(idle_world, target, None, owned)).status_code == status


@pytest.mark.parametrize("path", ["/api/audios", "/v1/audio/transcriptions"])
async def test_an_upload_does_not_take_a_token_in_the_query(idle_world: World, path: str) -> None:
    response = await idle_world.http.post(
        path, content=media.wav(), params={"access_token": idle_world.token("ann")}
    )
    assert response.status_code == 401


async def test_a_token_of_bytes_that_are_no_text_is_401(idle_world: World) -> None:
    url = urlsplit(idle_world.gateway.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(b"GET /api/runs/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xfe.e30.x\r\n\r\n")
    assert await reader.readline() == b"HTTP/1.1 401 Unauthorized\r\n"
    writer.close()


@pytest.mark.parametrize(("method", "target", "status", "allow"), [
    ("GET", "/", 404, None), ("GET", "/api", 404, None), ("GET", "/api/nothing", 404, None), ("POST", "/api/runs/x/y/z", 404, None),
    ("OPTIONS", "/api/nothing", 404, None), ("GET", "/metrics", 404, None), ("GET", "/healthz", 404, None),
    ("PUT", "/api/audios", 405, {"POST", "GET", "HEAD"}),
    ("POST", "/api/audios/x", 405, {"GET", "HEAD", "DELETE"}), ("DELETE", "/api/audios/x/content", 405, {"GET", "HEAD"}), ("DELETE", "/api/runs/x/progress", 405, {"GET", "HEAD"}),
    ("POST", "/api/runs/x/events", 405, {"GET"}),
])  # fmt: skip
async def test_an_unknown_path_is_404_and_a_wrong_method_405_that_says_which_are_right(
    idle_world: World, method: str, target: str, status: int, allow: set[str] | None
) -> None:
    response = await idle_world.http.request(method, target, headers={"Authorization": signed()})
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"
    body = response.json()
    assert (body["status"], body["code"]) == (status, "not_found" if status == 404 else "method_not_allowed")
    assert {"type", "title", "detail", "error"} <= set(body)
    if allow:
        assert set(response.headers["Allow"].replace(" ", "").split(",")) == allow


async def test_every_answer_has_an_id_of_its_own(idle_world: World) -> None:
    owned = await idle_world.accepted("ann", model="long")
    answers = [
        await send(idle_world, route, authorization, owned)
        for route in [*ROUTES, "/nowhere"]
        for authorization in (signed(), None)
    ]
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
    response = await send(idle_world, "/api/runs/{run}", signed())
    assert (response.status_code, response.json()["code"]) == (500, "internal_error")
    assert "hunter2" not in response.text
    assert "RuntimeError" not in response.text


async def test_a_database_that_is_away_is_503(idle_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object) -> None:
        raise ConnectionRefusedError("10.1.2.3:5432")

    monkeypatch.setattr("lingoloop_gateway.runs.Runs.get", away)
    response = await send(idle_world, "/api/runs/{run}", signed())
    assert (response.status_code, response.json()["code"]) == (503, "unavailable")
    assert "10.1.2.3" not in response.text


@pytest.mark.parametrize(("origin", "allowed"), [(PAGE, True), ("https://evil.example", False)])
async def test_only_pages_of_allowed_origins_may_read_answers(
    idle_world: World, origin: str, allowed: bool
) -> None:
    preflight = await idle_world.http.options(
        "/api/audios", headers={"Origin": origin, "Access-Control-Request-Method": "POST"}
    )
    answer = await idle_world.http.get("/api/runs/x", headers={"Origin": origin, "Authorization": signed()})
    assert (preflight.status_code, answer.status_code) == (204, 404)
    for response in (preflight, answer):
        assert (response.headers.get("Access-Control-Allow-Origin") == origin) == allowed
    assert ("POST" in preflight.headers.get("Access-Control-Allow-Methods", "")) == allowed
