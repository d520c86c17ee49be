"""Uploads over gateways that are processes of their own: two at once, and one that is killed while it puts parts together."""

import asyncio
import contextlib
import hashlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import asyncpg
import httpx
import pytest

from tests import media
from tests.fleet import Fleet, Service
from tests.gateway.tus_client import BYTES
from tests.rows import add_worker
from tests.servers import free_port
from tests.waiting import eventually

PIECE = 300_000


def talk(size: int) -> bytes:
    """Return a recording whose bytes are unlike each other."""
    return media.wav_of_size(size)[:44] + os.urandom(size - 44)


@pytest.fixture
async def fleet(migrated_url: str, rabbitmq_url: str, tmp_path: Path) -> AsyncIterator[Fleet]:
    """No service yet; their lane is known."""
    connection = await asyncpg.connect(migrated_url)
    await add_worker(connection)
    await connection.close()
    fleet = Fleet(tmp_path, migrated_url, rabbitmq_url, ENGINE="simulated")
    yield fleet
    fleet.stop()


def client(fleet: Fleet, url: str) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {fleet.token()}", "Tus-Resumable": "1.0.0"}
    return httpx.AsyncClient(base_url=url, headers=headers, timeout=60)


async def patch(http: httpx.AsyncClient, path: str, data: bytes, offset: int) -> httpx.Response:
    headers = {"Upload-Offset": str(offset), "Content-Type": BYTES}
    return await http.patch(path, headers=headers, content=data)


async def test_of_two_gateways_that_take_the_same_bytes_one_wins(fleet: Fleet) -> None:
    port = free_port()
    await asyncio.gather(
        *(fleet.start("gateway", **more).ready() for more in ({}, {"GATEWAY_PORT": str(port)}))
    )
    data = talk(20 * PIECE)
    async with client(fleet, fleet.url) as one, client(fleet, f"http://127.0.0.1:{port}") as two:
        created = await one.post("/api/uploads", headers={"Upload-Length": str(len(data))})
        path = httpx.URL(created.headers["Location"]).path
        run_id = ""
        both = [one, two]  # each takes a piece alone first: who wins the others is chance
        for offset, asked in zip(range(0, len(data), PIECE), [[one], [two], *[both] * 18], strict=True):
            piece = data[offset : offset + PIECE]
            answers = await asyncio.gather(*(patch(http, path, piece, offset) for http in asked))
            statuses = [answer.status_code for answer in answers]
            assert statuses.count(204) == 1, statuses
            assert set(statuses) <= {204, 409, 423}
            for answer in answers:
                run_id = answer.headers.get("Lingoloop-Run-Id", run_id)
        run = (await two.get(f"/api/runs/{run_id}")).json()
        audio = (await two.get(f"/api/audios/{run['audioId']}")).json()
        assert (audio["sizeBytes"], audio["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())


def files(fleet: Fleet) -> dict[str, int]:
    """Return what is in storage, with its size."""
    blobs, found = fleet.folder / "blobs", {}
    for path in blobs.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            if path.is_file():
                found[str(path.relative_to(blobs))] = path.stat().st_size
    return found


MOMENTS: dict[str, Callable[[int, str, int], bool]] = {
    "its first part has its name": lambda first, name, size: name.startswith("uploads/") and size >= first,
    "another part is half there": lambda first, name, size: name.startswith("uploads/") and size > first,
    "it is whole": lambda first, name, size: name.startswith("audio/"),
}
"""Of the file that the parts become: the size of its first part, its name, its size."""


async def killed_when(fleet: Fleet, gateway: Service, moment: Callable[[str, int], bool]) -> None:
    """Kill a gateway as soon as a new file is as it says."""
    before = files(fleet).keys()

    def has_come() -> bool:
        return any(moment(name, size) for name, size in files(fleet).items() if name not in before)

    for _ in range(100_000):
        if has_come():
            break
        await asyncio.sleep(0)
    gateway.send(signal.SIGKILL)
    await gateway.wait()


async def test_a_gateway_that_is_killed_while_it_puts_parts_together_loses_nothing(fleet: Fleet) -> None:
    gateway = fleet.start("gateway")
    await gateway.ready()
    kept: list[str] = []
    async with client(fleet, fleet.url) as http:
        for what, moment in MOMENTS.items():
            parts, urls = [talk(1_000_000), os.urandom(40_000_000), os.urandom(1_000_000)], []
            for part in parts:
                headers = {"Upload-Length": str(len(part)), "Upload-Concat": "partial"}
                urls.append((await http.post("/api/uploads", headers=headers)).headers["Location"])
                assert (await patch(http, urls[-1], part, 0)).status_code == 204
            wish = {"Upload-Concat": f"final;{' '.join(urls)}"}
            asking = asyncio.create_task(http.post("/api/uploads", headers=wish))
            await killed_when(fleet, gateway, partial(moment, len(parts[0])))
            with contextlib.suppress(httpx.HTTPError):
                await asking
            gateway = fleet.start("gateway")
            await gateway.ready()
            again = await http.post("/api/uploads", headers=wish)
            assert again.status_code == 201, (what, again.text)
            run = (await http.get(f"/api/runs/{again.headers['Lingoloop-Run-Id']}")).json()
            audio = (await http.get(f"/api/audios/{run['audioId']}")).json()
            data = b"".join(parts)
            assert (audio["sizeBytes"], audio["sha256"]) == (len(data), hashlib.sha256(data).hexdigest()), (
                what
            )
            kept.append(f"audio/{audio['id']}")
        assert len((await http.get("/api/runs")).json()["items"]) == len(MOMENTS)
        await eventually(lambda: sorted(files(fleet)) == sorted(kept))
