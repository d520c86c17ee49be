"""A gateway over remote stores: uploads whole and in requests, ranges, addresses, deletions. S3 by moto, Cloud Storage by our own."""

import base64
import hashlib
import os
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import pytest_asyncio

from lingoloop_common.blobs import Blobs
from lingoloop_gateway.orphans import Orphans
from tests import media
from tests.gateway.tus_client import TusClient, metadata
from tests.gateway.world import World, running_world
from tests.storage.stores import opened, settings_of
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIB = 2**20


@dataclass
class Shop:
    """A gateway and its store."""

    world: World
    blobs: Blobs

    async def stored(self) -> set[str]:
        return {found.name async for page in self.blobs.found() for found in page}

    async def settled(self) -> set[str]:
        """Return what is stored once nothing is due to go, as the bytes of an upload that has become a recording are."""
        await eventually(self._nothing_is_due, seconds=20)
        return await self.stored()

    async def _nothing_is_due(self) -> bool:
        return not await self.world.database.pool.fetchval(
            "SELECT EXISTS (SELECT FROM removal WHERE due_at <= now())"
        )


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=["s3", "gcs"])
async def shop(
    request: pytest.FixtureRequest, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Shop]:
    urls = {"s3": request.getfixturevalue("real_s3_url")} if request.param == "s3" else {}
    folder = tmp_path_factory.mktemp("no-blobs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIMULATED_MS_PER_SECOND", "0")
        async with settings_of(request.param, urls, folder, patch) as settings:
            blobs = opened(**settings)
            async with running_world(module_database_url, folder, blobs=blobs) as world:
                yield Shop(world, blobs)
    assert not list(folder.iterdir())


def talk(size: int) -> bytes:
    """Return a recording of so many bytes, unlike each other."""
    return media.wav_of_size(size)[:44] + os.urandom(size - 44)


async def content(shop: Shop, owner: str, audio_id: str, query: str = "", **given: str) -> httpx.Response:
    headers = {name.replace("_", "-"): value for name, value in given.items()}
    target = f"/api/audios/{audio_id}/content{query}"
    return await shop.world.http.get(target, headers={**shop.world.bearer(owner), **headers})


@pytest.mark.parametrize("size", [100_000, 17 * MIB])
async def test_an_upload_is_stored_transcribed_and_deleted(shop: Shop, size: int) -> None:
    owner, data = shop.world.new_owner(), talk(size)
    made = await shop.world.accepted(owner, data)
    assert f"audio/{made['audioId']}" in await shop.stored()
    assert (await shop.world.finished(owner, made["runId"]))["status"] == "succeeded"
    answer = await content(shop, owner, made["audioId"])
    assert (answer.status_code, answer.content) == (200, data)
    part = await content(shop, owner, made["audioId"], Range=f"bytes={size - 50_000}-{size - 9}")
    assert (part.status_code, part.content) == (206, data[-50_000:-8])
    gone = await shop.world.http.delete(f"/api/audios/{made['audioId']}", headers=shop.world.bearer(owner))
    assert gone.json()["sha256"] == hashlib.sha256(data).hexdigest()
    assert not [name for name in await shop.stored() if made["audioId"] in name or made["runId"] in name]
    assert not [name for name in await shop.stored() if name.startswith("writing/")]


async def test_the_same_bytes_are_stored_once(shop: Shop) -> None:
    owner, data = shop.world.new_owner(), talk(50_000)
    first = await shop.world.accepted(owner, data)
    before = await shop.settled()
    again = await shop.world.accepted(owner, data)
    assert again["runId"] == first["runId"]
    assert await shop.settled() == before


async def test_what_is_no_recording_is_refused_and_leaves_nothing(shop: Shop) -> None:
    before = await shop.settled()
    answer = await shop.world.post(shop.world.new_owner(), b"no recording" * 1_000)
    assert answer.json()["code"] == "not_audio"
    assert await shop.settled() == before


async def test_an_upload_in_requests_becomes_the_recording(shop: Shop) -> None:
    """Of a byte, of 8 MiB, of what is left, as clients cut them."""
    tus, data = TusClient(shop.world), talk(19 * MIB)
    url = await tus.create(len(data), Upload_Metadata=metadata(filename="talk.wav"))
    at = 0
    for size in (1, 1, 8 * MIB, 3 * MIB, 1_000, 8 * MIB):
        answer = await tus.patch(url, data[at : at + size], at)
        at = min(at + size, len(data))
        assert (answer.status_code, answer.headers["Upload-Offset"]) == (204, str(at))
        assert await tus.offset(url) == at
    assert at == len(data)
    run = (await shop.world.get(tus.owner, f"/api/runs/{answer.headers['Lingoloop-Run-Id']}")).json()
    assert (await content(shop, tus.owner, run["audioId"])).content == data
    upload = url.rpartition("/")[2]
    await eventually(lambda: _none_below(shop, f"uploads/{upload}/"), seconds=20)


