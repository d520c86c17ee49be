"""Whatever happens, a client gets a problem document, a request id, and nothing that it should not see."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientPayloadError, ClientSession, web
from aiohttp.test_utils import TestClient, TestServer

from lingoloop_common.errors import Problem
from lingoloop_common.http import HttpServer, json_response, ops_app, public_app

Client = TestClient[web.Request, web.Application]


async def fine(request: web.Request) -> web.Response:
    return json_response({"a": 1})


async def wrong(request: web.Request) -> web.Response:
    raise Problem("invalid_value", "limit must be a number", parameter="limit")


async def unauthorized(request: web.Request) -> web.Response:
    raise Problem("unauthorized", "send a token")


async def broken(request: web.Request) -> web.Response:
    raise RuntimeError("password hunter2 in /etc/secret")


async def away(request: web.Request) -> web.Response:
    raise ConnectionRefusedError("10.0.0.7 port 5432")


async def cut_off(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"half")
    raise RuntimeError("in the middle")


async def gone(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b"half")
    raise Problem("not_found", "it was deleted meanwhile")


async def moved(request: web.Request) -> web.Response:
    raise web.HTTPFound("/fine")


async def body(request: web.Request) -> web.Response:
    return json_response({"size": len(await request.read())})


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    app = public_app(
        ("https://app.example",), {"/theirs/": lambda problem: json_response(problem.code, status=418)}
    )
    app.add_routes(
        [
            web.get("/fine", fine),
            web.get("/wrong", wrong),
            web.get("/unauthorized", unauthorized),
            web.get("/broken", broken),
            web.get("/away", away),
            web.get("/cut-off", cut_off),
            web.get("/gone", gone),
            web.get("/moved", moved),
            web.post("/body", body),
            web.get("/theirs/wrong", wrong),
            web.get("/theirs/broken", broken),
            web.get("/theirs/away", away),
        ]
    )
    async with TestClient(TestServer(app)) as client:
        yield client


@pytest.mark.parametrize(("path", "code"), [
    ("wrong", "invalid_value"), ("broken", "internal_error"), ("away", "unavailable"), ("nowhere", "not_found"),
])  # fmt: skip
async def test_below_a_path_problems_have_the_shape_that_its_clients_know(
    client: Client, path: str, code: str
) -> None:
    response = await client.get(f"/theirs/{path}")
    assert (response.status, await response.json()) == (418, code)
    assert response.headers["X-Request-Id"]


async def test_a_problem_is_answered_as_rfc_9457_says(client: Client) -> None:
    response = await client.get("/wrong")
    assert response.status == 422
    assert response.content_type == "application/problem+json"
    assert await response.json() == {
        "type": "about:blank",
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": "limit must be a number",
        "code": "invalid_value",
        "error": "limit must be a number",
        "parameter": "limit",
    }


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("DELETE", "/fine", 405, "method_not_allowed"),
        ("GET", "/unauthorized", 401, "unauthorized"),
        ("GET", "/broken", 500, "internal_error"),
    ],
)
async def test_every_error_has_that_shape(
    client: Client, method: str, path: str, status: int, code: str
) -> None:
    response = await client.request(method, path)
    answer = await response.json()
    assert (response.status, answer["status"], answer["code"]) == (status, status, code)
    assert answer["error"] == answer["detail"]
    assert response.headers["X-Request-Id"]


async def test_a_method_that_is_not_allowed_learns_which_are(client: Client) -> None:
    response = await client.delete("/fine")
    assert {"GET", "HEAD"} <= {*response.headers["Allow"].split(",")}


async def test_a_missing_token_is_asked_for(client: Client) -> None:
    assert (await client.get("/unauthorized")).headers["WWW-Authenticate"] == "Bearer"


async def test_too_large_a_body_is_a_413(client: Client) -> None:
    response = await client.post("/body", data=b"x" * 2 * 2**20)
    assert (response.status, (await response.json())["code"]) == (413, "too_large")


async def test_an_unexpected_error_tells_the_client_nothing(client: Client) -> None:
    response = await client.get("/broken")
    text = await response.text()
    assert response.status == 500
    assert "hunter2" not in text
    assert "RuntimeError" not in text


async def test_a_database_that_is_away_is_a_503_that_says_no_address(client: Client) -> None:
    response = await client.get("/away")
    assert (response.status, (await response.json())["code"]) == (503, "unavailable")
    assert "10.0.0.7" not in await response.text()


@pytest.mark.parametrize("path", ["/cut-off", "/gone"])
async def test_an_answer_that_fails_half_way_does_not_look_whole(client: Client, path: str) -> None:
    response = await client.get(path)
    with pytest.raises(ClientPayloadError):
        await asyncio.wait_for(response.read(), 5)


async def test_a_redirect_is_no_error(client: Client) -> None:
    response = await client.get("/moved", allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (302, "/fine")


async def test_each_request_has_its_own_id(client: Client) -> None:
    ids = {(await client.get("/fine")).headers["X-Request-Id"] for _ in range(3)}
    assert len(ids) == 3


async def test_an_allowed_origin_may_read_answers_and_errors(client: Client) -> None:
    for path in ("/fine", "/wrong", "/nowhere", "/broken"):
        response = await client.get(path, headers={"Origin": "https://app.example"})
        assert response.headers["Access-Control-Allow-Origin"] == "https://app.example"
        assert response.headers["Vary"] == "Origin"
        assert response.headers["Access-Control-Expose-Headers"] == "*"


async def test_no_other_origin_may(client: Client) -> None:
    for headers in ({"Origin": "https://evil.example"}, {}):
        response = await client.get("/fine", headers=headers)
        assert "Access-Control-Allow-Origin" not in response.headers


async def test_a_preflight_names_methods_and_headers(client: Client) -> None:
    asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "PATCH"}
    response = await client.options("/fine", headers=asked)
    assert response.status == 204
    assert "PATCH" in response.headers["Access-Control-Allow-Methods"]
    assert "Authorization" in response.headers["Access-Control-Allow-Headers"]
    refused = await client.options("/fine", headers={**asked, "Origin": "https://evil.example"})
    assert "Access-Control-Allow-Methods" not in refused.headers


# --- operators' endpoints


async def fails() -> None:
    raise ConnectionError("the database is away")


async def passes() -> None:
    pass


async def test_ready_names_what_is_missing() -> None:
    async with TestClient(TestServer(ops_app("gateway", {"database": fails, "broker": passes}))) as client:
        response = await client.get("/readyz")
        assert response.status == 503
        assert await response.json() == {
            "service": "gateway",
            "missing": {"database": "the database is away"},
        }
        assert (await client.get("/healthz")).status == 200


async def test_ready_is_ready_when_nothing_is_missing() -> None:
    async with TestClient(TestServer(ops_app("gateway", {"broker": passes}))) as client:
        response = await client.get("/readyz")
        assert (response.status, (await response.json())["missing"]) == (200, {})


async def test_metrics_are_prometheus_text() -> None:
    async with TestClient(TestServer(ops_app("gateway", {}))) as client:
        assert "lingoloop_outbox_sent_total" in await (await client.get("/metrics")).text()


async def test_a_server_takes_a_free_port_and_lets_it_go() -> None:
    app = web.Application()
    app.add_routes([web.get("/", fine)])
    server = HttpServer(app, host="127.0.0.1", port=0)
    await server.start()
    async with ClientSession() as session:
        async with session.get(server.url) as response:
            assert json.loads(await response.text()) == {"a": 1}
        await server.stop()
        with pytest.raises(OSError, match="Connect call failed"):
            await session.get(server.url)


async def test_a_client_that_goes_away_ends_its_request() -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def slow(request: web.Request) -> web.Response:
        began.set()
        try:
            await asyncio.sleep(600)
        finally:
            ended.set()
        return web.Response()

    app = public_app(())
    app.add_routes([web.get("/", slow)])
    server = HttpServer(app, host="127.0.0.1", port=0)
    await server.start()
    async with ClientSession() as session:
        asking = asyncio.create_task(session.get(server.url).__aenter__())
        await began.wait()
        asking.cancel()
        await asyncio.wait_for(ended.wait(), 10)
    await server.stop()


@pytest.mark.parametrize("path", ["/body", "/nowhere", "/theirs/wrong"])
async def test_an_expectation_that_is_none_is_refused_like_all_else(
    path: str, capfd: pytest.CaptureFixture[str]
) -> None:
    app = public_app((), {"/theirs/": lambda problem: json_response(problem.code, status=418)})
    app.add_routes([web.post("/body", body), web.post("/theirs/wrong", wrong)])
    server = HttpServer(app, host="127.0.0.1", port=0)
    await server.start()
    try:
        async with ClientSession() as session:
            asked = session.post(server.url + path, data=b"x", headers={"Expect": "a miracle"})
            async with asked as response:
                answer = await response.json(content_type=None)
            if path.startswith("/theirs/"):
                assert (response.status, answer) == (418, "expectation_failed")
            else:
                assert (response.status, answer["code"]) == (417, "expectation_failed")
                assert response.content_type == "application/problem+json"
            assert response.headers["X-Request-Id"] in capfd.readouterr().out
            async with session.post(server.url + "/body", data=b"x", expect100=True) as response:
                assert await response.json() == {"size": 1}
    finally:
        await server.stop()
