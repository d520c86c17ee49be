"""`webhookUrl`: whoever brings a recording says who is told of its run's end, by every way in."""

import asyncio
from typing import Any
from uuid import UUID

import httpx
import pytest

from lingoloop_gateway.webhook_urls import NAMED_MOST
from tests import media
from tests.gateway.ways_in import ALL
from tests.gateway.world import World
from tests.rows import add_endpoint
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

URL = "https://hooks.example/lingoloop"


async def told_of(world: World, run_id: str) -> list[str]:
    """Return the addresses that are told of a run's end."""
    rows = await world.database.pool.fetch(
        "SELECT e.url FROM run_webhook w JOIN webhook_endpoint e ON e.id = w.endpoint_id JOIN transcript_run r"
        " ON r.id = w.run_id WHERE w.run_id = $1 AND r.owner = e.owner ORDER BY e.url",
        UUID(run_id),
    )
    return [row["url"] for row in rows]


async def deliveries(world: World, owner: str) -> list[dict[str, Any]]:
    """Return what an owner's only endpoint was told, or is to be."""
    [endpoint] = (await world.get(owner, "/api/webhooks")).json()["items"]
    answer = await world.get(owner, f"/api/webhooks/{endpoint['id']}/deliveries")
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


@pytest.mark.parametrize("way", ALL)
async def test_it_is_taken_by_every_way_in(idle_world: World, way: str) -> None:
    owner = idle_world.new_owner()
    run_id = await ALL[way](idle_world, owner, webhookUrl=URL)
    assert isinstance(run_id, str), run_id.text
    assert await told_of(idle_world, run_id) == [URL]
    [endpoint] = (await idle_world.get(owner, "/api/webhooks")).json()["items"]
    assert (endpoint["url"], endpoint["everyRun"]) == (URL, False)
    assert await idle_world.count("webhook_delivery", owner) == 0


@pytest.mark.parametrize("way", ALL)
async def test_without_it_nobody_is_told(idle_world: World, way: str) -> None:
    owner = idle_world.new_owner()
    await ALL[way](idle_world, owner)
    assert await idle_world.count("webhook_endpoint", owner) == 0


@pytest.mark.parametrize("way", ALL)
@pytest.mark.parametrize(
    "url", ["hooks.example", "ftp://hooks.example/", "https://ann:pw@hooks.example/", "https://"]
)
async def test_one_that_is_wrong_is_named_by_every_way_in_and_leaves_nothing(
    idle_world: World, way: str, url: str
) -> None:
    owner = idle_world.new_owner()
    answer = await ALL[way](idle_world, owner, webhookUrl=url)
    assert isinstance(answer, httpx.Response)
    assert (answer.status_code, list(answer.json()["fields"])) == (422, ["webhookUrl"])
    assert await idle_world.count("transcript_run", owner) == (way == "again")
    assert await idle_world.count("webhook_endpoint", owner) == 0


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/", "http://[::1]/", "http://hooks.internal/"])
async def test_whether_it_is_public_shows_only_when_it_is_called(idle_world: World, url: str) -> None:
    body = await idle_world.accepted(idle_world.new_owner(), model="long", webhookUrl=url)
    assert await told_of(idle_world, body["runId"]) == [url]


async def test_an_endpoint_that_is_there_is_used(idle_world: World) -> None:
    owner = idle_world.new_owner()
    endpoint_id = await add_endpoint(idle_world.database.pool, owner=owner, url=URL)
    await add_endpoint(idle_world.database.pool, owner=idle_world.new_owner(), url=URL)
    body = await idle_world.accepted(owner, model="long", webhookUrl=URL)
    named = "SELECT endpoint_id FROM run_webhook WHERE run_id = $1"
    assert await idle_world.database.pool.fetchval(named, UUID(body["runId"])) == endpoint_id
    assert await idle_world.count("webhook_endpoint", owner) == 1


async def test_many_at_once_make_one_endpoint(idle_world: World) -> None:
    owner = idle_world.new_owner()
    bodies = await asyncio.gather(
        *(idle_world.accepted(owner, model="long", webhookUrl=URL) for _ in range(8))
    )
    assert len({body["runId"] for body in bodies}) == 8
    for body in bodies:
        assert await told_of(idle_world, body["runId"]) == [URL]
    assert await idle_world.count("webhook_endpoint", owner) == 1


