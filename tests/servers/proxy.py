"""A TCP proxy between a client and a server, to cut, refuse and hold connections."""

import asyncio
import contextlib
from typing import Self

from tests.servers import free_port


class Proxy:
    """Forwards bytes to 127.0.0.1:`target` until told otherwise; clients connect to `port`."""

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self._target = target
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flows = asyncio.Event()
        self._flows.set()

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._writers) // 2

    async def allow(self) -> None:
        """Take connections (again)."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    def cut(self) -> None:
        """Reset all connections; new ones are taken."""
        for writer in self._writers:
            writer.transport.abort()

    async def refuse(self) -> None:
        """Reset all connections, and take no more."""
        if self._server:
            self._server.close()
        self.cut()

    def hold(self) -> None:
        """Keep the connections but pass nothing on, as a network that swallows all packets."""
        self._flows.clear()

    def release(self) -> None:
        """Pass on what was held."""
        self._flows.set()

    async def __aenter__(self) -> Self:
        await self.allow()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.refuse()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        for source, sink in ((reader, there_writer), (there_reader, writer)):
            self._writers.add(sink)
            task = asyncio.create_task(self._forward(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forward(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError):
                while data := await source.read(65_536):
                    await self._flows.wait()
                    sink.write(data)
                    await sink.drain()
        finally:
            self._writers.discard(sink)
            sink.close()
