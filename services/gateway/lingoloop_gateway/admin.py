"""The operators' calls: workers, the backlog and dead letters. They need the scope `admin`."""

import re

from aiohttp import web

from lingoloop_common.auth import ADMIN, Callers
from lingoloop_common.errors import Problem
from lingoloop_common.http import json_response
from lingoloop_gateway.backlog import Backlog
from lingoloop_gateway.dead_letters import CODE, DeadLetters, read_selection
from lingoloop_gateway.parameters import (
    BACKLOG_MINUTES,
    LETTERS_LIMIT,
    id_in_path,
    id_in_query,
    number_in_query,
)
from lingoloop_gateway.workers import Wanted, Workers


class Admin:
    """Handles `/api/admin/…`."""

    def __init__(
        self, *, callers: Callers, workers: Workers, backlog: Backlog, dead_letters: DeadLetters
    ) -> None:
        self._callers, self._workers, self._dead_letters = callers, workers, dead_letters
        self._backlog = backlog

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/api/admin/worker", self.get_worker),
            web.post("/api/admin/worker", self.start_worker),
            web.delete("/api/admin/worker", self.stop_worker),
            web.get("/api/admin/backlog", self.get_backlog),
            web.get("/api/admin/dead-letters", self.get_dead_letters),
            web.post("/api/admin/dead-letters/replay", self.replay_chosen),
            web.post("/api/admin/dead-letters/{letter_id}/replay", self.replay_one),
        ]

    async def get_worker(self, request: web.Request) -> web.Response:
        """Answer with the workers as they are."""
        await self._callers.caller(request, ADMIN)
        return json_response(await self._workers.status())

    async def start_worker(self, request: web.Request) -> web.Response:
        """Let workers take work."""
        return await self._want(request, Wanted.RUNNING, "work is started: workers take it from now on")

    async def stop_worker(self, request: web.Request) -> web.Response:
        """Let workers finish what is in flight and take no more."""
        return await self._want(
            request, Wanted.STOPPED, "work is stopped: what is in flight is finished, no more is taken"
        )

    async def _want(self, request: web.Request, wanted: Wanted, message: str) -> web.Response:
        await self._callers.caller(request, ADMIN)
        await self._workers.want(wanted, id_in_query(request, "id", "worker"))
        return json_response(await self._workers.status(message))

    async def get_backlog(self, request: web.Request) -> web.Response:
        """Answer with what waits in each lane, now and in the last minutes."""
        await self._callers.caller(request, ADMIN)
        minutes = number_in_query(request, "minutes", default=BACKLOG_MINUTES, least=0, most=BACKLOG_MINUTES)
        return json_response(await self._backlog.lanes(minutes=minutes))

    async def get_dead_letters(self, request: web.Request) -> web.Response:
        """Answer with a page of dead letters, the newest first."""
        await self._callers.caller(request, ADMIN)
        limit = number_in_query(request, "limit", default=100, least=1, most=LETTERS_LIMIT)
        before = id_in_query(request, "cursor", "page")
        code = request.query.get("code")
        if code is not None and not re.fullmatch(CODE, code):
            raise Problem("invalid_value", "code must be an error's code, like engine_failed")
        found = await self._dead_letters.page(before=before, code=code, limit=limit + 1)
        items = found[:limit]
        return json_response({"items": items, "nextCursor": items[-1]["id"] if len(found) > limit else None})

    async def replay_one(self, request: web.Request) -> web.Response:
        """Put one dead letter back."""
        await self._callers.caller(request, ADMIN)
        await self._dead_letters.replay(id_in_path(request, "letter_id", "dead letter"))
        return json_response({"replayed": 1}, status=202)

    async def replay_chosen(self, request: web.Request) -> web.Response:
        """Put back those that the body chooses."""
        await self._callers.caller(request, ADMIN)
        selection = read_selection(await request.read())
        return json_response(await self._dead_letters.replay_many(selection), status=202)
