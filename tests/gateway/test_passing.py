"""Event streams pass through the gateway byte for byte, their refusals too."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from tests import media
from tests.gateway.world import PAGE, World, running_world
from tests.servers import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")

PASSED = ("Content-Type", "Cache-Control", "X-Accel-Buffering", "WWW-Authenticate")


async def both(
    world: World, target: str, headers: Mapping[str, str]
) -> tuple[httpx.Response, httpx.Response]:
    """Return the notifier's answer, and the gateway's."""
    async with httpx.AsyncClient(base_url=world.notifier.url) as direct:
        return await direct.get(target, headers=headers), await world.http.get(target, headers=headers)


async def ended_run(world: World, owner: str) -> str:
    body = await world.accepted(owner, media.wav_of_ms(61_000))
    await world.finished(owner, body["runId"])
    return str(body["runId"])


@pytest.mark.parametrize("named", ["", "?named=1", "?heartbeat=1&lastEventId=2"])
async def test_a_stream_is_passed_on_byte_for_byte_with_its_headers(world: World, named: str) -> None:
    owner = world.new_owner()
    run_id = await ended_run(world, owner)
    headers = {**world.bearer(owner), "Last-Event-ID": "0", "Accept-Encoding": "gzip, br"}
    direct, passed = await both(world, f"/api/runs/{run_id}/events{named}", headers)
    assert passed.status_code == direct.status_code == 200
    assert passed.content == direct.content
    assert passed.content.count(b"id: ") >= 4  # how many depends on what is committed together
    assert [passed.headers.get(name) for name in PASSED] == [direct.headers.get(name) for name in PASSED]
    assert passed.headers["Content-Type"] == "text/event-stream"
    assert "Content-Encoding" not in passed.headers


@pytest.mark.parametrize(
    ("what", "status"), [("no token", 401), ("another owner", 404), ("no scope", 403), ("the last id", 204)]
)
async def test_the_notifiers_statuses_are_passed_on(world: World, what: str, status: int) -> None:
    owner = world.new_owner()
    run_id = await ended_run(world, owner)
    seq = await world.database.pool.fetchval("SELECT seq FROM transcript_run WHERE id::text = $1", run_id)
    headers = {
        "no token": {},
        "another owner": world.bearer(world.new_owner()),
        "no scope": world.bearer(owner, "admin"),
        "the last id": {**world.bearer(owner), "Last-Event-ID": str(seq)},
    }[what]
    direct, passed = await both(world, f"/api/runs/{run_id}/events", headers)
    assert passed.status_code == direct.status_code == status
    assert passed.content == direct.content
    assert [passed.headers.get(name) for name in PASSED] == [direct.headers.get(name) for name in PASSED]


async def test_frames_arrive_as_they_are_written(idle_world: World) -> None:
    owner = idle_world.new_owner()
    body = await idle_world.accepted(owner, media.wav_of_ms(61_000))
    async with idle_world.http.stream(
        "GET", f"/api/runs/{body['runId']}/events", headers=idle_world.bearer(owner)
    ) as stream:
        lines = stream.aiter_lines()
        async for line in lines:
            if '"event":"init"' in line:
                break
        await idle_world.fail_plan(owner, "not_audio", "no sound")
        rest = [line async for line in lines]
    assert any('"event":"done"' in line for line in rest)


async def test_the_owners_stream_is_passed_on_too(idle_world: World) -> None:
    owner = idle_world.new_owner()
    async with idle_world.http.stream(
        "GET", f"/api/runs/events?access_token={idle_world.token(owner)}"
    ) as stream:
        lines = stream.aiter_lines()
        async for line in lines:
            if '"event":"snapshot"' in line:
                break
        body = await idle_world.accepted(owner, model="long")
        async for line in lines:
            if line.startswith("data: "):
                assert body["runId"] in line
                break


async def test_cors_headers_are_the_gateways_and_come_once(world: World) -> None:
    owner = world.new_owner()
    run_id = await ended_run(world, owner)
    response = await world.http.get(
        f"/api/runs/{run_id}/events", headers={**world.bearer(owner), "Origin": PAGE}
    )
    assert response.headers.get_list("Access-Control-Allow-Origin") == [PAGE]
    assert response.headers.get_list("Vary") == ["Origin"]


async def test_a_notifier_that_is_down_is_503_and_the_rest_goes_on(idle_world: World) -> None:
    owner = idle_world.new_owner()
    body = await idle_world.accepted(owner, model="long")
    idle_world.notifier_url["url"] = f"http://127.0.0.1:{free_port()}"
    try:
        response = await idle_world.get(owner, f"/api/runs/{body['runId']}/events")
        assert (response.status_code, response.json()["code"]) == (503, "unavailable")
        assert (await idle_world.get(owner, f"/api/runs/{body['runId']}/progress")).status_code == 200
    finally:
        idle_world.notifier_url.clear()
    async with idle_world.http.stream(
        "GET", f"/api/runs/{body['runId']}/events", headers=idle_world.bearer(owner)
    ) as stream:
        assert stream.status_code == 200


async def test_a_notifier_that_breaks_off_ends_the_stream(idle_world: World) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n: hi\n\r\n"
        )
        await writer.drain()
        writer.transport.abort()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        idle_world.notifier_url["url"] = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            response = await idle_world.get("ann", "/api/runs/events")
        finally:
            idle_world.notifier_url.clear()
    assert response.status_code == 200
    assert b": hi\n".startswith(response.content)


async def test_a_gateway_that_stops_ends_its_streams_with_a_pause_that_differs(
    migrated_url: str, own_folder: Path
) -> None:
    texts: list[str] = []
    opened = asyncio.Semaphore(0)

    async def read(world: World) -> None:
        async with world.http.stream("GET", "/api/runs/events", headers=world.bearer("ann")) as stream:
            text = ""
            async for part in stream.aiter_text():
                if not text:
                    opened.release()
                text += part
        texts.append(text)

    async with running_world(migrated_url, own_folder, transcribes=False) as world:
        reading = [asyncio.create_task(read(world)) for _ in range(10)]
        for _ in reading:
            await opened.acquire()
        begin = time.monotonic()
        await world.gateway.stop()
        await asyncio.gather(*reading)
    assert time.monotonic() - begin < 4
    pauses = {text.rpartition("retry: ")[2] for text in texts}
    assert all(text.endswith("\n\n") and text.count("retry: ") == 2 for text in texts)
    assert len(pauses) > 5
