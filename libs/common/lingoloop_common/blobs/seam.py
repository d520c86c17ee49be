"""What the services ask of the storage, whichever it is."""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeAlias

from lingoloop_common.pouring import Digest

PAGE = 1000
"""Blobs that are listed at a time."""

Labels: TypeAlias = Mapping[str, str]
"""What a blob carries where the store can keep it: `owner`, `run`."""


class BlobMissing(LookupError):
    """There is no blob of this name."""


class BlobTooLarge(ValueError):
    """More bytes came than are allowed."""


class BlobBusy(RuntimeError):
    """Somebody else is adding to the blob right now."""


class BlobChanged(ValueError):
    """The blob does not end where it was thought to; `length` says where it does."""

    def __init__(self, length: int) -> None:
        super().__init__(f"it has {length} bytes")
        self.length = length


@dataclass(frozen=True, slots=True)
class Stored:
    """What was written: bytes, and their SHA-256, found while they came."""

    size: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Found:
    """A blob that is there, and when it was written last."""

    name: str
    modified: datetime


class Blobs(Protocol):
    """Recordings and chunks as named blobs. Names are relative paths made by the services, never by clients.

    A write appears whole or not at all. What comes in several requests is a blob in the making: `begin`, `append` as often as
    it takes, `publish` under the name that others know. How far it is, only `length` says, also after a crash.

    Whatever the store cannot do is raised as an OSError whose `strerror` may be shown to people.
    """

    async def start(self) -> None:
        """Get ready."""

    async def stop(self) -> None:
        """Let go of what is open."""

    async def check(self) -> None:
        """Raise OSError when the store cannot be used."""

    async def write_stream(
        self, name: str, parts: AsyncIterable[bytes], *, limit: int, labels: Labels | None = None
    ) -> Stored:
        """Store a stream of unknown length; raise BlobTooLarge when more than `limit` bytes come."""
        ...

    async def write(self, name: str, data: bytes, *, labels: Labels | None = None) -> None:
        """Store a small blob, in place of one that is there."""

    async def begin(self, name: str) -> None:
        """Make an empty blob that `append` adds to; its name is one that no finished blob has."""

    async def append(
        self, name: str, parts: AsyncIterable[bytes], *, offset: int, limit: int, digest: Digest | None = None
    ) -> int:
        """Add a stream to a blob in the making that has `offset` bytes, and return how many it has then.

        What came before an error stays, and so does what the caller does not wait for. The digest, if any, is told of what
        was added.

        Raises:
            BlobMissing: it was never begun, or is gone.
            BlobBusy: somebody else is at it.
            BlobChanged: it has more or fewer bytes than `offset`, or gets others meanwhile.
            BlobTooLarge: it would have more than `limit` bytes.
        """
        ...

    async def length(self, name: str) -> int:
        """Return how many bytes a blob has; raise BlobMissing."""
        ...

    def read(self, name: str, *, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes, None]:
        """Yield a blob's bytes, those from `start` to `end`; raise BlobMissing."""
        ...

    async def tell(self, digest: Digest, name: str, *, start: int, end: int) -> None:
        """Tell a digest of a blob's bytes from `start` to `end`; raise BlobMissing, also when it is shorter."""

    async def publish(self, name: str, final: str, *, labels: Labels | None = None) -> None:
        """Give a blob in the making the name by which others know it; no error if that was done before.

        Raises:
            BlobMissing: it is under neither name.
        """

    async def take_over(self, name: str, other: str) -> None:
        """Go on with a blob in the making under another name; no error if that was done before; raise BlobMissing."""

    def local_path(self, name: str) -> AbstractAsyncContextManager[Path]:
        """Give a blob as a file on this machine, for as long as the context lasts; raise BlobMissing."""
        ...

    async def delete(self, *names: str) -> None:
        """Delete blobs; those that are gone already are no error."""

    async def delete_below(self, prefix: str) -> None:
        """Delete every blob whose name starts with the folder `prefix`, as far as that can be done now."""

    async def remove(self, name: str) -> None:
        """Delete a blob, finished or in the making, and every blob below it; what is gone already is no error.

        Raises:
            OSError: something of it is still there.
        """

    def found(self) -> AsyncIterator[list[Found]]:
        """Yield what is there, a page at a time; what lies in one folder, together."""
        ...

    def uri(self, name: str) -> str | None:
        """Return the address by which Google's services read a blob, where they can: `gs://bucket/name`."""
        ...

    async def signed_url(self, name: str, *, content_type: str, disposition: str) -> str | None:
        """Return an address under which anybody may get a blob for a few minutes, or None where the store gives none.

        Its answer has these headers.
        """
        ...
