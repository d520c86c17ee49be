"""The command line's client of the public API."""

import asyncio
import base64
import contextlib
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
from httpx_sse import EventSource, aconnect_sse

PART = 2**18
PAGE = 200
"""Items asked for at a time; every list of the API gives that many."""

PAUSE = 1.0
"""Seconds before a stream is opened again."""

RECONNECTS = 30
"""Times in a row that a stream may break without a frame in between."""


AWAY = {httpx.codes.BAD_GATEWAY, httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT}
"""What is answered while a part of the server is being replaced."""


BUSY = {httpx.codes.CONFLICT, httpx.codes.LOCKED}
"""What is answered while the server still waits for the rest of what broke off."""

UPLOAD_TIMEOUT = httpx.Timeout(30, read=120)
"""Seconds; a server has to write all to disk before it answers."""

TUS = {"Tus-Resumable": "1.0.0"}
PATCH = {**TUS, "Content-Type": "application/offset+octet-stream"}


class ApiError(Exception):
    """The server refused or failed; the text is its own, and so is the code, if it told one."""

    def __init__(self, text: str, code: str | None = None) -> None:
        super().__init__(text)
        self.code = code


class Client:
    """Calls one server with one token."""

    def __init__(self, url: str, token: str) -> None:
        self._http = httpx.AsyncClient(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=httpx.Timeout(30, read=None)
        )

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def upload(self, path: Path, on_offset: Callable[[int], None], **options: str) -> str:
        """Send a recording, and go on where the line broke; return its run's id.

        Core protocol and creation of tus 1.0.0 (resumable uploads).

        Args:
            path: the recording.
            on_offset: is told how many bytes have gone; that may be fewer than before.
            options: as form fields of an upload.

        Raises:
            ApiError: it was refused, or the line broke too often in a row.
        """
        size = (await asyncio.to_thread(path.stat)).st_size
        described = {"Upload-Length": str(size), "Upload-Metadata": _metadata(filename=path.name, **options)}
        created = await self._http.post("/api/uploads", headers=TUS | described)
        _raise_for(created)
        upload, offset, broken = created.headers["Location"], 0, 0
        while broken <= RECONNECTS:
            rest = _read_from(path, offset, on_offset)
            answer = await self._try("PATCH", upload, {**PATCH, "Upload-Offset": str(offset)}, rest)
            if answer is None:
                await asyncio.sleep(PAUSE)
                answer = await self._try("HEAD", upload, TUS)
            if answer and (run_id := answer.headers.get("Lingoloop-Run-Id")):
                return str(run_id)
            reached = int(answer.headers["Upload-Offset"]) if answer else offset
            broken = 0 if reached > offset else broken + 1
            offset = reached
        raise ApiError("the line to the server broke too often; nothing was transcribed")

    async def _try(
        self, method: str, upload: str, headers: dict[str, str], body: AsyncIterator[bytes] | None = None
    ) -> httpx.Response | None:
        """Return the answer; None when the line broke, or the server cannot take it at the moment."""
        try:
            response = await self._http.request(
                method, upload, headers=headers, content=body, timeout=UPLOAD_TIMEOUT
            )
        except httpx.TransportError:
            return None
        if response.status_code in AWAY | BUSY:
            return None
        _raise_for(response)
        return response

    async def runs(self, status: str | None, limit: int) -> AsyncIterator[dict[str, Any]]:
        """Yield up to `limit` runs, the newest first."""
        wanted = {"status": status} if status else {}
        async for found in self._items("/api/runs", limit, **wanted):
            yield found

    async def change_run(self, run_id: str, change: str) -> dict[str, Any]:
        """Cancel or retry a run and return it; raise ApiError when its state does not allow that."""
        return _checked(await self._http.post(f"/api/runs/{run_id}/{change}"))

    async def dead_letters(self, code: str | None) -> AsyncIterator[dict[str, Any]]:
        """Yield all dead letters, or those with a code, the newest first."""
        wanted = {"code": code} if code else {}
        async for letter in self._items("/api/admin/dead-letters", sys.maxsize, **wanted):
            yield letter

    async def replay(self, chosen: dict[str, Any]) -> dict[str, Any]:
        """Put dead letters back; return how many, and how many are left."""
        return _checked(await self._http.post("/api/admin/dead-letters/replay", json=chosen))

    async def _items(self, path: str, limit: int, **params: str) -> AsyncIterator[dict[str, Any]]:
        """Yield up to `limit` items of a list, page by page."""
        while limit > 0:
            params["limit"] = str(min(limit, PAGE))
            page = _checked(await self._http.get(path, params=params))
            for item in page["items"]:
                yield item
            limit -= len(page["items"])
            if page["nextCursor"] is None:
                return
            params["cursor"] = page["nextCursor"]

    async def export(self, run_id: str, fmt: str) -> AsyncIterator[bytes]:
        """Yield a transcript's bytes; raise ApiError when it cannot be had."""
        async with self._http.stream("GET", f"/api/runs/{run_id}/export", params={"fmt": fmt}) as response:
            if response.is_error:
                await response.aread()
            _raise_for(response)
            async for part in response.aiter_bytes():
                yield part

    async def segments(self, run_id: str) -> AsyncIterator[dict[str, Any]]:
        """Yield a run's segments in time order."""
        async for segment in self._items(f"/api/runs/{run_id}/segments", sys.maxsize):
            yield segment

    async def events(self, run_id: str | None) -> AsyncIterator[dict[str, Any]]:
        """Yield a run's events until its end, or all runs' without end; goes on by id when the stream breaks.

        It breaks when the line does, when the server says that it has trouble with it, or is away for a moment.

        Raises:
            ApiError: the stream was refused, or broke too often in a row.
        """
        path = f"/api/runs/{run_id}/events" if run_id else "/api/runs/events"
        last_id, broken = "", 0
        while True:
            headers = {"Last-Event-ID": last_id} if last_id else {}
            with contextlib.suppress(httpx.TransportError):
                async with aconnect_sse(self._http, "GET", path, headers=headers) as source:
                    if source.response.status_code == httpx.codes.NO_CONTENT:
                        return
                    if source.response.is_error and source.response.status_code not in AWAY:
                        await source.response.aread()
                        _raise_for(source.response)
                    async for frame in _frames(source):
                        broken, last_id = 0, frame.id or last_id
                        yield frame.data
                        if run_id and frame.data["event"] == "done":
                            return
            broken += 1
            if broken > RECONNECTS:
                raise ApiError("the server cannot be reached any more; the work goes on there")
            await asyncio.sleep(PAUSE)


@dataclass(frozen=True, slots=True)
class _Frame:
    id: str
    data: dict[str, Any]


async def _frames(source: EventSource) -> AsyncIterator[_Frame]:
    """Yield a stream's frames until it ends, or says that it has trouble."""
    if source.response.is_error:
        return
    async for event in source.aiter_sse():
        if not event.data:
            continue  # a `retry:` line alone; the specification dispatches no event for it
        data = orjson.loads(event.data)
        if data["event"] == "error":
            return
        yield _Frame(event.id, data)


async def _read_from(path: Path, offset: int, on_offset: Callable[[int], None]) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        file.seek(offset)
        on_offset(offset)
        while part := await asyncio.to_thread(file.read, PART):
            yield part
            on_offset(file.tell())


def _metadata(**fields: str) -> str:
    return ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in fields.items())


def _checked(response: httpx.Response) -> dict[str, Any]:
    _raise_for(response)
    body: dict[str, Any] = response.json()
    return body


def _raise_for(response: httpx.Response) -> None:
    if not response.is_error:
        return
    try:
        problem = response.json()
        raise ApiError(problem["detail"], problem.get("code"))
    except (ValueError, KeyError, TypeError):
        raise ApiError(f"the server answered {response.status_code}") from None
