"""Subscribers: follow streams as a client does, by id over breaks, and record every frame."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import orjson

from tests.chaos.checker import Frame, Stream

PAUSE = 0.5
SILENCE = 40
"""Seconds: the server says something each 15 s."""


class Subscriber:
    """Follows one run to its end, or all runs of an owner until it is cancelled.

    Args:
        urls: gateways and notifiers; each connection goes to the next.
    """

    def __init__(self, run_id: str | None, owner: str, urls: list[str], token: str) -> None:
        self.stream = Stream(run_id, owner)
        self._urls, self._token = urls, token

    async def follow(self, http: httpx.AsyncClient, first: int) -> None:
        """Connect again and again, each time after the last id."""
        run_id = self.stream.run_id
        path = f"/api/runs/{run_id}/events" if run_id else "/api/runs/events"
        for number in range(first, first + 100_000):
            headers = {"Authorization": f"Bearer {self._token}"}
            if self.stream.last_id is not None:
                headers["Last-Event-ID"] = str(self.stream.last_id)
            url = self._urls[number % len(self._urls)] + path
            with contextlib.suppress(httpx.TransportError):
                async with http.stream("GET", url, headers=headers) as response:
                    if response.status_code == httpx.codes.NO_CONTENT:
                        self.stream.ended = True
                    elif response.status_code == httpx.codes.OK:
                        await self._read(response)
            if self.stream.ended:
                return
            await asyncio.sleep(PAUSE)

    async def _read(self, response: httpx.Response) -> None:
        async for number, data in frames(response.aiter_lines()):
            if data["event"] == "error":
                return
            self.stream.frames.append(Frame(number, data["event"], data.get("runId"), data.get("status")))
            if self.stream.run_id and data["event"] == "done":
                self.stream.ended = True
                return


async def frames(lines: AsyncIterator[str]) -> AsyncIterator[tuple[int | None, dict[str, Any]]]:
    """Yield each frame's own id and data. A library would give a frame without an id the last one's."""
    number: int | None = None
    data = ""
    async for line in lines:
        name, _, value = line.partition(": ")
        if name == "id":
            number = int(value)
        elif name == "data":
            data = value
        elif not line:
            if data:
                yield number, orjson.loads(data)
            number, data = None, ""


class Subscribers:
    """One for each run, and one for each owner."""

    def __init__(self, urls: list[str], token: Callable[[str], str]) -> None:
        self._urls, self._token = urls, token
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(10, read=SILENCE),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        )
        self._tasks: list[asyncio.Task[None]] = []
        self.runs: dict[str, Stream] = {}
        self.owners: dict[str, Stream] = {}

    def follow_run(self, run_id: str, owner: str) -> None:
        """Begin to follow a run."""
        self.runs[run_id] = self._begin(run_id, owner)

    def follow_owner(self, owner: str) -> None:
        """Begin to follow an owner's runs."""
        self.owners[owner] = self._begin(None, owner)

    def _begin(self, run_id: str | None, owner: str) -> Stream:
        subscriber = Subscriber(run_id, owner, self._urls, self._token(owner))
        self._tasks = [task for task in self._tasks if not task.done()]
        self._tasks.append(
            asyncio.create_task(subscriber.follow(self._http, len(self.runs) + len(self.owners)))
        )
        return subscriber.stream

    async def stop(self) -> None:
        """End all."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.aclose()