async def test_one_that_is_deleted_meanwhile_is_made_anew(idle_world: World) -> None:
    owner = idle_world.new_owner()
    endpoint_id = await add_endpoint(idle_world.database.pool, owner=owner, url=URL)
    async with idle_world.database.pool.acquire() as connection, connection.transaction():
        await connection.execute("DELETE FROM webhook_endpoint WHERE id = $1", endpoint_id)
        upload = asyncio.create_task(idle_world.post(owner, media.wav(), model="long", webhookUrl=URL))
        await eventually(idle_world.waits_for_locks)
    answer = await upload
    assert answer.status_code == 202
    assert await told_of(idle_world, answer.json()["runId"]) == [URL]


class TestTheRunThatIsThere:
    """It makes no other run of the same bytes and options; whoever names an address is told all the same."""

    async def test_while_it_is_under_way_all_who_were_named_are_told_of_its_end(
        self, idle_world: World
    ) -> None:
        owner, urls = idle_world.new_owner(), [f"{URL}/{number}" for number in range(3)]
        bodies = [
            await idle_world.accepted(owner, media.wav(), model="long", webhookUrl=url)
            for url in (*urls, urls[0])
        ]
        assert [body.get("reused") for body in bodies] == [None, True, True, True]
        assert await told_of(idle_world, bodies[0]["runId"]) == urls
        assert await idle_world.count("webhook_delivery", owner) == 0

    @pytest.mark.parametrize("again", [False, True])
    async def test_when_it_has_ended_they_are_told_at_once_and_once(
        self, world: World, again: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        owner, sent = world.new_owner(), asyncio.Event()
        first = await world.accepted(owner, media.wav(), model="long")
        await world.finished(owner, first["runId"])
        monkeypatch.setattr(world.relay, "tell", sent.set)
        for _ in range(2):
            if again:
                target = f"/api/audios/{first['audioId']}/transcribe?model=long&webhookUrl={URL}"
                answer = await world.http.post(target, headers=world.bearer(owner))
            else:
                answer = await world.post(owner, media.wav(), model="long", webhookUrl=URL)
            assert (answer.json()["runId"], answer.json()["reused"]) == (first["runId"], True)
            [delivery] = await deliveries(world, owner)
            assert delivery["runId"] == first["runId"]
            assert sent.is_set()

    async def test_a_retry_with_the_same_key_tells_nobody_twice(self, idle_world: World) -> None:
        owner = idle_world.new_owner()
        headers = {**idle_world.bearer(owner), "Idempotency-Key": "k1"}

        async def upload(**query: str) -> httpx.Response:
            query = {"model": "long", **query}
            return await idle_world.http.post(
                "/api/audios", content=media.wav(), params=query, headers=headers
            )

        first, second = await upload(webhookUrl=URL), await upload(webhookUrl=URL)
        assert (first.status_code, second.content) == (202, first.content)
        other = await upload(webhookUrl=f"{URL}/2")
        assert (other.status_code, list(other.json()["fields"])) == (422, ["Idempotency-Key"])
        assert await told_of(idle_world, first.json()["runId"]) == [URL]


@pytest.mark.parametrize("way", ALL)
async def test_only_so_many_addresses_are_named_and_those_that_were_still_work(
    idle_world: World, way: str
) -> None:
    owner = idle_world.new_owner()
    for number in range(NAMED_MOST):
        url = f"{URL}/{number}"
        await add_endpoint(idle_world.database.pool, owner=owner, url=url, every_run=False)
    answer = await ALL[way](idle_world, owner, webhookUrl=URL)
    assert isinstance(answer, httpx.Response)
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert answer.json()["detail"].startswith("webhookUrl: ")
    assert await idle_world.count("transcript_run", owner) == (way == "again")
    assert await idle_world.count("webhook_endpoint", owner) == NAMED_MOST
    run_id = await ALL[way](idle_world, owner, webhookUrl=f"{URL}/7")
    assert isinstance(run_id, str)
    assert await told_of(idle_world, run_id) == [f"{URL}/7"]
