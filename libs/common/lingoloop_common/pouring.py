"""Pours a stream into a file: a thread writes and sums up what came while the next bytes come."""

import asyncio
import os
from collections.abc import AsyncIterable
from typing import Protocol

from lingoloop_common.lifecycle import to_its_end

BATCH = 2**19
"""Bytes that are gathered for one write; twice as many are in memory at most."""

WRITE_OUT_EVERY = 8 * 2**20
"""Bytes of a file after which the system is told to write them to disk."""


class Digest(Protocol):
    """What is told of each byte that was written, in order, in a thread."""

    def update(self, data: bytes, /) -> None:
        """Take the next bytes."""


class TooMuch(ValueError):
    """More bytes came than are allowed."""


async def pour(file: int, parts: AsyncIterable[bytes], digest: Digest | None, *, at: int, limit: int) -> int:
    """Write a stream to an open file from position `at` on, and return where it ends.

    What came before an error or a cancellation is written all the same; not a byte beyond `limit` is. Writing to disk
    begins on the way; it is for the caller to sync.

    Raises:
        TooMuch: the stream goes beyond `limit`.
        OSError: the disk is full; how much was written, the file's length says.
    """
    batch: list[bytes] = []
    gathered, written = 0, at
    writing: asyncio.Future[int] | None = None

    def write() -> asyncio.Future[int]:
        nonlocal batch, gathered
        given, batch, gathered = batch, [], 0
        return asyncio.ensure_future(asyncio.to_thread(_write, file, given, digest, written))

    try:
        async for part in parts:
            if written + gathered + len(part) > limit:
                raise TooMuch(f"more than {limit} bytes")
            batch.append(part)
            gathered += len(part)
            if gathered >= BATCH:
                if writing is not None:
                    await to_its_end(writing)
                size = gathered
                writing = write()
                written += size
    finally:
        if writing is not None:
            await to_its_end(writing)
        if batch:
            written = await to_its_end(write())
    return written


def _write(file: int, batch: list[bytes], digest: Digest | None, at: int) -> int:
    # As one: each call gives up the interpreter, and has to wait for it again.
    data = batch[0] if len(batch) == 1 else b"".join(batch)
    end = at + len(data)
    done = 0
    while done < len(data):
        done += os.pwrite(file, memoryview(data)[done:], at + done)
    if digest is not None:
        digest.update(data)
    first, last = at // WRITE_OUT_EVERY, end // WRITE_OUT_EVERY
    if first != last and hasattr(os, "posix_fadvise"):
        # Begins to write out and does not wait for it: left to the stream's end, gigabytes would keep its client waiting, and
        # the database's own writes behind them. Advice that is not taken does no harm.
        begin, size = first * WRITE_OUT_EVERY, (last - first) * WRITE_OUT_EVERY
        os.posix_fadvise(file, begin, size, os.POSIX_FADV_DONTNEED)
    return end
