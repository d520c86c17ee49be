"""A ticket stands in for a token in one path's address: opened within a minute, it may come back for twelve hours."""

import hashlib
from typing import Any

import httpx
import pytest
import pytest_asyncio

from lingoloop_common.keys import PREFIX as KEY
from tests import media
from tests.gateway.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

MADE = "UPDATE ticket SET created_at = now() - make_interval(secs => $2) WHERE sha256 = $1"


async def ticket(world: World, owner: str, path: str) -> str:
    answer = await world.http.post("/api/tickets", json={"path": path}, headers=world.bearer(owner))
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert body["path"] == path
    assert body["expiresAt"].endswith("Z")
    return str(body["ticket"])


async def opened(world: World, path: str, shown: str, **headers: str) -> int:
    """Return the status of what a browser opens; of a stream only the head is read."""
    async with world.http.stream("GET", path, params={"access_token": shown}, headers=headers) as answer:
        return answer.status_code


@pytest_asyncio.fixture(loop_scope="module")
async def run(world: World) -> tuple[str, str]:
    """The owner and the id of a run."""
    owner = world.new_owner()
    body = (await world.post(owner, media.wav())).json()
    return owner, body["runId"]


async def made_before(world: World, shown: str, seconds: float) -> None:
    await world.database.pool.execute(MADE, hashlib.sha256(shown.encode()).digest(), seconds)


@pytest.mark.parametrize("what", ["events", "export"])
async def test_a_ticket_opens_its_path_again_and_again(world: World, run: tuple[str, str], what: str) -> None:
    owner, run_id = run
    path = f"/api/runs/{run_id}/{what}"
    shown = await ticket(world, owner, path)
    assert await opened(world, path, shown) == 200
    await made_before(world, shown, 12 * 3600 - 5)
    assert await opened(world, path, shown) == 200
    await made_before(world, shown, 12 * 3600 + 5)
    assert await opened(world, path, shown) == 401


async def test_it_opens_the_stream_of_all_runs(world: World) -> None:
    owner = world.new_owner()
    shown = await ticket(world, owner, "/api/runs/events")
    assert await opened(world, "/api/runs/events", shown) == 200


async def test_it_opens_nothing_after_a_minute(world: World, run: tuple[str, str]) -> None:
    owner, run_id = run
    path = f"/api/runs/{run_id}/export"
    shown = await ticket(world, owner, path)
    await made_before(world, shown, 55)
    late = await ticket(world, owner, path)
    await made_before(world, late, 61)
    assert await opened(world, path, late) == 401
    assert await opened(world, path, shown) == 200


async def test_it_opens_no_other_path_and_counts_in_no_header(world: World, run: tuple[str, str]) -> None:
    owner, run_id = run
    shown = await ticket(world, owner, f"/api/runs/{run_id}/export")
    assert await opened(world, f"/api/runs/{run_id}/events", shown) == 401
    assert await opened(world, "/api/runs/events", shown) == 401
    assert await opened(world, f"/api/runs/{run_id}/export/", shown) in {401, 404}
    answer = await world.http.get(f"/api/runs/{run_id}/export", headers={"Authorization": f"Bearer {shown}"})
    assert answer.status_code == 401
    assert await opened(world, f"/api/runs/{run_id}/progress", shown) == 401  # takes none in the address


async def test_it_shows_nobody_what_is_not_theirs(world: World, run: tuple[str, str]) -> None:
    _, run_id = run
    path = f"/api/runs/{run_id}/export"
    shown = await ticket(world, world.new_owner(), path)
    assert await opened(world, path, shown) == 404


@pytest.mark.parametrize("shown", ["llt_", "llt_made-up", "llt_ü", "llt_" + "x" * 5000, KEY + "made-up"])
async def test_a_made_up_one_is_refused(world: World, run: tuple[str, str], shown: str) -> None:
    assert await opened(world, f"/api/runs/{run[1]}/export", shown) == 401


BODIES: dict[str, tuple[Any, int]] = {
    "no JSON": (b"{", 400),
    "nothing": (b"", 400),
    "a list": (b"[]", 422),
    "no path": (b"{}", 422),
    "a query": (b'{"path": "/api/runs/events?named=1"}', 422),
    "another host": (b'{"path": "//evil.example/api"}', 422),
    "no text": (b'{"path": 7}', 422),
    "too much": (b'{"path": "/api/x", "scope": "admin"}', 422),
}


@pytest.mark.parametrize("body", BODIES)
async def test_a_wish_that_is_none_is_refused(world: World, body: str) -> None:
    content, status = BODIES[body]
    answer: httpx.Response = await world.http.post(
        "/api/tickets", content=content, headers=world.bearer(world.new_owner())
    )
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"


async def test_what_is_of_no_use_any_more_goes(world: World) -> None:
    owner = world.new_owner()
    late, old, good = [await ticket(world, owner, "/api/runs/events") for _ in range(3)]
    assert await opened(world, "/api/runs/events", old) == 200
    assert await opened(world, "/api/runs/events", good) == 200
    await made_before(world, late, 61)
    await made_before(world, old, 12 * 3600 + 1)
    await made_before(world, good, 3600)
    new = await ticket(world, owner, "/api/runs/events")
    rows = await world.database.pool.fetch("SELECT sha256 FROM ticket WHERE owner = $1", owner)
    kept = {bytes(row["sha256"]) for row in rows}
    assert kept == {hashlib.sha256(one.encode()).digest() for one in (good, new)}
