"""Blobs as objects of a remote store, whichever it is.

A blob in the making is kept as pieces, each written by one request that names what it replaces: two writers cannot both win,
how far a blob is the listing of its pieces says, and what has come can be read at any time. The store joins them when the
blob is published. ADR 0019 says why the stores' own sessions are not used for it.
"""

import asyncio
import contextlib
import itertools
import os
import tempfile
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from functools import partial
from pathlib import Path

import structlog

from lingoloop_common import metrics
from lingoloop_common.blobs.bucket import Bucket, StoreError, Taken
from lingoloop_common.blobs.copies import Copies
from lingoloop_common.blobs.names import being_written
from lingoloop_common.blobs.objects import Objects
from lingoloop_common.blobs.pieces import (
    LEAST,
    PIECE,
    Extent,
    extents,
    fill,
    first_piece,
    piece_name,
    tiles,
    window,
)
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
from lingoloop_common.pouring import Digest, TooMuch
from lingoloop_common.running_sum import RunningSum
from lingoloop_common.store.ids import new_id

log = structlog.get_logger(__name__)

READ = 2 * 2**20
"""Bytes that are read at a time for a client."""

AHEAD = 4
"""Pieces that are fetched at a time for a copy."""


class RemoteBlobs:
    """Blobs in a bucket."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket, self._objects = bucket, Objects(bucket)
        self._copies = Copies()
        self._growing: set[str] = set()
        """Blobs in the making that this process adds to."""

    async def start(self) -> None:
        """Look whether the bucket is there; raise OSError when it cannot be used."""
        self._copies.open()
        await self._objects.start()

    async def stop(self) -> None:
        """Remove the copies."""
        await self._objects.stop()
        self._copies.close()

    async def check(self) -> None:
        """Raise OSError when the bucket cannot be used."""
        await asyncio.to_thread(metrics.measure_disk, "scratch", tempfile.gettempdir())
        await self._objects.call(self._bucket.check)

    async def write_stream(
        self, name: str, parts: AsyncIterable[bytes], *, limit: int, labels: Labels | None = None
    ) -> Stored:
        """Store a stream of unknown length: what fits into a piece at once, all else in the making first.

        Raises:
            BlobTooLarge: more than `limit` bytes came.
            OSError: the store cannot be reached, or refuses.
        """
        running, making = RunningSum(), being_written(new_id())
        try:
            head, more = await first_piece(parts, limit)
            if more is None:
                await self._objects.put(name, head, labels, new=True)
                running.update(head)
                return Stored(len(head), await running.digest())
            size = await self._append(making, more, None, 0, limit, running)
            await self.publish(making, name, labels=labels)
            return Stored(size, await running.digest())
        except TooMuch as error:
            await self._drop(making)
            raise BlobTooLarge(str(error)) from None
        except BaseException:
            await self._drop(making)
            await self._drop(name)  # the caller will never know that it is there
            raise

    async def write(self, name: str, data: bytes, *, labels: Labels | None = None) -> None:
        """Store a small blob."""
        try:
            await self._objects.put(name, data, labels)
        except asyncio.CancelledError:
            await self._drop(name)  # the caller will never name it to anybody
            raise

    async def begin(self, name: str) -> None:
        """Make an empty blob that `append` adds to; its name is one that no finished blob has."""
        try:
            await self._objects.put(piece_name(name, 0), b"", None, new=True)
        except Taken:
            raise FileExistsError(name) from None

    async def append(
        self, name: str, parts: AsyncIterable[bytes], *, offset: int, limit: int, digest: Digest | None = None
    ) -> int:
        """Add a stream to a blob in the making that has `offset` bytes, and return how many it has then.

        What came before an error stays, up to the memory of a process that is killed. Others in this process are told that
        it is busy; of two processes, the one that writes a piece first wins.

        Raises:
            BlobMissing: it was never begun, or is gone.
            BlobBusy: this process adds to it already.
            BlobChanged: it has more or fewer bytes than `offset`, or gets others meanwhile.
            BlobTooLarge: it would have more than `limit` bytes.
            OSError: the store cannot be reached, or refuses.
        """
        if name in self._growing:
            raise BlobBusy(name)
        self._growing.add(name)
        try:
            last = await self._last(name, offset)
            return await self._append(name, parts, last, offset, limit, digest)
        except TooMuch as error:
            raise BlobTooLarge(str(error)) from None
        except Taken:
            raise BlobChanged(await self.length(name)) from None
        finally:
            self._growing.discard(name)

    async def length(self, name: str) -> int:
        """Return how many bytes a blob has; raise BlobMissing."""
        return (await self._extents(name))[-1].end

    async def read(self, name: str, *, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes, None]:
        """Yield a blob's bytes, those from `start` to `end`; raise BlobMissing."""
        for extent in await self._extents(name):
            first = max(start, extent.start)
            last = extent.end if end is None else min(end, extent.end)
            for place in range(first, last, READ):
                stop = min(place + READ, last) - extent.start
                yield await self._objects.get(extent.entry.name, place - extent.start, stop)

    async def tell(self, digest: Digest, name: str, *, start: int, end: int) -> None:
        """Tell a digest of a blob's bytes from `start` to `end`; raise BlobMissing, also when it is shorter."""
        told = start
        async for data in self.read(name, start=start, end=end):
            await to_its_end(self._objects.call(digest.update, data))
            told += len(data)
        if told < end:
            raise BlobMissing(name)

    async def publish(self, name: str, final: str, *, labels: Labels | None = None) -> None:
        """Let the store make one object of a blob in the making; no error if that was done before.

        Raises:
            BlobMissing: it is under neither name.
            OSError: the store cannot be reached, or refuses.
        """
        try:
            pieces = [extent.entry.name for extent in await self._extents(name)]
        except BlobMissing:
            await self._extents(final)
            return
        with contextlib.suppress(Taken):  # and nobody was told
            if len(pieces) == 1:
                await self._objects.put(
                    final, b"".join([part async for part in self.read(name)]), labels, new=True
                )
            else:
                await to_its_end(self._objects.call(self._bucket.join, pieces, final, labels or {}))
        # The first goes first: without it nobody takes the others for all that has come.
        await to_its_end(self._objects.delete(pieces[0]))
        await to_its_end(self._objects.purge(name))

    async def take_over(self, name: str, other: str) -> None:
        """Go on with a blob in the making under another name; the bytes are copied, which uploads in parts are few enough for.

        Raises:
            BlobMissing: it is under neither name.
        """
        try:
            have = await self.length(other)
        except BlobMissing:
            await self.length(name)
            await self.begin(other)
            have = 0
        with contextlib.suppress(BlobMissing):
            length = await self.length(name)
            if have < length:
                await self.append(other, self.read(name, start=have), offset=have, limit=length)

    @contextlib.asynccontextmanager
    async def local_path(self, name: str) -> AsyncIterator[Path]:
        """Give a blob as a file on this machine, for as long as the context lasts; raise BlobMissing."""
        async with self._copies.copy(name, partial(self._copy, name)) as path:
            yield path

    async def delete(self, *names: str) -> None:
        """Delete blobs; those that are gone already are no error."""
        self._copies.forget(names.__contains__)
        for name in names:
            await self._objects.delete(name)

    async def delete_below(self, prefix: str) -> None:
        """Delete every blob whose name starts with the folder `prefix`, as far as that can be done now."""
        try:
            await self.remove(prefix)
        except OSError as error:
            log.warning("blobs cannot be deleted", below=prefix, error=error.strerror)

    async def remove(self, name: str) -> None:
        """Delete a blob, finished or in the making, every blob below it, all their versions, and joins that were broken off.

        Raises:
            OSError: something of it is still there.
        """
        self._copies.forget(lambda other: other == name or other.startswith(f"{name}/"))
        await self._objects.call(self._bucket.drop_unfinished, name)
        await self._objects.purge(name)

    async def found(self) -> AsyncIterator[list[Found]]:
        """Yield what is there, a page at a time, in the order of the names."""
        listing = self._bucket.list("")
        while page := await self._objects.call(lambda: list(itertools.islice(listing, PAGE))):
            yield [Found(entry.name, entry.modified) for entry in page]

    def uri(self, name: str) -> str | None:
        """Return the address by which Google's services read a blob, where they can."""
        return self._bucket.uri(name)

    async def signed_url(self, name: str, *, content_type: str, disposition: str) -> str | None:
        """Return an address under which anybody may get a blob for a few minutes, if it can be signed."""
        sign = partial(self._bucket.signed_url, content_type=content_type, disposition=disposition)
        return await self._objects.call(sign, name)

    async def _append(
        self,
        name: str,
        parts: AsyncIterable[bytes],
        last: Extent | None,
        offset: int,
        limit: int,
        digest: Digest | None,
    ) -> int:
        """Add a stream after the piece `last`; raise Taken when somebody else does."""
        begun = b""
        if last is not None and 0 < last.entry.size < LEAST:
            begun = await self._objects.get(last.entry.name, 0, last.entry.size)
        told = offset

        async def put(start: int, data: bytes) -> None:
            nonlocal told
            over = last.entry.mark if last is not None and start == last.start else None
            await self._objects.put(piece_name(name, start), data, None, over=over, new=over is None)
            if digest is not None:
                await self._objects.call(digest.update, data[told - start :])
            told = start + len(data)

        return await fill(parts, put, at=offset, begun=begun, limit=limit)

    async def _last(self, name: str, offset: int) -> Extent:
        """Return the last piece of a blob in the making that has `offset` bytes; raise BlobChanged when it has others."""
        found = extents(name, await self._objects.list(f"{name}/", since=window(name, offset)))
        if not found or found[-1].end != offset:
            raise BlobChanged(await self.length(name))
        return found[-1]

    async def _extents(self, name: str) -> list[Extent]:
        found = tiles(extents(name, await self._objects.list(name)))
        if not found:
            raise BlobMissing(name)
        return found

    async def _copy(self, name: str, path: Path) -> None:
        """Fetch a blob to a file; what this machine's disk refuses is raised as the store's failure, too."""
        try:
            await self._fetch(name, path)
        except StoreError:
            raise
        except OSError as error:
            raise StoreError(f"no copy can be written here: {error.strerror}") from error

    async def _fetch(self, name: str, path: Path) -> None:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)

        def fetch(source: str, start: int, end: int, at: int) -> None:
            data = memoryview(self._bucket.get(source, start, end))
            while data:
                written = os.pwrite(file, data, at)
                data, at = data[written:], at + written

        try:
            wanted = [
                (extent.entry.name, place, min(place + PIECE, extent.entry.size), extent.start + place)
                for extent in await self._extents(name)
                for place in range(0, extent.entry.size, PIECE)
            ]
            for first in range(0, len(wanted), AHEAD):
                batch = [self._objects.call(fetch, *one) for one in wanted[first : first + AHEAD]]
                # All of them, also when one fails: the file's number is soon another's, and they would write into that.
                ended = await to_its_end(asyncio.gather(*batch, return_exceptions=True))
                if failed := next(filter(None, ended), None):
                    raise failed
        finally:
            os.close(file)

    async def _drop(self, name: str) -> None:
        """Remove what a failed write left; what stays is found as an orphan later."""
        await to_its_end(self.delete_below(name))
