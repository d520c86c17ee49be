"""What becomes of tus uploads when clients vanish, stall or never come back, and when the gateway dies."""

import asyncio
import contextlib
import hashlib
import signal
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from lingoloop_gateway import tus_bodies
from lingoloop_gateway.uploads import Uploads
from tests import media
from tests.fleet import Fleet
from tests.gateway.tus_client import BYTES, TusClient, metadata
from tests.gateway.world import World, running_world
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

TALK = media.wav()


@pytest.fixture
def tus(idle_world: World) -> TusClient:
    return TusClient(idle_world)


async def begun(url: str, token: str, offset: int, data: bytes, *, announced: int) -> asyncio.StreamWriter:
    """Send the first bytes of a PATCH that announces more."""
    address = urlsplit(url)
    _, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(
        f"PATCH {address.path} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: {offset}\r\n"
        f"Authorization: Bearer {token}\r\nContent-Type: {BYTES}\r\nContent-Length: {announced}\r\n\r\n".encode()
        + data
    )
    await writer.drain()
    return writer


async def test_what_came_before_a_client_went_away_stays_and_counts(tus: TusClient) -> None:
    talk = media.wav_of_size(3_000_000)
    url = await tus.create(len(talk))
    path = tus.world.folder / "uploads" / url.rpartition("/")[2] / "bytes"
    writer = await begun(url, tus.world.token(tus.owner), 0, talk[:2_000_000], announced=len(talk))
    await eventually(lambda: path.stat().st_size)
    writer.close()

    async def has_ended() -> bool:
        """Whether nothing is added any more: else the end is taken (423), or has gone on before it is named (409)."""
        return (await tus.patch(url, b"", await tus.offset(url))).status_code == 204

    await eventually(has_ended)
    offset = await tus.offset(url)
    assert 0 < offset == path.stat().st_size <= 2_000_000
    response = await tus.patch(url, talk[offset:], offset)
    run = (await tus.world.get(tus.owner, f"/api/runs/{response.headers['Lingoloop-Run-Id']}")).json()
    audio = (await tus.world.get(tus.owner, f"/api/audios/{run['audioId']}")).json()
    assert audio["sha256"] == hashlib.sha256(talk).hexdigest()


async def is_open(tus: TusClient, url: str) -> bool:
    """Whether a request brings bytes of an upload."""
    return (await tus.patch(url, b"", await tus.offset(url))).status_code == 423


async def test_nothing_of_a_body_with_a_checksum_counts_before_it_is_whole(tus: TusClient) -> None:
    url = await tus.create(100)
    address = urlsplit(url)
    _, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(
        f"PATCH {address.path} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n"
        f"Authorization: Bearer {tus.world.token(tus.owner)}\r\nContent-Type: {BYTES}\r\n"
        f"Upload-Checksum: sha1 {'A' * 27}=\r\nContent-Length: 100\r\n\r\nabc".encode()
    )
    folder = tus.world.folder / "uploads" / url.rpartition("/")[2]
    await eventually(lambda: len(list(folder.iterdir())) == 2)
    writer.close()
    await eventually(lambda: len(list(folder.iterdir())) == 1)
    assert await tus.offset(url) == 0


