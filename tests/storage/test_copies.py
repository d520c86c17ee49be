"""Copies of remote blobs: fetched once, bounded, gone with their blob and with their process."""

import asyncio
import fcntl
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lingoloop_common.blobs.copies import PREFIX, Copies
from lingoloop_common.scratch import Scratch


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def copies(folder: Path) -> Iterator[Copies]:
    copies = Copies(keep=10)
    copies.open()
    yield copies
    copies.close()
    assert not list(folder.glob(f"{PREFIX}*"))


def files(folder: Path) -> list[int]:
    return sorted(path.stat().st_size for path in folder.glob(f"{PREFIX}*/*"))


class Fetch:
    """Writes so many bytes, and counts how often."""

    def __init__(self, size: int) -> None:
        self.size, self.times = size, 0

    async def __call__(self, path: Path) -> None:
        self.times += 1
        await asyncio.sleep(0)
        path.write_bytes(b"x" * self.size)


async def test_two_that_want_it_at_once_fetch_it_once(copies: Copies) -> None:
    fetch = Fetch(5)

    async def use() -> None:
        async with copies.copy("a", fetch) as path:
            assert path.stat().st_size == 5

    await asyncio.gather(use(), use())
    await use()
    assert fetch.times == 1


async def test_those_used_last_are_kept_as_far_as_there_is_room(copies: Copies, folder: Path) -> None:
    for name, size in (("a", 6), ("b", 4), ("c", 3)):
        async with copies.copy(name, Fetch(size)):
            pass
    assert files(folder) == [3, 4]
    again = Fetch(6)
    async with copies.copy("a", again):
        assert files(folder) == [3, 4, 6]
    assert again.times == 1


async def test_one_that_is_read_is_not_removed_before_its_reader_ends(copies: Copies, folder: Path) -> None:
    async with copies.copy("a", Fetch(50)) as path:
        async with copies.copy("b", Fetch(50)):
            pass
        copies.forget(lambda name: name == "a")
        assert path.stat().st_size == 50
    assert files(folder) == []


async def test_a_fetch_that_fails_leaves_nothing(copies: Copies, folder: Path) -> None:
    async def fetch(path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError("the line broke")

    with pytest.raises(OSError, match="the line broke"):
        async with copies.copy("a", fetch):
            pass
    assert files(folder) == []


def test_who_starts_at_the_same_moment_takes_no_folder_away(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other, flock = Scratch("both-"), Scratch("both-"), fcntl.flock

    def meanwhile(file: int, how: int) -> None:
        if how == fcntl.LOCK_EX:
            monkeypatch.setattr(fcntl, "flock", flock)
            other.open()
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", meanwhile)
    one.open()
    assert one.folder.is_dir()
    assert other.folder.is_dir()
    one.close()
    other.close()
    assert list(folder.iterdir()) == []


def test_copies_of_a_process_that_was_killed_are_removed_and_others_are_not(
    copies: Copies, folder: Path
) -> None:
    code = "from lingoloop_common.blobs.copies import Copies; import os; Copies().open(); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(folder)}, check=False)
    assert len(list(folder.glob(f"{PREFIX}*"))) == 2
    third = Copies()
    third.open()
    assert len(list(folder.glob(f"{PREFIX}*"))) == 2
    third.close()
