"""The notifier's HTTP face: who may listen, and the bytes of each stream."""

import contextlib
import time
from uuid import UUID

from aiohttp import web
from aiohttp.typedefs import Middleware

from lingoloop_common.auth import LEEWAY, READ, Callers
from lingoloop_common.errors import Problem
from lingoloop_common.feed import Feed
from lingoloop_common.http import public_app
from lingoloop_common.store.database import Database
from lingoloop_common.store.forecast import Forecasts
from lingoloop_notifier.history import History, OwnerHistory, RunHistory
from lingoloop_notifier.hub import Hub, Scope, Subscriber
from lingoloop_notifier.stream import Stream

HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",
}


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
        history = RunHistory(self._database, self._forecasts, run_id, caller.owner)
        return await self._stream(request, "run", str(run_id), caller.owner, history, caller.expires_at)

    async def owner_events(self, request: web.Request) -> web.StreamResponse:
        """Stream all runs of the caller."""
        caller = await self._callers.caller(request, READ, in_query=True)
        history = OwnerHistory(self._database, self._forecasts, caller.owner)
        return await self._stream(request, "owner", caller.owner, caller.owner, history, caller.expires_at)

    async def _stream(
        self, request: web.Request, scope: Scope, key: str, owner: str, history: History, expires_at: float
    ) -> web.StreamResponse:
        def cut() -> None:
            if request.transport is not None:
                request.transport.abort()

        subscriber = Subscriber(cut)
        unsubscribe = self._hub.subscribe(scope, key, subscriber)
        try:
            # Subscribe first, read the state second; what the state covers already is dropped by its number.
            async with self._feed.hold(owner):
                opening = await history.opening()
                last_id = _last_event_id(request)
                if opening.last_frame is not None and last_id == opening.covers:
                    return web.Response(status=204)
                response = web.StreamResponse(headers=HEADERS)
                await response.prepare(request)
                stream = Stream(
                    history,
                    subscriber,
                    named=request.query.get("named") == "1",
                    lifetime=expires_at + LEEWAY - time.time(),
                    ends=scope == "run",
                )
                with contextlib.suppress(ConnectionError):
                    async for part in stream.run(opening, last_id):
                        await response.write(part)
                    await response.write_eof()
                return response
        finally:
            unsubscribe()

    async def _say_goodbye(self, app: web.Application) -> None:
        self._hub.end()


def _last_event_id(request: web.Request) -> int | None:
    """Return the id after which the client wants to go on; one that is no number is none."""
    value = request.headers.get("Last-Event-ID", "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None
