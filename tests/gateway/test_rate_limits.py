"""So many requests a minute from an address and for an owner; then 429, before anything is read or done."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import httpx
import openai
import pytest

from lingoloop_common import rates
from tests import media
from tests.gateway.their_client import ask
from tests.gateway.world import World, running_world


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """All requests of a test come in one moment, however long they take."""
    monkeypatch.setattr(rates, "time", SimpleNamespace(monotonic=lambda: 1000.0))


def told(answer: httpx.Response) -> tuple[int, str | None]:
    return answer.status_code, answer.headers.get("Retry-After")


async def statuses(world: World, owner: str, count: int) -> list[int]:
    return [(await world.get(owner, "/api/runs")).status_code for _ in range(count)]


async def test_an_owner_has_a_minutes_worth_and_others_have_their_own(
    migrated_url: str, own_folder: Path
) -> None:
    async with running_world(migrated_url, own_folder, transcribes=False, rate_limit_per_owner=3) as world:
        assert await statuses(world, "ann", 5) == [200] * 3 + [429] * 2
        assert await statuses(world, "bob", 1) == [200]
        answer = await world.get("ann", "/api/runs")
        assert told(answer) == (429, "20")
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert (answer.json()["code"], answer.json()["retryAfter"]) == ("too_many_requests", 20)
        assert answer.headers["X-Request-Id"]
        with pytest.raises(openai.RateLimitError) as caught:
            await ask(world, "ann")
        assert (caught.value.code, caught.value.type) == ("rate_limit_exceeded", "requests")
        assert caught.value.response.headers["Retry-After"]


async def test_nothing_of_a_body_is_read(migrated_url: str, own_folder: Path) -> None:
    async with running_world(migrated_url, own_folder, transcribes=False, rate_limit_per_owner=1) as world:
        await statuses(world, "ann", 1)
        [(name, value)] = world.bearer("ann").items()
        url = urlsplit(world.gateway.url)
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        head = (
            f"POST /api/audios HTTP/1.1\r\nHost: x\r\n{name}: {value}\r\nContent-Length: 1000000000\r\n\r\n"
        )
        writer.write(head.encode())
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        writer.close()
        assert answer.startswith(b"HTTP/1.1 429 ")


async def test_an_address_is_counted_whatever_it_asks_and_shows(migrated_url: str, own_folder: Path) -> None:
    wrong = {"Authorization": "Bearer guess"}
    async with running_world(migrated_url, own_folder, transcribes=False, rate_limit_per_address=4) as world:
        given = [
            await world.http.get("/api/runs", headers=wrong),
            await world.http.post("/api/audios", headers=wrong, content=media.wav()),
            await world.http.get("/nowhere"),
            await world.http.get("/api/runs", headers={**wrong, "X-Forwarded-For": "203.0.113.9"}),
            await world.get("ann", "/api/runs"),
            await world.http.get("/nowhere"),
            await world.http.post("/v1/audio/transcriptions"),
        ]
        assert [answer.status_code for answer in given] == [401, 401, 404, 401, 429, 429, 429]
        assert told(given[4]) == (429, "15")
        assert given[6].json()["error"]["code"] == "rate_limit_exceeded"


async def test_behind_a_trusted_proxy_each_client_has_its_own(migrated_url: str, own_folder: Path) -> None:
    settings = {"rate_limit_per_address": 2, "trusted_proxies": "127.0.0.0/8, ::1"}
    async with running_world(migrated_url, own_folder, transcribes=False, **settings) as world:

        async def ask_from(address: str) -> int:
            return (await world.http.get("/nowhere", headers={"X-Forwarded-For": address})).status_code

        assert [await ask_from("203.0.113.9") for _ in range(3)] == [404, 404, 429]
        assert await ask_from("203.0.113.10") == 404
        assert await ask_from("192.0.2.1, 203.0.113.9") == 429, "the client writes the first itself"


async def test_0_is_no_limit(migrated_url: str, own_folder: Path) -> None:
    settings = {"rate_limit_per_owner": 0, "rate_limit_per_address": 0}
    async with running_world(migrated_url, own_folder, transcribes=False, **settings) as world:
        assert await statuses(world, "ann", 20) == [200] * 20


async def test_streams_count_for_their_owner_at_both_doors(migrated_url: str, own_folder: Path) -> None:
    async with running_world(migrated_url, own_folder, transcribes=False, rate_limit_per_owner=2) as world:
        for door in (world.gateway.url, world.notifier.url):
            async with world.http.stream(
                "GET", f"{door}/api/runs/events", headers=world.bearer("ann")
            ) as answer:
                assert answer.status_code == 200
        for door in (world.gateway.url, world.notifier.url):
            refused = await world.http.get(f"{door}/api/runs/events", headers=world.bearer("ann"))
            assert told(refused) == (429, "30")


async def test_the_notifiers_own_door_counts_addresses_too(migrated_url: str, own_folder: Path) -> None:
    async with running_world(migrated_url, own_folder, transcribes=False, rate_limit_per_address=3) as world:
        door = f"{world.notifier.url}/api/runs/events"
        wrong = {"Authorization": "Bearer guess"}
        given = [await world.http.get(door, headers=wrong) for _ in range(4)]
        assert [answer.status_code for answer in given] == [401, 401, 401, 429]
        assert told(given[3]) == (429, "20")
        assert (await world.http.get(door, headers=world.bearer("ann"))).status_code == 429


async def test_a_notifier_that_trusts_its_gateway_counts_who_asked_it(
    migrated_url: str, own_folder: Path
) -> None:
    """The gateway says on whose behalf it asks, after what its own proxy says; a client's own word counts for nothing."""
    settings = {"rate_limit_per_address": 2, "trusted_proxies": "127.0.0.0/8"}
    async with running_world(migrated_url, own_folder, transcribes=False, **settings) as world:

        async def statuses_of(door: str, address: str, count: int) -> list[int]:
            headers = {"X-Forwarded-For": address, "Authorization": "Bearer guess"}
            target = f"{door}/api/runs/events"
            return [(await world.http.get(target, headers=headers)).status_code for _ in range(count)]

        assert await statuses_of(world.gateway.url, "192.0.2.1, 203.0.113.9", 2) == [401, 401]
        assert await statuses_of(world.notifier.url, "203.0.113.9", 1) == [429], "it was counted there too"
        assert await statuses_of(world.gateway.url, "203.0.113.10", 1) == [401]
        assert await statuses_of(world.notifier.url, "192.0.2.1", 1) == [401]


async def test_by_default_tabs_that_poll_each_second_are_far_below(
    migrated_url: str, own_folder: Path
) -> None:
    """Ten tabs for a minute, at once."""
    async with running_world(migrated_url, own_folder, transcribes=False) as world:
        assert set(await statuses(world, "ann", 600)) == {200}
