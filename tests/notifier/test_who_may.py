"""A stream that may not be opened is refused with a status, before its first byte."""

import asyncio
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import jwt
import pytest
import structlog

from lingoloop_common.store.forecast import Forecasts
from lingoloop_notifier.history import Opening, RunHistory
from tests.notifier.world import PAGE, SECRET, World, path
from tests.rows import AddedRun

pytestmark = pytest.mark.asyncio(loop_scope="module")

OTHER_SECRET = "another-secret-that-is-long-enough-0123456789"


def claims(**changed: object) -> dict[str, object]:
    return {"sub": "ann", "scope": "runs:read", "exp": int(time.time()) + 60, **changed}


def without(name: str) -> dict[str, object]:
    return {key: value for key, value in claims().items() if key != name}


REFUSED: dict[str, Callable[[], str]] = {
    "no token": lambda: "",
    "another scheme": lambda: "Basic YW5uOnB3",
    "an empty token": lambda: "Bearer ",
    "garbage": lambda: "Bearer garbage",
    "an expired token": lambda: "Bearer " + jwt.encode(claims(exp=int(time.time()) - 31), SECRET),
    "another secret": lambda: "Bearer " + jwt.encode(claims(), OTHER_SECRET),
    "algorithm none": lambda: "Bearer " + jwt.encode(claims(), "", algorithm="none"),
    "another algorithm": lambda: "Bearer " + jwt.encode(claims(), SECRET + SECRET, algorithm="HS512"),
    "no expiry": lambda: "Bearer " + jwt.encode(without("exp"), SECRET),
    "no subject": lambda: "Bearer " + jwt.encode(without("sub"), SECRET),
    "an empty subject": lambda: "Bearer " + jwt.encode(claims(sub=""), SECRET),
    "a subject with a NUL": lambda: "Bearer " + jwt.encode(claims(sub="a\0b"), SECRET),
    "not valid yet": lambda: "Bearer " + jwt.encode(claims(nbf=int(time.time()) + 60), SECRET),
}


@pytest.mark.parametrize("scope", ["run", "owner"])
@pytest.mark.parametrize("how", REFUSED)
async def test_without_a_good_token_the_status_is_401(world: World, how: str, scope: str) -> None:
    run = await world.add_run(world.new_owner()) if scope == "run" else None
    headers = {"Authorization": REFUSED[how]()} if REFUSED[how]() else {}
    async with world.open(path(run), headers) as listener:
        body = await listener.response.json(content_type="application/problem+json")
    assert (listener.status, body["code"]) == (401, "unauthorized")
    assert listener.response.headers["WWW-Authenticate"] == "Bearer"


