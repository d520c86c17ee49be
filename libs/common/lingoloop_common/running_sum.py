"""SHA-256 of a stream, found while it comes: threads of their own sum up a piece while the next one is written."""

import asyncio
import hashlib
import os
from concurrent.futures import Future, ThreadPoolExecutor

_SUMMING = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="sha256")


class RunningSum:
    """SHA-256 of the first `size` bytes of something."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._piece: Future[None] | None = None
        """The piece that is being summed up: one at a time, which keeps them in order and few in memory."""
        self.size = 0

    def update(self, data: bytes) -> None:
        """Take the next bytes; wait until those before are summed up, so not for the event loop."""
        if self._piece is not None:
            self._piece.result()
        self._piece = _SUMMING.submit(self._sha256.update, data)
        self.size += len(data)

    async def digest(self) -> bytes:
        """Return the sum of all that was taken."""
        if self._piece is not None:
            await asyncio.shield(asyncio.wrap_future(self._piece))
        return self._sha256.digest()
