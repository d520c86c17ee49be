"""A webhook receiver that answers, or misbehaves, as a test says."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web
from multidict import CIMultiDict

from lingoloop_common.http import HttpServer
from tests.waiting import Inbox


@dataclass(frozen=True)
class Heard:
    """A webhook as it came."""

    headers: "CIMultiDict[str]"
    body: str

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = orjson.loads(self.body)["data"]
        return data


Behaviour = Callable[[web.Request], Awaitable[web.StreamResponse]]


def answers(status: int, **headers: str) -> Behaviour:
    """Answer with a status."""

    async def answer(request: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, headers=named, text="what is said here is nobody's business")

    return answer


async def closes_early(request: web.Request) -> web.StreamResponse:
    """Close the connection instead of an answer."""
    assert request.transport is not None
    request.transport.close()
    return web.Response()


@dataclass
class Receiver:
    """Answers 204 unless `next` holds behaviours, one for each webhook, or `always` another one."""

    heard: Inbox[Heard] = field(default_factory=Inbox)
    next: list[Behaviour] = field(default_factory=list)
    always: Behaviour = field(default_factory=lambda: answers(204))
    go: asyncio.Event = field(default_factory=asyncio.Event)
    busy: int = 0
    most_busy: int = 0
    url: str = ""

    async def receive(self, request: web.Request) -> web.StreamResponse:
        self.busy += 1
        self.most_busy = max(self.busy, self.most_busy)
        try:
            body = (await request.read()).decode()
            self.heard.put(Heard(CIMultiDict(request.headers), body))
            return await (self.next.pop(0) if self.next else self.always)(request)
        finally:
            self.busy -= 1

    async def hangs(self, request: web.Request) -> web.StreamResponse:
        """Answer when the test says so."""
        await self.go.wait()
        return web.Response(status=204)


@contextlib.asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """Run a receiver on a free port."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/hook", receiver.receive)
    server = HttpServer(app, host="127.0.0.1", port=0, grace=0)
    await server.start()
    receiver.url = server.url + "/hook"
    try:
        yield receiver
    finally:
        receiver.go.set()
        await server.stop()
