"""What a store of objects can do, so that blobs can be kept in it. All calls block: threads make them."""

import errno
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from lingoloop_common.blobs.seam import Labels

ANSWER_WITHIN = 60.0
"""Seconds within which a store has to send something."""

URL_LASTS = 300
"""Seconds for which a signed address is good."""


class Taken(Exception):
    """The object is not the one that was to be replaced, or there is one where there should be none."""


class StoreError(OSError):
    """The store cannot be reached or refuses; the text may be shown to people."""

    def __init__(self, text: str) -> None:
        super().__init__(errno.EIO, text)


@dataclass(frozen=True, slots=True)
class Entry:
    """An object, or one version of it, as a listing tells it."""

    name: str
    size: int
    modified: datetime
    mark: str
    """Changes with the object's content; what replaces it names it."""
    version: str | None = None
    """Names it among the versions of its name, where the store keeps them."""


class Bucket(Protocol):
    """A bucket, below a prefix. Missing objects are raised as BlobMissing, all else that fails as StoreError."""

    def check(self) -> None:
        """Raise StoreError when it cannot be listed."""

    def keeps_versions(self) -> bool:
        """Whether what is deleted stays as an older version, unless that is deleted too."""
        ...

    def put(
        self, name: str, data: bytes, labels: Labels, *, over: str | None = None, new: bool = False
    ) -> None:
        """Write an object of at most 8 MiB: over the one with the mark `over`, a new one, or whatever is there.

        Raises:
            Taken: there is another one.
        """

    def get(self, name: str, start: int, end: int) -> bytes:
        """Return the bytes of an object from `start` to `end`."""
        ...

    def labels(self, name: str) -> Labels:
        """Return what an object carries."""
        ...

    def list(self, prefix: str, *, since: str = "", versions: bool = False) -> Iterator[Entry]:
        """Yield the objects whose names begin with `prefix`, in their order; those before `since` may be left out."""
        ...

    def join(self, pieces: Sequence[str], final: str, labels: Labels) -> None:
        """Make a new object of several others, within the store; all but the last have at least 5 MiB.

        Raises:
            Taken: it is there already.
        """

    def delete(self, name: str, version: str | None = None) -> None:
        """Delete an object, or a version of one; one that is gone already is no error."""

    def drop_unfinished(self, prefix: str) -> None:
        """Let go of what was written of objects that were never finished, and no listing shows."""

    def uri(self, name: str) -> str | None:
        """Return the address by which Google's services read an object, if they can."""
        ...

    def signed_url(self, name: str, *, content_type: str, disposition: str) -> str | None:
        """Return an address for anybody, good for `URL_LASTS` seconds, if it can be signed."""
        ...
