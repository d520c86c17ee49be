"""Passes event streams on from the notifier, byte by byte, so that clients need only one address."""

import contextlib
import random
from collections.abc import Callable

import aiohttp
from aiohttp import web

from lingoloop_common import tracing
from lingoloop_common.errors import Problem

PASSED_ON = ("Authorization", "Last-Event-ID", "Accept")
"""Not `Origin`: which pages may read an answer is the gateway's own to say."""
PASSED_BACK = (
    "Content-Type",
    "Cache-Control",
    "X-Accel-Buffering",
    "WWW-Authenticate",
    "Retry-After",
    "X-Request-Id",
)
GOODBYE_RETRY_MS = (1_000, 15_000)
"""When the gateway stops, each client is told another pause, so that they do not all come back at once."""


class EventStreams:
    """Forwards requests for streams to the notifier."""

    def __init__(self, notifier_url: Callable[[], str]) -> None:
        self._notifier_url = notifier_url
        self._session: aiohttp.ClientSession | None = None
        self._open: set[aiohttp.ClientResponse] = set()
        self._stopping = False

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
        self._stopping = True
        for upstream in self._open:
            upstream.close()

    async def pass_on(self, request: web.Request) -> web.StreamResponse:
        """Answer with what the notifier answers, as it comes."""
        assert self._session is not None  # started before the server
        headers = {name: request.headers[name] for name in PASSED_ON if name in request.headers}
        headers |= {"Accept-Encoding": "identity", **tracing.headers()}
        # The notifier counts streams by address, and believes this where it is told to trust its gateways.
        headers["X-Forwarded-For"] = ", ".join(
            [*request.headers.getall("X-Forwarded-For", []), request.remote or "unknown"]
        )
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
                await self._copy(upstream, response)
            finally:
                self._open.discard(upstream)
            return response

    async def _copy(self, upstream: aiohttp.ClientResponse, response: web.StreamResponse) -> None:
        part = b""
        with contextlib.suppress(aiohttp.ClientError):
            async for part in upstream.content.iter_any():
                await response.write(part)
        with contextlib.suppress(ConnectionError):
            if self._stopping and part.endswith(b"\n\n"):  # between two frames
                await response.write(b"retry: %d\n\n" % random.randint(*GOODBYE_RETRY_MS))  # noqa: S311  (no secret)
            await response.write_eof()
