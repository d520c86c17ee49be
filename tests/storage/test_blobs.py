"""One behaviour, whichever the store: a folder, S3, Cloud Storage."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator

import pytest

from lingoloop_common.blobs import (
    BlobBusy,
    BlobChanged,
    BlobMissing,
    Blobs,
    BlobTooLarge,
    Stored,
    audio_blob,
    upload_blob,
)

pytestmark = pytest.mark.usefixtures("small_pieces")

NAME = upload_blob(1)
FINAL = audio_blob(1)


async def parts(*given: bytes) -> AsyncIterator[bytes]:
    for part in given:
        yield part


async def broken(*given: bytes) -> AsyncIterator[bytes]:
    for part in given:
        yield part
    raise ConnectionResetError


async def content(blobs: Blobs, name: str, **where: int) -> bytes:
    return b"".join([part async for part in blobs.read(name, **where)])


async def names(blobs: Blobs) -> list[str]:
    return sorted([found.name async for page in blobs.found() for found in page])


@pytest.mark.parametrize("size", [0, 1_000, 1_001, 4_321])
async def test_a_stream_of_unknown_length_is_stored_with_its_size_and_sum(blobs: Blobs, size: int) -> None:
    data = os.urandom(size)
    given = [data[at : at + 700] for at in range(0, size, 700)]
    stored = await blobs.write_stream(FINAL, parts(*given), limit=size, labels={"owner": "Zoë"})
    assert stored == Stored(size, hashlib.sha256(data).digest())
    assert await blobs.length(FINAL) == size
    assert await content(blobs, FINAL) == data
    assert await names(blobs) == [FINAL]


@pytest.mark.parametrize("many", [1, 30])
async def test_what_is_too_long_or_breaks_off_leaves_nothing(blobs: Blobs, many: int) -> None:
    with pytest.raises(BlobTooLarge):
        await blobs.write_stream(FINAL, parts(*[b"x" * 100] * many, b"y"), limit=100 * many)
    with pytest.raises(ConnectionResetError):
        await blobs.write_stream(FINAL, broken(*[b"x" * 100] * many), limit=10_000)
    assert await names(blobs) == []
    with pytest.raises(BlobMissing):
        await blobs.length(FINAL)


async def test_a_range_is_read(blobs: Blobs) -> None:
    data = os.urandom(5_000)
    await blobs.write_stream(FINAL, parts(data), limit=5_000)
    for start, end in ((0, 1), (299, 301), (1_500, 4_999), (4_999, 5_000), (7, 7), (0, 9_999)):
        assert await content(blobs, FINAL, start=start, end=end) == data[start:end]
    assert await content(blobs, FINAL, start=4_000) == data[4_000:]


async def test_a_small_write_replaces_what_was_there(blobs: Blobs) -> None:
    await blobs.write("chunks/1/a", b"old", labels={"run": "1"})
    await blobs.write("chunks/1/a", b"newer")
    async with blobs.local_path("chunks/1/a") as path:
        assert path.read_bytes() == b"newer"


@pytest.mark.parametrize("step", [1, 999, 1_000, 2_500])
async def test_a_blob_grows_request_by_request_and_is_one_at_last(blobs: Blobs, step: int) -> None:
    data, digest = os.urandom(min(4_321, step * 20)), hashlib.sha256()
    await blobs.begin(NAME)
    assert await blobs.length(NAME) == 0
    for at in range(0, len(data), step):
        part = data[at : at + step]
        given = parts(part[: step // 2], b"", part[step // 2 :])
        end = await blobs.append(NAME, given, offset=at, limit=len(data), digest=digest)
        assert end == at + len(part)
        assert await blobs.length(NAME) == end
    assert digest.digest() == hashlib.sha256(data).digest()
    assert await content(blobs, NAME, start=step // 2) == data[step // 2 :]
    for _ in range(2):
        await blobs.publish(NAME, FINAL, labels={"owner": "ann"})
    assert await content(blobs, FINAL) == data
    assert await names(blobs) == [FINAL]
    with pytest.raises(BlobMissing):
        await blobs.length(NAME)


async def test_an_empty_blob_can_be_published(blobs: Blobs) -> None:
    await blobs.begin(NAME)
    await blobs.publish(NAME, FINAL)
    assert await blobs.length(FINAL) == 0


async def test_many_pieces_become_one(blobs: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of Google's, 32 at a time are joined, in as many rounds as it takes; here 3 at a time."""
    monkeypatch.setattr("lingoloop_common.blobs.gcs.JOINED", 3)
    data = os.urandom(28_500)
    await blobs.begin(NAME)
    await blobs.append(NAME, parts(data), offset=0, limit=len(data))
    await blobs.publish(NAME, FINAL)
    assert await content(blobs, FINAL) == data
    assert await names(blobs) == [FINAL]


async def test_what_came_before_a_stream_broke_stays(blobs: Blobs) -> None:
    digest = hashlib.sha256()
    await blobs.begin(NAME)
    with pytest.raises(ConnectionResetError):
        await blobs.append(NAME, broken(b"a" * 1_500, b"b" * 50), offset=0, limit=9_000, digest=digest)
    assert await content(blobs, NAME) == b"a" * 1_500 + b"b" * 50
    assert digest.digest() == hashlib.sha256(b"a" * 1_500 + b"b" * 50).digest()
    assert await blobs.append(NAME, parts(b"c"), offset=1_550, limit=9_000) == 1_551


