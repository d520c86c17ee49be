"""Passes event streams on from the notifier, byte by byte, so that clients need only one address."""

import contextlib
from collections.abc import Callable

import aiohttp
from aiohttp import web

from lingoloop_common.errors import Problem

PASSED_ON = ("Authorization", "Last-Event-ID", "Origin", "Accept")
PASSED_BACK = (
    "Content-Type",
    "Cache-Control",
    "X-Accel-Buffering",
    "WWW-Authenticate",
    "X-Request-Id",
    "Vary",
    "Access-Control-Allow-Origin",
    "Access-Control-Expose-Headers",
)


class EventStreams:
    """Forwards requests for streams to the notifier."""

    def __init__(self, notifier_url: Callable[[], str]) -> None:
        self._notifier_url = notifier_url
        self._session: aiohttp.ClientSession | None = None
        self._open: set[aiohttp.ClientResponse] = set()

    async def start(self) -> None:
        """Open the client."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=60)
        self._session = aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0))

    async def stop(self) -> None:
        """Close the client."""
        if self._session:
            await self._session.close()

    async def say_goodbye(self, app: web.Application) -> None:
        """End all streams, so that the server can stop; clients come back by themselves."""
        for upstream in self._open:
            upstream.close()

    async def pass_on(self, request: web.Request) -> web.StreamResponse:
        """Answer with what the notifier answers, as it comes."""
        assert self._session is not None  # started before the server
        headers = {name: request.headers[name] for name in PASSED_ON if name in request.headers}
        headers["Accept-Encoding"] = "identity"
        try:
            upstream = await self._session.get(self._notifier_url() + request.path_qs, headers=headers)
        except aiohttp.ClientError as error:
            raise Problem("unavailable", "events are not available right now; try again") from error
        async with upstream:
            back = {name: upstream.headers[name] for name in PASSED_BACK if name in upstream.headers}
            response = web.StreamResponse(status=upstream.status, headers=back)
            await response.prepare(request)
            self._open.add(upstream)
            try:
                with contextlib.suppress(ConnectionError, aiohttp.ClientError):
                    async for part in upstream.content.iter_any():
                        await response.write(part)
                    await response.write_eof()
            finally:
                self._open.discard(upstream)
            return response
