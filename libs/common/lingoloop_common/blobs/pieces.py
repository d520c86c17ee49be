"""Pieces: objects that together are a blob in the making. Pure, but for the streams.

A piece is named by the position of its first byte. All but the last have at least `LEAST` bytes, so that a store of S3's kind
can join them; a shorter one is replaced by a longer one when more comes.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from lingoloop_common.blobs.bucket import Entry
from lingoloop_common.lifecycle import to_its_end
from lingoloop_common.pouring import TooMuch

PIECE = 8 * 2**20
"""Bytes of a piece at most; twice as many of an upload are in memory."""

LEAST = 5 * 2**20
"""Bytes that S3 wants of all parts of an object but the last."""


@dataclass(frozen=True, slots=True)
class Extent:
    """Where an object's bytes lie in a blob."""

    start: int
    entry: Entry

    @property
    def end(self) -> int:
        """Where they end."""
        return self.start + self.entry.size


def piece_name(name: str, start: int) -> str:
    """Return the name of the piece of a blob in the making that begins at `start`."""
    return f"{name}/{start:020}"


def window(name: str, offset: int) -> str:
    """Return a name that comes before those of all pieces that reach `offset`; an empty one where that may be any."""
    return piece_name(name, offset - PIECE - 1) if offset > PIECE else ""


def extents(name: str, entries: Iterable[Entry]) -> list[Extent]:
    """Return where a blob's bytes lie: in the object of that name, or in its pieces; what else is listed is left out."""
    found: list[Extent] = []
    for entry in entries:
        if entry.name == name:
            return [Extent(0, entry)]
        place = entry.name.removeprefix(f"{name}/")
        if len(place) == 20 and place.isascii() and place.isdecimal():
            found.append(Extent(int(place), entry))
    return found


def tiles(found: Sequence[Extent]) -> list[Extent]:
    """Return the pieces from the first byte on, as far as they follow each other without a gap."""
    end, whole = 0, []
    for extent in found:
        if extent.start != end:
            break
        whole.append(extent)
        end = extent.end
    return whole


async def fill(
    parts: AsyncIterable[bytes],
    put: Callable[[int, bytes], Awaitable[None]],
    *,
    at: int,
    begun: bytes = b"",
    limit: int,
) -> int:
    """Gather a stream into pieces and put one while the next is gathered; return where it ends.

    The first piece goes on with the bytes `begun` that end at `at`. What came before an error or a cancellation is put all
    the same; not a byte beyond `limit` is.

    Raises:
        TooMuch: the stream goes beyond `limit`.
    """
    start, gathered, end = at - len(begun), bytearray(begun), at
    putting: asyncio.Future[None] | None = None

    def begin(size: int) -> asyncio.Future[None]:
        nonlocal start
        data, place = bytes(gathered[:size]), start
        del gathered[:size]
        start += size
        return asyncio.ensure_future(put(place, data))

    try:
        async for part in parts:
            if end + len(part) > limit:
                raise TooMuch(f"more than {limit} bytes")
            gathered += part
            end += len(part)
            while len(gathered) >= PIECE:
                if putting is not None:
                    await to_its_end(putting)
                putting = begin(PIECE)
    finally:
        if putting is not None:
            await to_its_end(putting)  # raises what it failed by, also the second time: nothing can follow it
        if gathered and start + len(gathered) > at:
            await to_its_end(begin(len(gathered)))
    return end


async def first_piece(parts: AsyncIterable[bytes], limit: int) -> tuple[bytes, AsyncIterator[bytes] | None]:
    """Return the beginning of a stream, and the whole stream if it goes on beyond a piece.

    Raises:
        TooMuch: it goes beyond `limit`.
    """
    stream, head = aiter(parts), bytearray()
    async for part in stream:
        if len(head) + len(part) > limit:
            raise TooMuch(f"more than {limit} bytes")
        head += part
        if len(head) > PIECE:
            return b"", _again(bytes(head), stream)
    return bytes(head), None


async def _again(head: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield head
    async for part in rest:
        yield part