async def test_a_token_of_bytes_that_are_no_text_is_401(world: World) -> None:
    url = urlsplit(world.server.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(b"GET /api/runs/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xfe.e30.x\r\n\r\n")
    assert await reader.readline() == b"HTTP/1.1 401 Unauthorized\r\n"
    writer.close()


@pytest.mark.parametrize("scope", ["run", "owner"])
@pytest.mark.parametrize("scopes", ["", "admin", "runs", "runs:rea", "runs:read2"])
async def test_without_the_scope_the_status_is_403(world: World, scopes: str, scope: str) -> None:
    owner = world.new_owner()
    run = await world.add_run(owner) if scope == "run" else None
    async with world.open(path(run), {"Authorization": f"Bearer {world.token(owner, scopes)}"}) as listener:
        assert listener.status == 403


async def test_writing_includes_reading(world: World) -> None:
    owner = world.new_owner()
    run = await world.add_run(owner)
    headers = {"Authorization": f"Bearer {world.token(owner, 'runs:write')}"}
    async with world.open(path(run), headers) as listener:
        assert (await listener.next()).kind == "init"


async def test_another_owners_run_is_not_found(world: World) -> None:
    run = await world.add_run(world.new_owner())
    async with world.listen(world.new_owner(), run) as listener:
        assert listener.status == 404


async def test_another_owners_run_is_not_found_by_an_admin_either(world: World) -> None:
    run = await world.add_run(world.new_owner())
    token = world.token(world.new_owner(), "admin runs:read runs:write")
    async with world.open(path(run), {"Authorization": f"Bearer {token}"}) as listener:
        assert listener.status == 404


@pytest.mark.parametrize(
    "run_id", ["019a0000-0000-7000-8000-000000000000", "nonsense", "1", "%00", "..%2F..", "00000000"]
)
async def test_a_run_that_does_not_exist_is_not_found(world: World, run_id: str) -> None:
    headers = {"Authorization": f"Bearer {world.token(world.new_owner())}"}
    async with world.open(f"/api/runs/{run_id}/events", headers) as listener:
        assert listener.status == 404
        assert listener.response.content_type == "application/problem+json"


async def test_another_owners_run_is_not_found_with_a_last_id_either(world: World) -> None:
    run = await world.add_run(world.new_owner())
    await world.finish(run)
    async with world.listen(world.new_owner(), run, 2) as listener:
        assert listener.status == 404


async def test_another_owners_events_are_nobodys_history(world: World) -> None:
    owner, forecasts = world.new_owner(), Forecasts(world.database, max_age=1)
    run = await world.add_run(owner)
    mine, theirs = [
        RunHistory(world.database, forecasts, run.run_id, name) for name in (owner, world.new_owner())
    ]
    assert [event.number for event in await mine.after(0) or ()] == [1]
    assert await theirs.after(0) is None


async def test_a_strangers_request_is_no_part_of_the_owners_stream(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, stranger = world.new_owner(), world.new_owner()
    run = await world.add_run(owner)
    asked, answer = asyncio.Event(), asyncio.Event()
    opening = RunHistory.opening

    async def held(self: RunHistory) -> Opening:
        asked.set()
        await answer.wait()
        return await opening(self)

    async def refused() -> int:
        async with world.listen(stranger, run) as listener:
            return listener.status

    with monkeypatch.context() as patch:
        patch.setattr(RunHistory, "opening", held)
        first = asyncio.create_task(refused())
        await asked.wait()
    async with world.listen(owner, run) as listener:
        await listener.next()
        answer.set()
        assert await first == 404
        with world.held_broker.losing():
            await world.change(run)
        world.held_broker.on_reconnect()
        assert (await listener.next()).id == "2"


async def test_the_token_may_stand_in_the_query_since_a_browser_cannot_set_a_header(world: World) -> None:
    owner = world.new_owner()
    run = await world.add_run(owner)
    for target in (path(run), path(None)):
        async with world.open(f"{target}?access_token={world.token(owner)}") as listener:
            assert (await listener.next()).kind in ("init", "snapshot")


async def test_a_bad_token_in_the_query_is_401(world: World) -> None:
    async with world.open(f"{path(None)}?access_token=x.y.z") as listener:
        assert listener.status == 401


async def test_no_token_is_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    owner = world.new_owner()
    run: AddedRun = await world.add_run(owner)
    await world.finish(run)
    good, bad = world.token(owner), jwt.encode(claims(), OTHER_SECRET)
    caplog.set_level("DEBUG")
    with structlog.testing.capture_logs() as entries:
        for token in (good, bad):
            async with world.open(f"{path(run)}?access_token={token}") as listener:
                await listener.response.read()
            async with world.open(path(run), {"Authorization": f"Bearer {token}"}) as listener:
                await listener.response.read()
        while sum(entry["event"] == "request" for entry in entries) < 4:
            async with world.open("/nowhere") as listener:
                await listener.response.read()
    logged = repr(entries) + caplog.text
    assert f"{run.run_id}" in logged
    for part in (*good.split("."), *bad.split(".")[1:]):
        assert part not in logged


async def test_a_page_of_an_allowed_origin_may_read_the_stream(world: World) -> None:
    owner = world.new_owner()
    run = await world.add_run(owner)
    async with world.listen(owner, run, headers={"Origin": PAGE}) as listener:
        assert listener.response.headers["Access-Control-Allow-Origin"] == PAGE
        assert listener.response.headers["Vary"] == "Origin"
        await listener.next()


async def test_a_page_of_another_origin_may_not(world: World) -> None:
    owner = world.new_owner()
    run = await world.add_run(owner)
    async with world.listen(owner, run, headers={"Origin": "https://evil.example"}) as listener:
        assert "Access-Control-Allow-Origin" not in listener.response.headers


async def test_a_page_of_an_allowed_origin_may_read_why_it_was_refused(world: World) -> None:
    async with world.open(path(None), {"Origin": PAGE}) as listener:
        assert listener.status == 401
        assert listener.response.headers["Access-Control-Allow-Origin"] == PAGE


@pytest.mark.parametrize(("origin", "allowed"), [(PAGE, True), ("https://evil.example", False)])
async def test_a_preflight_needs_no_token_and_tells_allowed_origins_what_they_may(
    world: World, origin: str, allowed: bool
) -> None:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization",
    }
    async with world.session.options(world.server.url + path(None), headers=asked) as response:
        assert response.status == 204
        assert (response.headers.get("Access-Control-Allow-Origin") == origin) == allowed
        assert ("Authorization" in response.headers.get("Access-Control-Allow-Headers", "")) == allowed
        assert ("*" in response.headers.get("Access-Control-Allow-Headers", "")) == allowed


@pytest.mark.parametrize(("method", "target", "status"), [
    ("GET", "/api/nothing", 404), ("GET", "/", 404), ("POST", "/api/runs/events", 405), ("DELETE", "/api/runs/x/events", 405),
])  # fmt: skip
async def test_what_is_not_there_is_404_and_a_wrong_method_405(
    world: World, method: str, target: str, status: int
) -> None:
    async with world.session.request(method, world.server.url + target) as response:
        assert response.status == status
        assert response.content_type == "application/problem+json"
        assert response.headers["X-Request-Id"]
        if status == 405:
            assert response.headers["Allow"] == "GET"
