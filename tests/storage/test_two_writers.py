"""Of two processes that write the same, one wins, whichever comes between; a write whose answer is lost counts once.

Against moto and our own Cloud Storage: the public emulator of the latter ignores preconditions.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lingoloop_common.blobs import BlobChanged, Blobs, audio_blob, upload_blob
from lingoloop_common.lifecycle import running
from tests.servers.proxy import Proxy
from tests.storage.fake_gcs import BUCKET, FakeGcs
from tests.storage.stores import CREDENTIALS, opened, s3_settings, settings_of
from tests.storage.test_blobs import content, names, parts

pytestmark = pytest.mark.usefixtures("small_pieces")

NAME = upload_blob(1)


@pytest.fixture(params=["s3", "gcs"])
async def two(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Blobs, Blobs]]:
    """One store, as two gateways open it."""
    urls = {"s3": request.getfixturevalue("s3_url")} if request.param == "s3" else {}
    async with settings_of(request.param, urls, tmp_path, monkeypatch) as settings:
        one, other = opened(**settings), opened(**settings)
        async with running([one, other]):
            yield one, other


class Slow:
    """A stream that is asked for, and comes when it is let go: whoever asks has looked where the blob ends."""

    def __init__(self, data: bytes) -> None:
        self.data, self.asked, self.go = data, asyncio.Event(), asyncio.Event()

    async def parts(self) -> AsyncIterator[bytes]:
        self.asked.set()
        await self.go.wait()
        yield self.data


@pytest.mark.parametrize("have", [0, 100, 700, 1_000])
async def test_of_two_that_add_at_the_same_place_the_first_wins(two: tuple[Blobs, Blobs], have: int) -> None:
    await two[0].begin(NAME)
    if have:
        await two[0].append(NAME, parts(b"-" * have), offset=0, limit=9_000)
    first, second = Slow(b"a" * 1_500), Slow(b"b" * 1_500)
    adding = [
        asyncio.create_task(blobs.append(NAME, slow.parts(), offset=have, limit=9_000))
        for blobs, slow in zip(two, (first, second), strict=True)
    ]
    await asyncio.gather(first.asked.wait(), second.asked.wait())
    first.go.set()
    assert await adding[0] == have + 1_500
    second.go.set()
    with pytest.raises(BlobChanged) as caught:
        await adding[1]
    assert caught.value.length == have + 1_500
    assert await content(two[0], NAME) == b"-" * have + b"a" * 1_500


@pytest.mark.parametrize("two", ["gcs"], indirect=True)  # moto looks and writes in two steps
async def test_of_two_at_the_same_moment_one_wins(two: tuple[Blobs, Blobs]) -> None:
    await two[0].begin(NAME)
    slow = [Slow(b"a" * 1_500), Slow(b"b" * 1_500)]
    adding = [
        asyncio.create_task(blobs.append(NAME, each.parts(), offset=0, limit=9_000))
        for blobs, each in zip(two, slow, strict=True)
    ]
    for each in slow:
        await each.asked.wait()
    for each in slow:
        each.go.set()
    ended = await asyncio.gather(*adding, return_exceptions=True)
    [winner] = [number for number, one in enumerate(ended) if one == 1_500]
    assert isinstance(ended[1 - winner], BlobChanged)
    assert await content(two[0], NAME) == slow[winner].data


async def test_another_gateway_goes_on_where_one_was_killed(two: tuple[Blobs, Blobs]) -> None:
    await two[0].begin(NAME)
    await two[0].append(NAME, parts(b"a" * 1_700), offset=0, limit=9_000)
    assert await two[1].length(NAME) == 1_700
    await two[1].append(NAME, parts(b"b" * 700), offset=1_700, limit=9_000)
    await two[1].publish(NAME, audio_blob(1))
    await two[0].publish(NAME, audio_blob(1))
    assert await content(two[0], audio_blob(1)) == b"a" * 1_700 + b"b" * 700


async def test_publishing_takes_up_what_was_broken_off(two: tuple[Blobs, Blobs]) -> None:
    """The pieces are joined, and their process died before it deleted them."""
    await two[0].begin(NAME)
    await two[0].append(NAME, parts(b"a" * 2_700), offset=0, limit=9_000)
    kept = {name: await content(two[0], name) for name in await names(two[0])}
    await two[0].publish(NAME, audio_blob(1))
    for name, data in kept.items():
        await two[0].write(name, data)
    await two[1].publish(NAME, audio_blob(1))
    assert await names(two[1]) == [audio_blob(1)]
    assert await content(two[1], audio_blob(1)) == b"a" * 2_700


async def test_a_write_whose_answer_is_lost_counts_once(gcs: FakeGcs) -> None:
    blobs = opened(blob_url=f"gs://{BUCKET}")
    async with running([blobs]):
        gcs.lose = 1
        await blobs.begin(NAME)
        gcs.lose = 1
        assert await blobs.append(NAME, parts(b"a" * 1_700), offset=0, limit=9_000) == 1_700
        gcs.lose = 1
        await blobs.publish(NAME, audio_blob(1))
        assert await content(blobs, audio_blob(1)) == b"a" * 1_700
        assert gcs.names() == [audio_blob(1)]


async def test_a_line_that_breaks_is_taken_up_again(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    settings = s3_settings(s3_url)
    async with Proxy(int(s3_url.rpartition(":")[2])) as proxy:
        blobs = opened(blob_url=settings["blob_url"], s3_endpoint_url=f"http://127.0.0.1:{proxy.port}")

        async def breaking() -> AsyncIterator[bytes]:
            for _ in range(8):
                yield b"a" * 900
                proxy.cut()
                await asyncio.sleep(0.02)

        async with running([blobs]):
            await blobs.begin(NAME)
            assert await blobs.append(NAME, breaking(), offset=0, limit=9_000) == 7_200
            proxy.cut()
            assert await content(blobs, NAME) == b"a" * 7_200
            proxy.cut()
            await blobs.publish(NAME, audio_blob(1))
            async with blobs.local_path(audio_blob(1)) as path:
                assert path.read_bytes() == b"a" * 7_200