async def test_a_client_that_comes_back_has_its_upload_though_its_old_connection_seems_open(
    tus: TusClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = await tus.create(len(TALK))
    writer = await begun(url, tus.world.token(tus.owner), 0, TALK[:20_000], announced=len(TALK))
    await eventually(lambda: is_open(tus, url))
    monkeypatch.setattr(tus_bodies.Bodies.free, "__kwdefaults__", {"if_silent_for": 0.0})
    assert await tus.offset(url) == 20_000
    assert (await tus.patch(url, TALK[20_000:], 20_000)).headers["Lingoloop-Run-Id"]
    writer.close()


async def test_a_silent_request_is_broken_off(tus: TusClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tus_bodies, "IDLE", 0.2)
    url = await tus.create(100)
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(
        f"PATCH {address.path} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n"
        f"Authorization: Bearer {tus.world.token(tus.owner)}\r\nContent-Type: {BYTES}\r\n"
        f"Content-Length: 100\r\n\r\nabc".encode()
    )
    with contextlib.suppress(ConnectionResetError):
        assert await asyncio.wait_for(reader.read(), 10) == b""
    assert await tus.offset(url) == 3
    writer.close()


async def test_if_the_last_answer_was_lost_before_the_run_was_made_asking_makes_it(
    tus: TusClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = await tus.create(len(TALK))

    async def fails(*_: object) -> None:
        raise OSError("the database is away")

    with monkeypatch.context() as patch:
        patch.setattr(Uploads, "place", fails)
        assert (await tus.patch(url, TALK, 0)).status_code == 503
    answers = await asyncio.gather(*(tus.head(url) for _ in range(5)))
    assert len({answer.headers["Lingoloop-Run-Id"] for answer in answers}) == 1
    assert await tus.world.count("transcript_run", tus.owner) == 1


async def test_an_expired_upload_is_gone_with_its_bytes(migrated_url: str, own_folder: Path) -> None:
    async with running_world(migrated_url, own_folder, transcribes=False, upload_expires_ms=1_000) as world:
        tus = TusClient(world)
        url = await tus.create(10)
        await tus.patch(url, b"abc", 0)
        part = await tus.create(3, Upload_Concat="partial")

        async def expired() -> bool:
            return {(await tus.head(one)).status_code for one in (url, part)} == {410}

        await eventually(expired)
        assert (await tus.patch(url, b"d", 3)).status_code == 410
    async with running_world(migrated_url, own_folder, transcribes=False) as world:

        async def forgotten() -> bool:
            return not await world.count("upload", tus.owner)

        await eventually(forgotten)
        await eventually(lambda: not list((own_folder / "uploads").iterdir()))


async def test_the_address_is_the_one_that_a_proxy_was_asked_by_if_it_is_trusted(
    idle_world: World, migrated_url: str, own_folder: Path
) -> None:
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "talk.example"}
    tus = TusClient(idle_world)
    assert (await tus.create(10, **forwarded)).startswith(idle_world.gateway.url)
    async with running_world(
        migrated_url, own_folder, transcribes=False, trusted_proxies="127.0.0.0/8"
    ) as world:
        url = await TusClient(world).create(10, **forwarded)
        assert url.startswith("https://talk.example/api/uploads/")


async def test_a_killed_gateway_s_uploads_go_on_where_their_bytes_end(
    migrated_url: str, rabbitmq_url: str, tmp_path: Path
) -> None:
    fleet = Fleet(tmp_path, migrated_url, rabbitmq_url, ENGINE="simulated", SIMULATED_MS_PER_SECOND="0")
    try:
        await fleet.start_all(1)
        headers = {"Authorization": f"Bearer {fleet.token()}", "Tus-Resumable": "1.0.0"}
        talk = media.wav_of_size(3_000_000)
        async with httpx.AsyncClient(base_url=fleet.url, headers=headers, timeout=60) as http:
            created = await http.post(
                "/api/uploads",
                headers={"Upload-Length": str(len(talk)), "Upload-Metadata": metadata(filename="a.wav")},
            )
            url = created.headers["Location"]
            await begun(url, fleet.token(), 0, talk[:2_000_000], announced=len(talk))
            path = tmp_path / "blobs/uploads" / url.rpartition("/")[2] / "bytes"
            await eventually(lambda: path.stat().st_size > 500_000)
            gateway = fleet.services[0]
            gateway.send(signal.SIGKILL)
            await gateway.wait()
            await fleet.start("gateway").ready()
            offset = int((await http.head(url)).headers["Upload-Offset"])
            assert 500_000 < offset == path.stat().st_size <= 2_000_000
            more = {"Upload-Offset": str(offset), "Content-Type": BYTES}
            last = await http.patch(url, headers=more, content=talk[offset:])
            run = (await http.get(f"/api/runs/{last.headers['Lingoloop-Run-Id']}")).json()
            audio = (await http.get(f"/api/audios/{run['audioId']}")).json()
            assert audio["sha256"] == hashlib.sha256(talk).hexdigest()
    finally:
        fleet.stop()
