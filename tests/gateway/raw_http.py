"""Requests written byte by byte, as no client would send them, and what is answered."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

SECONDS = 15.0
"""In which each has its answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `status` 0: the connection was closed without a word."""

    status: int
    headers: dict[str, str]
    body: bytes


async def exchange(url: str, request: bytes, *, leave: bool = False) -> Answer:
    """Send bytes and read one answer; with `leave`, stop sending in the middle of the request.

    Of an event stream only the head is read.
    """
    async with asyncio.timeout(SECONDS):
        address = urlsplit(url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        try:
            writer.write(request)
            if leave:
                writer.write_eof()
            return await _answer(reader)
        except ConnectionError:
            return Answer(0, {}, b"")
        finally:
            writer.transport.abort()


async def _answer(reader: asyncio.StreamReader) -> Answer:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return Answer(0, {}, b"")
    first, *lines = head.decode().rstrip().split("\r\n")
    if first.split(" ")[1] == "100":  # that the body is wanted; the answer comes after it
        return await _answer(reader)
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    body = b"" if headers.get("content-type") == "text/event-stream" else await reader.read()
    if headers.get("transfer-encoding") == "chunked":
        body = b"".join(_chunks(body))
    return Answer(int(first.split(" ")[1]), headers, body)


def _chunks(data: bytes) -> Iterator[bytes]:
    while data:
        size, _, data = data.partition(b"\r\n")
        yield data[: int(size, 16)]
        data = data[int(size, 16) + 2 :]
