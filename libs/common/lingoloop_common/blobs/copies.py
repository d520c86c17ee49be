"""Copies of remote blobs as files on this machine, for what reads files: FFmpeg. Kept for a while, bounded in bytes."""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from lingoloop_common.scratch import Scratch
from lingoloop_common.store.ids import new_id

KEEP = 2 * 2**30
"""Bytes of copies that nobody reads which are kept: a chunk that is cut again need not fetch its recording once more."""

PREFIX = "lingoloop-copies-"


@dataclass
class _Copy:
    path: Path
    fetching: asyncio.Lock = field(default_factory=asyncio.Lock)
    size: int | None = None
    """None until it is whole."""
    readers: int = 0


class Copies:
    """A folder of this process below the system's for temporary files (`TMPDIR`)."""

    def __init__(self, keep: int = KEEP) -> None:
        self._keep = keep
        self._copies: OrderedDict[str, _Copy] = OrderedDict()
        self._scratch = Scratch(PREFIX)

    def open(self) -> None:
        """Make the folder; remove those of processes that were killed."""
        self._scratch.open()

    def close(self) -> None:
        """Remove the folder."""
        self._scratch.close()

    @contextlib.asynccontextmanager
    async def copy(self, name: str, fetch: Callable[[Path], Awaitable[None]]) -> AsyncIterator[Path]:
        """Give the copy of a blob, fetched if it is not there; two that want it at once fetch it once."""
        copy = self._copies.setdefault(name, _Copy(self._scratch.folder / str(new_id())))
        copy.readers += 1
        try:
            async with copy.fetching:
                if copy.size is None:
                    await fetch(copy.path)
                    copy.size = copy.path.stat().st_size
            yield copy.path
        finally:
            copy.readers -= 1
            if self._copies.get(name) is copy:
                self._copies.move_to_end(name)
                self._shrink()
            elif not copy.readers:
                copy.path.unlink(missing_ok=True)

    def forget(self, forgotten: Callable[[str], bool]) -> None:
        """Remove copies of blobs that are deleted; those that are being read, when they no longer are."""
        for name in [name for name in self._copies if forgotten(name)]:
            copy = self._copies.pop(name)
            if not copy.readers:
                copy.path.unlink(missing_ok=True)

    def _shrink(self) -> None:
        idle = [name for name, copy in self._copies.items() if not copy.readers]
        kept = sum(self._copies[name].size or 0 for name in idle)
        for name in idle:
            copy = self._copies[name]
            if copy.size is None or kept > self._keep:
                kept -= copy.size or 0
                copy.path.unlink(missing_ok=True)
                del self._copies[name]
