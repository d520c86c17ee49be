"""Bodies of tus requests as they come in. One that stalls gives way to whoever comes for the same upload."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from uuid import UUID

from aiohttp import web

from lingoloop_common.errors import Problem

IDLE = 60.0
"""Seconds without a byte after which a request counts as broken off."""

STALLED = 2.0
"""Seconds without a byte after which a client that comes anew may have its upload back: its old connection is dead."""


class Body:
    """The bytes of one request; `ended` once nobody reads it any more."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._last = asyncio.get_running_loop().time()
        self._waiting: asyncio.Timeout | None = None
        self._cut = False
        self.ended = asyncio.Event()

    async def parts(self) -> AsyncIterator[bytes]:
        """Yield what comes; also, when the client goes away, what had come until then.

        Raises:
            ConnectionResetError: the client is silent, or has come back by another connection.
        """
        content, loop = self._request.content, asyncio.get_running_loop()
        while not self._cut:
            try:
                async with asyncio.timeout(IDLE) as self._waiting:
                    part = await content.readany()
            except asyncio.CancelledError:
                if left := self._left():
                    yield left
                raise
            except TimeoutError:
                break
            finally:
                self._waiting = None
            if not part:
                return
            self._last = loop.time()
            yield part
        if left := self._left():
            yield left
        if self._request.transport is not None:
            self._request.transport.abort()
        raise ConnectionResetError("the client is silent")

    def _left(self) -> bytes:
        """Return what has come, and was not read yet."""
        content = self._request.content
        return b"" if content.exception() else content.read_nowait()

    async def cut(self, *, if_silent_for: float) -> None:
        """Break the request off, and wait for its end."""
        now = asyncio.get_running_loop().time()
        if now - self._last >= if_silent_for:
            self._cut = True
            if self._waiting is not None:
                self._waiting.reschedule(now)
            await self.ended.wait()


class Bodies:
    """The requests that this gateway reads, by upload; one each."""

    def __init__(self) -> None:
        self._open: dict[UUID, Body] = {}

    async def free(self, upload_id: UUID, *, if_silent_for: float = STALLED) -> None:
        """Break off a request that brings bytes of an upload, if it has been silent for so many seconds."""
        if body := self._open.get(upload_id):
            await body.cut(if_silent_for=if_silent_for)

    @contextlib.contextmanager
    def open(self, upload_id: UUID, request: web.Request) -> Iterator[Body]:
        """As long as the context lasts, a request brings bytes of an upload.

        Raises:
            Problem: `locked` while another one does.
        """
        if upload_id in self._open:
            raise Problem("locked", "another request brings bytes of this upload right now")
        body = self._open[upload_id] = Body(request)
        try:
            yield body
        finally:
            del self._open[upload_id]
            body.ended.set()