async def test_what_came_before_a_cancellation_stays(blobs: Blobs) -> None:
    came, never = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"a" * 1_200
        came.set()
        await never.wait()

    await blobs.begin(NAME)
    adding = asyncio.create_task(blobs.append(NAME, slow(), offset=0, limit=9_000))
    await came.wait()
    adding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await adding
    assert await blobs.length(NAME) == 1_200


async def test_not_a_byte_beyond_the_limit_is_kept(blobs: Blobs) -> None:
    await blobs.begin(NAME)
    with pytest.raises(BlobTooLarge):
        await blobs.append(NAME, parts(b"abc", b"def"), offset=0, limit=5)
    assert await content(blobs, NAME) == b"abc"


async def test_who_thinks_it_ends_elsewhere_adds_nothing(blobs: Blobs) -> None:
    await blobs.begin(NAME)
    await blobs.append(NAME, parts(b"x" * 2_345), offset=0, limit=9_000)
    for offset in (0, 1, 1_000, 2_344, 2_346, 8_000):
        with pytest.raises(BlobChanged) as caught:
            await blobs.append(NAME, parts(b"y"), offset=offset, limit=9_000)
        assert caught.value.length == 2_345
    assert await content(blobs, NAME) == b"x" * 2_345


async def test_only_one_at_a_time_adds_to_it(blobs: Blobs) -> None:
    going, more = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"abc"
        going.set()
        await more.wait()
        yield b"def"

    await blobs.begin(NAME)
    adding = asyncio.create_task(blobs.append(NAME, slow(), offset=0, limit=9))
    await going.wait()
    with pytest.raises(BlobBusy):
        await blobs.append(NAME, parts(b"xyz"), offset=0, limit=9)
    more.set()
    assert await adding == 6
    assert await content(blobs, NAME) == b"abcdef"


async def test_it_goes_on_under_another_name(blobs: Blobs) -> None:
    other = upload_blob(2)
    await blobs.begin(NAME)
    await blobs.append(NAME, parts(b"x" * 1_700), offset=0, limit=9_000)
    for _ in range(2):
        await blobs.take_over(NAME, other)
    assert await blobs.append(other, parts(b"y" * 700), offset=1_700, limit=9_000) == 2_400
    await blobs.publish(other, FINAL)
    assert await content(blobs, FINAL) == b"x" * 1_700 + b"y" * 700


async def test_what_is_not_there_is_missing(blobs: Blobs) -> None:
    with pytest.raises(BlobMissing):
        await content(blobs, FINAL)
    with pytest.raises(BlobMissing):
        async with blobs.local_path(FINAL):
            pass
    with pytest.raises(BlobMissing):
        await blobs.append(NAME, parts(b"a"), offset=0, limit=9)
    with pytest.raises(BlobMissing):
        await blobs.publish(NAME, FINAL)
    with pytest.raises(BlobMissing):
        await blobs.take_over(NAME, upload_blob(2))
    with pytest.raises(BlobMissing):
        await blobs.tell(hashlib.sha256(), FINAL, start=0, end=1)
    await blobs.delete(FINAL)
    await blobs.remove(NAME)
    await blobs.delete_below("chunks/1")


async def test_a_digest_can_be_told_later(blobs: Blobs) -> None:
    data = os.urandom(2_500)
    await blobs.begin(NAME)
    await blobs.append(NAME, parts(data), offset=0, limit=9_000)
    digest = hashlib.sha256()
    await blobs.tell(digest, NAME, start=100, end=2_500)
    assert digest.digest() == hashlib.sha256(data[100:]).digest()
    with pytest.raises(BlobMissing):
        await blobs.tell(digest, NAME, start=0, end=2_501)


async def test_deleting_takes_what_is_meant_and_nothing_else(blobs: Blobs) -> None:
    for name in ("chunks/1/a", "chunks/1/b", "chunks/10/a", "audio/1", "audio/10"):
        await blobs.write(name, b"x")
    await blobs.begin(NAME)
    await blobs.append(NAME, parts(b"x" * 2_500), offset=0, limit=9_000)
    await blobs.delete("audio/1", "audio/none")
    await blobs.delete_below("chunks/1")
    await blobs.remove("uploads/1")
    assert await names(blobs) == ["audio/10", "chunks/10/a"]


async def test_a_file_on_this_machine_has_the_same_bytes(
    blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lingoloop_common.blobs.remote.PIECE", 1_000)
    data = os.urandom(9_999)
    await blobs.write(FINAL, data)
    async with blobs.local_path(FINAL) as path, blobs.local_path(FINAL) as again:
        assert path == again
        assert path.read_bytes() == data
        await blobs.delete(FINAL)
    with pytest.raises(BlobMissing):
        async with blobs.local_path(FINAL):
            pass


async def test_the_address_for_googles_services(blobs: Blobs, kind: str) -> None:
    uri = blobs.uri(FINAL)
    if kind in ("gcs", "emulator"):
        assert uri is not None
        assert uri.startswith("gs://recordings/")
        assert uri.endswith("/audio/1")
    else:
        assert uri is None


async def test_the_check_passes(blobs: Blobs) -> None:
    await blobs.check()
