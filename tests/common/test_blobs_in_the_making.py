"""A blob in the making: what came stays, whoever adds to it is alone, and others see it when it is whole."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lingoloop_common.blobs import BlobBusy, BlobChanged, BlobMissing, BlobTooLarge, FolderBlobs

NAME = "uploads/1/bytes"


@pytest.fixture
async def blobs(tmp_path: Path) -> FolderBlobs:
    blobs = FolderBlobs(tmp_path / "blobs")
    await blobs.start()
    await blobs.begin(NAME)
    return blobs


async def parts(*given: bytes) -> AsyncIterator[bytes]:
    for part in given:
        yield part


async def content(blobs: FolderBlobs, name: str = NAME) -> bytes:
    return b"".join([part async for part in blobs.read(name)])


async def test_it_grows_request_by_request_and_is_summed_up_on_the_way(blobs: FolderBlobs) -> None:
    digest = hashlib.sha256()
    assert await blobs.length(NAME) == 0
    assert await blobs.append(NAME, parts(b"abc", b"", b"d"), offset=0, limit=9, digest=digest) == 4
    assert await blobs.append(NAME, parts(b"ef"), offset=4, limit=9, digest=digest) == 6
    assert await blobs.length(NAME) == 6
    assert await content(blobs) == b"abcdef"
    assert digest.digest() == hashlib.sha256(b"abcdef").digest()


async def test_many_small_parts_are_written_in_order(
    blobs: FolderBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lingoloop_common.pouring.BATCH", 1000)
    given = [os.urandom(n % 700) for n in range(500)]
    digest, whole = hashlib.sha256(), b"".join(given)
    assert await blobs.append(NAME, parts(*given), offset=0, limit=len(whole), digest=digest) == len(whole)
    assert await content(blobs) == whole
    assert digest.digest() == hashlib.sha256(whole).digest()


@pytest.mark.parametrize("batch", [1, 2**20])
async def test_what_came_before_a_stream_broke_stays(
    blobs: FolderBlobs, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lingoloop_common.pouring.BATCH", batch)
    digest = hashlib.sha256()

    async def broken() -> AsyncIterator[bytes]:
        yield b"abc"
        yield b"de"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await blobs.append(NAME, broken(), offset=0, limit=9, digest=digest)
    assert await content(blobs) == b"abcde"
    assert digest.digest() == hashlib.sha256(b"abcde").digest()
    assert await blobs.append(NAME, parts(b"f"), offset=5, limit=9) == 6


@pytest.mark.parametrize("batch", [1, 2**20])
async def test_what_came_before_a_cancellation_stays(
    blobs: FolderBlobs, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lingoloop_common.pouring.BATCH", batch)
    waits = asyncio.Event()

    async def stalled() -> AsyncIterator[bytes]:
        yield b"abc"
        waits.set()
        await asyncio.Event().wait()

    adding = asyncio.create_task(blobs.append(NAME, stalled(), offset=0, limit=9))
    await waits.wait()
    adding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await adding
    assert await content(blobs) == b"abc"
    assert await blobs.append(NAME, parts(b"d"), offset=3, limit=9) == 4


async def test_not_a_byte_beyond_the_limit_is_kept(blobs: FolderBlobs) -> None:
    with pytest.raises(BlobTooLarge):
        await blobs.append(NAME, parts(b"abc", b"def"), offset=0, limit=5)
    assert await content(blobs) == b"abc"


async def test_only_one_at_a_time_adds_to_it(blobs: FolderBlobs, tmp_path: Path) -> None:
    waits, goes_on = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"abc"
        waits.set()
        await goes_on.wait()
        yield b"def"

    adding = asyncio.create_task(blobs.append(NAME, slow(), offset=0, limit=9))
    await waits.wait()
    for other in (blobs, FolderBlobs(tmp_path / "blobs")):
        with pytest.raises(BlobBusy):
            await other.append(NAME, parts(b"xyz"), offset=0, limit=9)
    goes_on.set()
    assert await adding == 6
    assert await content(blobs) == b"abcdef"


@pytest.mark.parametrize("offset", [0, 2, 4])
async def test_who_thinks_it_ends_elsewhere_adds_nothing(blobs: FolderBlobs, offset: int) -> None:
    await blobs.append(NAME, parts(b"abc"), offset=0, limit=9)
    with pytest.raises(BlobChanged) as raised:
        await blobs.append(NAME, parts(b"xyz"), offset=offset, limit=9)
    assert raised.value.length == 3
    assert await content(blobs) == b"abc"


async def test_publishing_gives_it_its_last_name_and_may_be_repeated(blobs: FolderBlobs) -> None:
    await blobs.append(NAME, parts(b"abc"), offset=0, limit=9)
    for _ in range(2):
        await blobs.publish(NAME, "audio/1")
    assert await content(blobs, "audio/1") == b"abc"
    with pytest.raises(BlobMissing):
        await blobs.length(NAME)


async def test_what_is_not_there_is_missing(blobs: FolderBlobs) -> None:
    await blobs.remove("uploads/1")
    with pytest.raises(BlobMissing):
        await blobs.append(NAME, parts(b"abc"), offset=0, limit=9)
    with pytest.raises(BlobMissing):
        await blobs.length(NAME)
    with pytest.raises(BlobMissing):
        await blobs.publish(NAME, "audio/1")
    with pytest.raises(BlobMissing):
        await blobs.tell(hashlib.sha256(), NAME, start=0, end=1)


async def test_a_digest_can_be_told_later(blobs: FolderBlobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lingoloop_common.blobs.folder.PIECE", 2)
    await blobs.append(NAME, parts(b"abcdefg"), offset=0, limit=9)
    digest = hashlib.sha256(b"ab")
    await blobs.tell(digest, NAME, start=2, end=7)
    assert digest.digest() == hashlib.sha256(b"abcdefg").digest()
    with pytest.raises(BlobMissing):
        await blobs.tell(digest, NAME, start=7, end=8)