async def _none_below(shop: Shop, prefix: str) -> bool:
    return not [name for name in await shop.stored() if name.startswith(prefix)]


async def test_a_wrong_checksum_adds_nothing(shop: Shop) -> None:
    tus, data = TusClient(shop.world), talk(10_000)
    url = await tus.create(len(data))
    right = base64.b64encode(hashlib.sha1(data[:5_000], usedforsecurity=False).digest()).decode()
    wrong = await tus.patch(url, data[1:5_001], 0, Upload_Checksum=f"sha1 {right}")
    assert wrong.status_code == 460
    assert await tus.offset(url) == 0
    assert (await tus.patch(url, data[:5_000], 0, Upload_Checksum=f"sha1 {right}")).status_code == 204
    assert (await tus.patch(url, data[5_000:], 5_000)).headers["Lingoloop-Run-Id"]


async def test_parts_become_one(shop: Shop) -> None:
    tus, data = TusClient(shop.world), talk(30_000)
    urls = []
    for part in (data[:11_000], data[11_000:]):
        urls.append(await tus.create(len(part), Upload_Concat="partial"))
        assert (await tus.patch(urls[-1], part, 0)).status_code == 204
    paths = " ".join(httpx.URL(url).path for url in urls)
    final = await tus.post(Upload_Concat=f"final;{paths}")
    run = (await shop.world.get(tus.owner, f"/api/runs/{final.headers['Lingoloop-Run-Id']}")).json()
    assert (await content(shop, tus.owner, run["audioId"])).content == data


async def test_an_upload_that_is_ended_leaves_nothing(shop: Shop) -> None:
    tus = TusClient(shop.world)
    url = await tus.create(9 * MIB)
    await tus.patch(url, b"x" * 6 * MIB, 0)
    assert (await tus.send("DELETE", url)).status_code == 204
    assert await _none_below(shop, f"uploads/{url.rpartition('/')[2]}/")


async def test_orphans_go_and_recordings_stay(shop: Shop) -> None:
    await shop.world.accepted(shop.world.new_owner(), talk(10_000))
    before = await shop.settled()
    await shop.blobs.write(f"audio/{uuid.uuid4()}", b"left")
    await shop.blobs.write(f"writing/{uuid.uuid4()}/00000000000000000000", b"left")
    orphans = Orphans(shop.world.database, shop.blobs)
    assert await orphans.remove(now=datetime.now(UTC)) == 0
    assert await orphans.remove(now=datetime.now(UTC) + timedelta(days=2)) == 2
    assert await shop.settled() == before


async def test_a_client_that_asks_is_sent_to_the_store(shop: Shop) -> None:
    owner, data = shop.world.new_owner(), talk(10_000)
    made = await shop.world.accepted(owner, data, filename="Äh.wav")
    answer = await content(shop, owner, made["audioId"], "?redirect=1")
    if shop.blobs.uri("a"):
        assert (answer.status_code, answer.content) == (200, data)  # this account has no key to sign with
        return
    assert answer.status_code == 307
    assert answer.headers["Cache-Control"] == "no-store"
    async with httpx.AsyncClient() as anybody:
        got = await anybody.get(answer.headers["Location"], headers={"Range": "bytes=5-1004"})
        assert (got.status_code, got.content) == (206, data[5:1_005])
        whole = await anybody.get(answer.headers["Location"])
    assert whole.content == data
    plain = await content(shop, owner, made["audioId"])
    for name in ("Content-Type", "Content-Disposition"):
        assert whole.headers[name] == plain.headers[name]
    head = await shop.world.http.head(
        f"/api/audios/{made['audioId']}/content?redirect=1", headers=shop.world.bearer(owner)
    )
    assert (head.status_code, head.headers["Content-Length"]) == (200, str(len(data)))
    known = await content(shop, owner, made["audioId"], "?redirect=1", If_None_Match=plain.headers["ETag"])
    assert known.status_code == 304
    other = await content(shop, shop.world.new_owner(), made["audioId"], "?redirect=1")
    assert other.status_code == 404
    assert (await content(shop, owner, made["audioId"], "?redirect=yes")).json()["code"] == "invalid_value"
