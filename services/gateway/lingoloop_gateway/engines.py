"""The engines that uploads may choose, and what each can."""

from aiohttp import web

from lingoloop_common.auth import READ, Callers
from lingoloop_common.http import json_response
from lingoloop_gateway.lanes import Lanes, engine_of


class Engines:
    """Handles `/api/engines`."""

    def __init__(self, callers: Callers, lanes: Lanes) -> None:
        self._callers, self._lanes = callers, lanes

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [web.get("/api/engines", self.get_engines)]

    async def get_engines(self, request: web.Request) -> web.Response:
        """Answer with the engines that workers have ever offered, and with the one that an upload gets that names none."""
        await self._callers.caller(request, READ)
        return json_response(
            {"default": engine_of(self._lanes.default), "items": await self._lanes.offered()}
        )
