"""The command line's client follows a stream through what happens to streams."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import web

from lingoloop.client import ApiError, Client

DONE = b'id: 3\ndata: {"event":"done","status":"succeeded","progress":100}\n\n'
INIT = b'id: 2\ndata: {"event":"init","status":"processing","progress":50}\n\n'
TROUBLE = b'data: {"event":"error","code":"token_expired","message":"connect again"}\n\n'


class Script:
    """A server that answers one request after another as it is told, and keeps the ids that clients come with."""

    def __init__(self, *answers: bytes | int) -> None:
        self._answers = list(answers)
        self.last_ids: list[str] = []

    async def handle(self, request: web.Request) -> web.Response:
        self.last_ids.append(request.headers.get("Last-Event-ID", ""))
        answer = self._answers.pop(0)
        if isinstance(answer, int):
            return web.json_response({"detail": f"it is {answer}"}, status=answer)
        return web.Response(body=answer, content_type="text/event-stream")


@pytest.fixture
async def follow(
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Callable[[Script], "asyncio.Future[list[str]]"]]:
    """Follow a run at a scripted server; gives the kinds of its frames."""
    runners = []

    async def follow(script: Script) -> list[str]:
        app = web.Application()
        app.router.add_get("/api/runs/x/events", script.handle)
        runner = web.AppRunner(app)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        async with Client(f"http://{host}:{port}", "token") as client:
            return [frame["event"] async for frame in client.events("x")]

    monkeypatch.setattr("lingoloop.client.PAUSE", 0.0)
    yield lambda script: asyncio.ensure_future(follow(script))
    for runner in runners:
        await runner.cleanup()


@pytest.mark.parametrize(
    "between", [TROUBLE, b"", 502, 503, 504], ids=["trouble", "cut", "502", "503", "504"]
)
async def test_a_stream_that_breaks_goes_on_after_its_last_id(
    follow: Callable[[Script], "asyncio.Future[list[str]]"], between: bytes | int
) -> None:
    script = Script(INIT, between, DONE)
    assert await follow(script) == ["init", "done"]
    assert script.last_ids == ["", "2", "2"]


async def test_trouble_after_frames_is_no_frame(
    follow: Callable[[Script], "asyncio.Future[list[str]]"],
) -> None:
    assert await follow(Script(INIT + TROUBLE, DONE)) == ["init", "done"]


@pytest.mark.parametrize("status", [401, 403, 404, 500])
async def test_a_refusal_is_the_end(
    follow: Callable[[Script], "asyncio.Future[list[str]]"], status: int
) -> None:
    with pytest.raises(ApiError, match=f"it is {status}"):
        await follow(Script(INIT, status))


async def test_a_server_that_stays_away_is_given_up(
    follow: Callable[[Script], "asyncio.Future[list[str]]"],
) -> None:
    with pytest.raises(ApiError, match="cannot be reached any more"):
        await follow(Script(INIT, *([503] * 40)))
