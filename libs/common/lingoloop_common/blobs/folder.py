"""Blobs as files in a folder."""

import asyncio
import contextlib
import fcntl
import itertools
import os
import shutil
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

from lingoloop_common import metrics
from lingoloop_common.blobs.seam import (
    PAGE,
    BlobBusy,
    BlobChanged,
    BlobMissing,
    BlobTooLarge,
    Found,
    Labels,
    Stored,
)
from lingoloop_common.lifecycle import to_its_end
from lingoloop_common.pouring import Digest, TooMuch, pour
from lingoloop_common.running_sum import RunningSum
from lingoloop_common.store.ids import new_id

PIECE = 2**20
"""Bytes that are read at a time."""


class FolderBlobs:
    """Blobs as files below one folder. Names are relative paths made by the services, never by clients.

    A write appears whole or not at all: it goes to a temporary name and is renamed when it is complete. What comes in several
    requests is a blob in the making: `begin`, `append` as often as it takes, `publish` under the name that others know. How
    far it is, only `length` says, also after a crash.
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
        await asyncio.to_thread(metrics.measure_disk, "recordings", self._folder)

    async def write_stream(
        self, name: str, parts: AsyncIterable[bytes], *, limit: int, labels: Labels | None = None
    ) -> Stored:
        """Store a stream of unknown length.

        Raises:
            BlobTooLarge: more than `limit` bytes came.
            OSError: the disk is full or the folder is gone.
        """
        running = RunningSum()
        temporary = self._temporary()
        try:
            with temporary.open("wb", buffering=0) as file:
                try:
                    size = await pour(file.fileno(), parts, running, at=0, limit=limit)
                except TooMuch as error:
                    raise BlobTooLarge(str(error)) from None
                await asyncio.to_thread(os.fsync, file.fileno())
            sha256 = await running.digest()
            try:
                await to_its_end(asyncio.to_thread(self._publish, temporary, name))
            except asyncio.CancelledError:
                (self._folder / name).unlink(missing_ok=True)  # the caller will never know that it is there
                raise
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        return Stored(size, sha256)

    async def write(self, name: str, data: bytes, *, labels: Labels | None = None) -> None:
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

    async def begin(self, name: str) -> None:
        """Make an empty blob that `append` adds to; its name is one that no finished blob has."""

        def make() -> None:
            path = self._folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.open("xb").close()

        await asyncio.to_thread(make)

    async def append(
        self, name: str, parts: AsyncIterable[bytes], *, offset: int, limit: int, digest: Digest | None = None
    ) -> int:
        """Add a stream to a blob in the making that has `offset` bytes, and return how many it has then.

        What came before an error stays, and so does what the caller does not wait for. Only one at a time adds to a blob.
        The digest, if any, is told of what was added.

        Raises:
            BlobMissing: it was never begun, or is gone.
            BlobBusy: somebody else is at it, here or elsewhere.
            BlobChanged: it has more or fewer bytes than `offset`.
            BlobTooLarge: it would have more than `limit` bytes.
            OSError: the disk is full or the folder is gone.
        """
        try:
            file = await asyncio.to_thread(os.open, self._folder / name, os.O_RDWR)
        except FileNotFoundError:
            raise BlobMissing(name) from None
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # ends with the process that holds it
            except BlockingIOError:
                raise BlobBusy(name) from None
            if (length := os.fstat(file).st_size) != offset:
                raise BlobChanged(length)
            # Not synced: each request would wait for the disk, `publish` does it, and a crash is what `length` is for.
            return await pour(file, parts, digest, at=offset, limit=limit)
        except TooMuch as error:
            raise BlobTooLarge(str(error)) from None
        finally:
            os.close(file)

    async def length(self, name: str) -> int:
        """Return how many bytes a blob has.

        Raises:
            BlobMissing: there is none.
        """
        try:
            return (await asyncio.to_thread((self._folder / name).stat)).st_size
        except FileNotFoundError:
            raise BlobMissing(name) from None

    async def read(self, name: str, *, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes, None]:
        """Yield a blob's bytes, those from `start` to `end`.

        Raises:
            BlobMissing: there is none.
        """
        async with self.local_path(name) as path:
            with path.open("rb", buffering=0) as file:
                file.seek(start)
                while piece := await asyncio.to_thread(
                    file.read, PIECE if end is None else min(PIECE, end - file.tell())
                ):
                    yield piece

    async def tell(self, digest: Digest, name: str, *, start: int, end: int) -> None:
        """Tell a digest of a blob's bytes from `start` to `end`, in a thread.

        Raises:
            BlobMissing: there is none, or it is shorter.
        """

        def tell() -> None:
            with (self._folder / name).open("rb", buffering=0) as file:
                file.seek(start)
                left = end - start
                while left:
                    if not (piece := file.read(min(PIECE, left))):
                        raise BlobMissing(name)
                    digest.update(piece)
                    left -= len(piece)

        try:
            await to_its_end(asyncio.to_thread(tell))
        except FileNotFoundError:
            raise BlobMissing(name) from None

    async def publish(self, name: str, final: str, *, labels: Labels | None = None) -> None:
        """Sync a blob in the making to disk and give it another name; no error if that was done before.

        Raises:
            BlobMissing: it is under neither name.
        """

        def publish() -> None:
            path = self._folder / name
            try:
                with path.open("rb") as file:
                    os.fsync(file.fileno())
                self._publish(path, final)
            except FileNotFoundError:
                if not (self._folder / final).is_file():
                    raise BlobMissing(name) from None

        await to_its_end(asyncio.to_thread(publish))

    async def take_over(self, name: str, other: str) -> None:
        """Go on with a blob in the making under another name; no error if that was done before.

        Raises:
            BlobMissing: it is under neither name.
        """
        await self.publish(name, other)

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

    async def found(self) -> AsyncIterator[list[Found]]:
        """Yield what is there, a page at a time; what lies in one folder, together."""
        files = self._files()
        while page := await asyncio.to_thread(lambda: list(itertools.islice(files, PAGE))):
            yield page

    def uri(self, name: str) -> str | None:
        """Return None: others cannot read a folder by an address."""
        return None

    async def signed_url(self, name: str, *, content_type: str, disposition: str) -> str | None:
        """Return None: a folder has no addresses."""
        return None

    def _files(self) -> Iterator[Found]:
        for folder, inside, files in os.walk(self._folder):
            if ".writing" in inside:
                inside.remove(".writing")  # `start` sees to it
            for file in files:
                path = Path(folder, file)
                with contextlib.suppress(FileNotFoundError):
                    modified = datetime.fromtimestamp(path.stat().st_mtime, UTC)
                    yield Found(str(path.relative_to(self._folder)), modified)

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
