"""A web server that holds one file, and misbehaves as a test says."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from aiohttp import web
from multidict import CIMultiDict


@dataclass(slots=True)
class Origin:
    """What is served at `url`, and what was asked for.

    Attributes:
        cuts: the connection breaks after so many bytes of each answer, as often as there are numbers here.
        holds: after so many bytes of each answer it waits for `go`.
    """

    data: bytes
    etag: str | None = '"v1"'
    ranges: bool = True
    heeds_if_range: bool = True
    says_length: bool = True
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    holds: int | None = None
    go: asyncio.Event = field(default_factory=asyncio.Event)
    asked: "list[CIMultiDict[str]]" = field(default_factory=list)
    sent: int = 0
    url: str = ""

    @property
    def starts(self) -> list[str | None]:
        """From where each request wanted the file."""
        return [headers.get("Range") for headers in self.asked]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Serve one request."""
        self.asked.append(CIMultiDict(request.headers))
        headers = {"Content-Type": "audio/wav", **self.headers}
        if self.etag:
            headers["ETag"] = self.etag
        start, status = 0, self.status
        if self.ranges:
            headers["Accept-Ranges"] = "bytes"
            if "Range" in request.headers and (
                not self.heeds_if_range or request.headers.get("If-Range", self.etag) == self.etag
            ):
                start, status = int(request.headers["Range"].removeprefix("bytes=").removesuffix("-")), 206
                headers["Content-Range"] = f"bytes {start}-{len(self.data) - 1}/{len(self.data)}"
        body = self.data[start:]
        if self.says_length:
            headers["Content-Length"] = str(len(body))
        response = web.StreamResponse(status=status, headers=headers)
        await response.prepare(request)
        cut = self.cuts.pop(0) if self.cuts else None
        for at in range(0, len(body), 65_536):
            if cut is not None and at >= cut:
                assert request.transport is not None
                request.transport.close()
                return response
            if self.holds is not None and at >= self.holds:
                await self.go.wait()
            await response.write(body[at : at + 65_536])
            self.sent += len(body[at : at + 65_536])
        await response.write_eof()
        return response


@contextlib.asynccontextmanager
async def serving(
    origin: Origin, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Origin]:
    """Serve it on a free port."""
    app = web.Application()
    app.router.add_get("/files/talk.wav", origin.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, host, 0, ssl_context=tls).start()
    origin.url = f"http{'s' if tls else ''}://{host}:{runner.addresses[0][1]}/files/talk.wav"
    try:
        yield origin
    finally:
        origin.go.set()
        await runner.cleanup()
