"""A bucket's objects for coroutines: threads make its calls, and a write whose answer was lost counts once."""

import asyncio
import itertools
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from lingoloop_common.blobs.bucket import Bucket, Entry, Taken
from lingoloop_common.blobs.seam import Labels
from lingoloop_common.lifecycle import to_its_end
from lingoloop_common.store.ids import new_id

T = TypeVar("T")

THREADS = 16
"""Requests to the store at a time."""


class Objects:
    """The objects of a bucket."""

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="store")
        self._keeps_versions = True

    async def start(self) -> None:
        """Look whether the bucket is there, and whether it keeps what is deleted; raise StoreError."""
        await self.call(self.bucket.check)
        self._keeps_versions = await self.call(self.bucket.keeps_versions)

    async def stop(self) -> None:
        """Wait for what is under way."""
        await asyncio.to_thread(self._threads.shutdown)

    async def call(self, call: Callable[..., T], *args: object) -> T:
        """Make a call in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, *args)

    async def get(self, name: str, start: int, end: int) -> bytes:
        """Return the bytes of an object from `start` to `end`; raise BlobMissing."""
        return await self.call(self.bucket.get, name, start, end)

    async def put(
        self, name: str, data: bytes, labels: Labels | None, *, over: str | None = None, new: bool = False
    ) -> None:
        """Write an object. Of one that is there already, look whether it is this one, and its answer was lost."""
        write = str(new_id())

        def put() -> None:
            try:
                self.bucket.put(name, data, {**(labels or {}), "write": write}, over=over, new=new)
            except Taken:
                if self.bucket.labels(name).get("write") != write:
                    raise

        await to_its_end(self.call(put))

    async def delete(self, name: str) -> None:
        """Delete one object, and all its versions."""
        if self._keeps_versions:
            versions = await self.list(name, versions=True)
            await self._delete(version for version in versions if version.name == name)
        else:
            await self.call(self.bucket.delete, name)

    async def purge(self, name: str) -> None:
        """Delete an object, every one below it, and all their versions."""

        def meant(other: str) -> bool:
            return other == name or other.startswith(f"{name}/")

        listed = await self.list(name, versions=self._keeps_versions)
        await self._delete(entry for entry in listed if meant(entry.name))

    async def _delete(self, entries: Iterable[Entry]) -> None:
        """Delete objects, many at a time; the versions of one after each other."""

        def delete(versions: list[Entry]) -> None:
            for version in versions:
                self.bucket.delete(version.name, version.version)

        objects = itertools.groupby(sorted(entries, key=lambda entry: entry.name), lambda entry: entry.name)
        await asyncio.gather(*(self.call(delete, list(versions)) for _, versions in objects))

    async def list(self, prefix: str, *, since: str = "", versions: bool = False) -> list[Entry]:
        """Return the objects whose names begin with `prefix`, in their order; those before `since` may be left out."""
        return await self.call(lambda: [*self.bucket.list(prefix, since=since, versions=versions)])
