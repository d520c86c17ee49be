"""A client that reads nothing until it is told to, and goes on after its last id when it was cut off."""

import asyncio
import contextlib
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

LONGEST = 1_000_000
"""Bytes of a frame that it can read."""


class Slow:
    """Follows one stream, by HTTP/1.0 so that what comes is the stream's bytes and nothing besides.

    Args:
        url: the stream's.
        headers: with which it is asked for.
    """

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self._address = urlsplit(url)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._request = f"GET {self._address.path} HTTP/1.0\r\nHost: x\r\n{lines}"
        self._socket: socket.socket
        self.seen: list[int] = []
        """Ids of the frames that came whole."""
        self.cuts = 0
        self.ended = False

    async def connect(self) -> None:
        """Ask for the stream, from the last id on."""
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(self._socket, (self._address.hostname, self._address.port))
        last_id = f"Last-Event-ID: {self.seen[-1]}\r\n" if self.seen else ""
        await loop.sock_sendall(self._socket, f"{self._request}{last_id}\r\n".encode())

    async def read_all(self) -> None:
        """Read as fast as it comes, over as many connections as it takes, up to the run's `done`."""
        await self._read()
        while not self.ended:
            self.cuts += 1
            await self.connect()
            await self._read()

    async def _read(self) -> None:
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_000_000)
        reader, writer = await asyncio.open_connection(sock=self._socket, limit=LONGEST)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            head = await reader.readuntil(b"\r\n\r\n")
            assert b" 200 " in head.splitlines()[0]
            while not self.ended:
                block = await asyncio.wait_for(reader.readuntil(b"\n\n"), 20)
                if block.startswith(b"id: "):
                    self.seen.append(int(block.split(b"\n", 1)[0][4:]))
                    self.ended = b'"event":"done"' in block
        writer.close()
