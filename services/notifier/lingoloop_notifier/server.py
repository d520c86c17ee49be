"""The notifier's HTTP face: who may listen, and the bytes of each stream."""

import asyncio
import contextlib
import math
import time
from collections.abc import Coroutine
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from aiohttp import HttpVersion11, web
from aiohttp.typedefs import Middleware

from lingoloop_common.auth import LEEWAY, READ, Caller, Callers
from lingoloop_common.errors import Problem
from lingoloop_common.feed import Feed
from lingoloop_common.http import name_run, public_app
from lingoloop_common.store.database import Database
from lingoloop_common.store.forecast import Forecasts
from lingoloop_notifier.arrival import Key
from lingoloop_notifier.broadcast import Broadcast
from lingoloop_notifier.frames import Form
from lingoloop_notifier.history import History, OwnerHistory, RunHistory
from lingoloop_notifier.hub import Hub
from lingoloop_notifier.outlet import Outlet
from lingoloop_notifier.stream import Stream

log = structlog.get_logger(__name__)

HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",
}

PATIENCE = 15.0
"""Seconds after which a client must have taken more of what it missed."""


class Server:
    """Handles `GET /api/runs/{id}/events` and `GET /api/runs/events`."""

    def __init__(
        self, *, database: Database, hub: Hub, feed: Feed, callers: Callers, forecasts: Forecasts
    ) -> None:
        self._database, self._hub, self._feed = database, hub, feed
        self._callers, self._forecasts = callers, forecasts

    def app(self, cors_allowed_origins: tuple[str, ...], gate: Middleware) -> web.Application:
        """Return the application."""
        app = public_app(cors_allowed_origins)
        app.middlewares.append(gate)
        app.on_shutdown.append(self._say_goodbye)
        app.on_cleanup.append(self._cut)
        app.add_routes(
            [
                web.get("/api/runs/events", self.owner_events, allow_head=False),
                web.get("/api/runs/{run_id}/events", self.run_events, allow_head=False),
            ]
        )
        return app

    async def run_events(self, request: web.Request) -> web.StreamResponse:
        """Stream one run."""
        caller = await self._callers.caller(request, READ, in_query=True)
        try:
            run_id = UUID(request.match_info["run_id"])
        except ValueError:
            raise Problem("not_found", "there is no such run") from None
        name_run(run_id)
        history = RunHistory(self._database, self._forecasts, run_id, caller.owner)
        return await self._stream(request, (caller.owner, str(run_id)), caller, history)

    async def owner_events(self, request: web.Request) -> web.StreamResponse:
        """Stream all runs of the caller."""
        caller = await self._callers.caller(request, READ, in_query=True)
        history = OwnerHistory(self._database, self._forecasts, caller.owner)
        return await self._stream(request, (caller.owner, None), caller, history)

    async def _stream(
        self, request: web.Request, key: Key, caller: Caller, history: History
    ) -> web.StreamResponse:
        """Tell the past, then give the connection to the stream as it is live."""
        with contextlib.ExitStack() as leaving:
            # Subscribe first, read the state second; what the state covers already is dropped by its number.
            broadcast = self._hub.subscribe(key, history)
            leaving.callback(self._hub.unsubscribe, broadcast)
            await self._feed.take(caller.owner)
            leaving.callback(self._feed.drop, caller.owner)

            recent = partial(self._hub.ring.after, key)
            wishes = request.query
            form = Form(
                named=wishes.get("named") == "1",
                chunked=request.version >= HttpVersion11,
                beats=wishes.get("heartbeat") == "1",
            )
            stream, last_id = Stream(history, recent, broadcast, form), _last_event_id(request)
            if last_id is not None and (missed := recent(last_id)) is not None:
                parts = stream.resume(missed, last_id)
            else:
                opening = await history.opening()
                if opening.last_frame is not None and last_id == opening.covers:
                    return web.Response(status=204)
                parts = stream.begin(opening, last_id)

            response = web.StreamResponse(headers=HEADERS)
            response.force_close()  # what follows on the connection is this stream's
            if form.chunked:
                response.enable_chunked_encoding()
            with contextlib.suppress(ConnectionError):
                await response.prepare(request)
                async for part in parts:
                    await _taken(request, response.write(part))
                if stream.over:
                    await _taken(request, response.write_eof())
                    return response
                # Nothing is awaited from the stream's last look at the present to here: it joins without a gap.
                gone = partial(self._gone, broadcast, caller.owner)
                outlet = Outlet(form, self._end_of(caller), gone)
                outlet.take_over(request)
                self._hub.join(broadcast, outlet, stream.last)
                leaving.pop_all()
            return response

    def _gone(self, broadcast: Broadcast, owner: str, outlet: Outlet) -> None:
        self._hub.leave(broadcast, outlet)
        self._feed.drop(owner)

    @staticmethod
    def _end_of(caller: Caller) -> float:
        """Return when a caller's stream must end, in the loop's time."""
        return asyncio.get_running_loop().time() + caller.expires_at + LEEWAY - time.time()

    async def _say_goodbye(self, app: web.Application) -> None:
        self._hub.end()

    async def _cut(self, app: web.Application) -> None:
        await self._hub.cut()


async def _taken(request: web.Request, write: Coroutine[Any, Any, None]) -> None:
    """Wait until the client has taken most of what is written; one that takes nothing for long is cut off.

    Raises:
        ConnectionError: the client has gone, or was cut off.
    """
    writing, before = asyncio.create_task(write), math.inf
    try:
        while not (await asyncio.wait({writing}, timeout=PATIENCE))[0]:
            transport = request.transport
            if transport is not None and (waits := transport.get_write_buffer_size()) < before:
                before = waits
                continue
            log.info("cut off a subscriber that does not read")
            if transport is not None:
                transport.abort()
            raise ConnectionResetError("the client does not read")
        writing.result()
    finally:
        writing.cancel()


def _last_event_id(request: web.Request) -> int | None:
    """Return the id after which the client wants to go on; one that is no number is none.

    A new EventSource cannot set the header, so the address may say it; when the browser comes again by itself with the same
    address, its header is the newer one.
    """
    value = request.headers.get("Last-Event-ID") or request.query.get("lastEventId", "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None
