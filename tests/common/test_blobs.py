"""Blobs appear whole or not at all, have a limit, and can be deleted."""

import asyncio
import hashlib
import os
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lingoloop_common.blobs import BlobMissing, BlobTooLarge, FolderBlobs, chunk_blob


@pytest.fixture
async def blobs(tmp_path: Path) -> FolderBlobs:
    blobs = FolderBlobs(tmp_path / "blobs")
    await blobs.start()
    return blobs


def files(tmp_path: Path) -> list[str]:
    folder = tmp_path / "blobs"
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


async def parts(*given: bytes) -> AsyncIterator[bytes]:
    for part in given:
        yield part


async def read(blobs: FolderBlobs, name: str) -> bytes:
    async with blobs.local_path(name) as path:
        return path.read_bytes()


async def test_a_stream_is_stored_with_its_size_and_sum(blobs: FolderBlobs) -> None:
    stored = await blobs.write_stream("audio/1", parts(b"abc", b"", b"de"), limit=5)
    assert (stored.size, stored.sha256) == (5, hashlib.sha256(b"abcde").digest())
    assert await read(blobs, "audio/1") == b"abcde"


async def test_a_large_stream_goes_to_disk_as_it_comes_so_that_its_end_is_quick(
    blobs: FolderBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lingoloop_common.pouring.WRITE_OUT_EVERY", 1000)
    monkeypatch.setattr("lingoloop_common.pouring.BATCH", 300)
    told: list[tuple[int, int]] = []
    synced: list[int] = []
    monkeypatch.setattr(os, "posix_fadvise", lambda *given: told.append(given[1:3]))
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(os.fstat(number).st_size))
    await blobs.write_stream("a", parts(*[b"x" * 300] * 20), limit=10_000)
    assert told == [(begin, 1000) for begin in range(0, 6000, 1000)]
    assert synced == [6000]


async def test_one_byte_too_many_keeps_nothing(blobs: FolderBlobs, tmp_path: Path) -> None:
    with pytest.raises(BlobTooLarge):
        await blobs.write_stream("audio/1", parts(b"abc", b"def"), limit=5)
    assert files(tmp_path) == []


async def test_a_stream_that_breaks_keeps_nothing(blobs: FolderBlobs, tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"abc"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await blobs.write_stream("audio/1", broken(), limit=5)
    assert files(tmp_path) == []


async def test_a_blob_does_not_appear_before_it_is_whole(blobs: FolderBlobs, tmp_path: Path) -> None:
    async def watched() -> AsyncIterator[bytes]:
        yield b"abc"
        assert not (tmp_path / "blobs/audio/1").exists()
        yield b"def"
        assert not (tmp_path / "blobs/audio/1").exists()

    await blobs.write_stream("audio/1", watched(), limit=6)
    assert files(tmp_path) == ["audio/1"]


async def test_a_small_write_replaces_what_was_there(blobs: FolderBlobs, tmp_path: Path) -> None:
    await blobs.write("chunks/1/a", b"old")
    await blobs.write("chunks/1/a", b"new")
    assert await read(blobs, "chunks/1/a") == b"new"
    assert files(tmp_path) == ["chunks/1/a"]


async def test_a_small_write_that_fails_leaves_nothing(blobs: FolderBlobs, tmp_path: Path) -> None:
    await blobs.write("chunks", b"a file where a folder should be")
    with pytest.raises(OSError, match="chunks"):
        await blobs.write("chunks/1/a", b"data")
    assert files(tmp_path) == ["chunks"]


async def test_a_blob_that_is_not_there_is_missing(blobs: FolderBlobs) -> None:
    with pytest.raises(BlobMissing):
        await read(blobs, "audio/none")


async def test_deleting_takes_those_named_and_minds_none_that_are_gone(
    blobs: FolderBlobs, tmp_path: Path
) -> None:
    for name in ("audio/1", "audio/2", "audio/3"):
        await blobs.write(name, b"x")
    await blobs.delete("audio/1", "audio/none", "audio/2")
    assert files(tmp_path) == ["audio/3"]


async def test_deleting_a_folder_takes_all_below_it_and_no_neighbour(
    blobs: FolderBlobs, tmp_path: Path
) -> None:
    for name in ("chunks/1/a", "chunks/1/b", "chunks/10/a"):
        await blobs.write(name, b"x")
    await blobs.delete_below("chunks/1")
    await blobs.delete_below("chunks/none")
    assert files(tmp_path) == ["chunks/10/a"]


async def test_a_start_clears_away_what_old_writes_left(blobs: FolderBlobs, tmp_path: Path) -> None:
    writing = tmp_path / "blobs/.writing"
    for name, age in (("old", 2 * 86_400), ("new", 60)):
        (writing / name).touch()
        os.utime(writing / name, (time.time() - age,) * 2)
    await blobs.start()
    assert files(tmp_path) == [".writing/new"]


async def test_the_check_tells_when_the_folder_is_gone(blobs: FolderBlobs, tmp_path: Path) -> None:
    await blobs.check()
    (tmp_path / "blobs").rename(tmp_path / "away")
    with pytest.raises(OSError, match="cannot be written to"):
        await blobs.check()


def test_a_chunk_s_name_carries_unit_and_attempt() -> None:
    assert chunk_blob("run", "unit", 3) == "chunks/run/unit.3.s16"


async def test_a_removal_takes_a_blob_or_all_below_a_folder_and_is_no_error_twice(
    blobs: FolderBlobs, tmp_path: Path
) -> None:
    for name in ("audio/1", "audio/2", chunk_blob(1, 7, 1), chunk_blob(1, 8, 1), chunk_blob(11, 7, 1)):
        await blobs.write(name, b"x")
    for _ in range(2):
        await blobs.remove("audio/1")
        await blobs.remove("chunks/1")
    assert files(tmp_path) == ["audio/2", chunk_blob(11, 7, 1)]


async def test_a_removal_that_cannot_be_done_says_so(
    blobs: FolderBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    await blobs.write("audio/1", b"x")
    await blobs.write(chunk_blob(1, 7, 1), b"x")
    monkeypatch.setattr(os, "unlink", refuses)
    monkeypatch.setattr(Path, "unlink", refuses)
    for name in ("audio/1", "chunks/1"):
        with pytest.raises(PermissionError):
            await blobs.remove(name)


async def test_a_write_whose_caller_is_cancelled_leaves_nothing(
    blobs: FolderBlobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, replace = threading.Event(), threading.Event(), Path.replace

    def slow(self: Path, target: Path) -> Path:
        begun.set()
        go_on.wait(10)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", slow)
    writing = asyncio.create_task(blobs.write("chunks/1/7.1.s16", b"x"))
    assert await asyncio.to_thread(begun.wait, 10)
    writing.cancel()
    asyncio.get_running_loop().call_soon(go_on.set)  # when it has heard of that
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert files(tmp_path) == []
