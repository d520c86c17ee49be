"""Recordings and chunks as named blobs in a folder."""

import asyncio
import contextlib
import hashlib
import os
import shutil
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lingoloop_common.lifecycle import to_its_end
from lingoloop_common.store.ids import new_id

SYNC_EVERY = 32 * 2**20
"""Bytes of an upload after which they are synced to disk."""


class BlobMissing(LookupError):
    """There is no blob of this name."""


class BlobTooLarge(ValueError):
    """More bytes came than are allowed; nothing was kept."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What was written: bytes, and their SHA-256, found while they came."""

    size: int
    sha256: bytes


class FolderBlobs:
    """Blobs as files below one folder. Names are relative paths made by the services, never by clients.

    A write appears whole or not at all: it goes to a temporary name and is renamed when it is complete.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def start(self) -> None:
        """Make the folder; drop what unfinished writes of this folder's earlier users left, when older than a day."""
        await asyncio.to_thread(self._prepare)

    async def stop(self) -> None:
        """Nothing is open."""

    async def check(self) -> None:
        """Raise OSError when the folder cannot be written to."""
        if not await asyncio.to_thread(os.access, self._folder, os.W_OK):
            raise OSError(f"{self._folder} cannot be written to")

    async def write_stream(self, name: str, parts: AsyncIterable[bytes], *, limit: int) -> Stored:
        """Store a stream of unknown length.

        Raises:
            BlobTooLarge: more than `limit` bytes came.
            OSError: the disk is full or the folder is gone.
        """
        digest, size = hashlib.sha256(), 0
        temporary = self._temporary()
        try:
            with temporary.open("wb") as file:
                async for part in parts:
                    size += len(part)
                    if size > limit:
                        raise BlobTooLarge(f"more than {limit} bytes")
                    await asyncio.to_thread(_append, file, digest, part)
                await asyncio.to_thread(_sync, file)
            try:
                await to_its_end(asyncio.to_thread(self._publish, temporary, name))
            except asyncio.CancelledError:
                (self._folder / name).unlink(missing_ok=True)  # the caller will never know that it is there
                raise
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        return Stored(size, digest.digest())

    async def write(self, name: str, data: bytes) -> None:
        """Store a small blob. It is not synced to disk: what a crash loses can be cut again."""

        def store() -> None:
            temporary = self._temporary()
            try:
                temporary.write_bytes(data)
                self._publish(temporary, name)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise

        try:
            await to_its_end(asyncio.to_thread(store))
        except asyncio.CancelledError:
            (self._folder / name).unlink(missing_ok=True)  # the caller will never name it to anybody
            raise

    @contextlib.asynccontextmanager
    async def local_path(self, name: str) -> AsyncIterator[Path]:
        """Give a blob as a file on this machine, for as long as the context lasts.

        Raises:
            BlobMissing: there is none.
        """
        path = self._folder / name
        if not await asyncio.to_thread(path.is_file):
            raise BlobMissing(name)
        yield path

    async def delete(self, *names: str) -> None:
        """Delete blobs; those that are gone already are no error."""

        def unlink() -> None:
            for name in names:
                (self._folder / name).unlink(missing_ok=True)

        await asyncio.to_thread(unlink)

    async def delete_below(self, prefix: str) -> None:
        """Delete every blob whose name starts with the folder `prefix`."""
        await asyncio.to_thread(shutil.rmtree, self._folder / prefix, ignore_errors=True)

    async def remove(self, name: str) -> None:
        """Delete a blob, or every blob below a folder; what is gone already is no error.

        Raises:
            OSError: something of it is still there.
        """

        def remove() -> None:
            path = self._folder / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

        await asyncio.to_thread(remove)

    def _temporary(self) -> Path:
        return self._folder / ".writing" / str(new_id())

    def _publish(self, temporary: Path, name: str) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.replace(path)

    def _prepare(self) -> None:
        writing = self._folder / ".writing"
        writing.mkdir(parents=True, exist_ok=True)
        oldest = writing.stat().st_mtime - 86_400
        for left in writing.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if left.stat().st_mtime < oldest:
                    left.unlink()


def _append(file: BinaryIO, digest: "hashlib._Hash", part: bytes) -> None:
    digest.update(part)
    before = file.tell()
    file.write(part)
    # Go along with the upload: left to its end, writing out gigabytes would keep the client waiting for seconds.
    if before // SYNC_EVERY != file.tell() // SYNC_EVERY:
        _sync(file)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def audio_blob(audio_id: object) -> str:
    """Return the name of a recording's original bytes."""
    return f"audio/{audio_id}"


def chunks_folder(run_id: object) -> str:
    """Return the folder of a run's chunks."""
    return f"chunks/{run_id}"


def chunk_blob(run_id: object, unit_id: object, attempt: int) -> str:
    """Return the name of a chunk's samples; it carries the plan's attempt, so a fenced plan overwrites nothing."""
    return f"{chunks_folder(run_id)}/{unit_id}.{attempt}.s16"
