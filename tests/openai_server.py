"""A small server that speaks OpenAI's API and answers as it is told: for what no real one does on request."""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import av
import numpy as np
from aiohttp import web

from tests.speech import RATE, Samples


@dataclass(frozen=True, slots=True)
class Scripted:
    """An answer: JSON, or bytes as they are; `after` seconds; `breaks` in the middle; `drips` a byte every so many seconds."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    after: float = 0.0
    breaks: bool = False
    drips: float | None = None


HELLO = Scripted(
    {"text": "Hello.", "language": "english", "words": [{"word": "Hello", "start": 0.3, "end": 0.9}]}
)
"""What a server says that has understood something."""


@dataclass(slots=True)
class Asked:
    """A request: its path, key, fields, and its sound."""

    path: str
    authorization: str | None
    fields: dict[str, list[str]]
    filename: str
    samples: Samples


class FakeServer:
    """Gives the answers in turn, the last one again and again."""

    def __init__(self, *answers: Scripted) -> None:
        self.answers = list(answers)
        self.asked: list[Asked] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(await _read(request))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        await asyncio.sleep(answer.after)
        if not isinstance(answer.body, bytes):
            return web.json_response(answer.body, status=answer.status, headers=answer.headers)
        response = web.StreamResponse(status=answer.status, headers=answer.headers)
        if answer.breaks:
            response.content_length = len(answer.body) + 1
        await response.prepare(request)
        if answer.drips is None:
            await response.write(answer.body)
        else:
            for byte in answer.body:
                await response.write(bytes([byte]))
                await asyncio.sleep(answer.drips)
        if answer.breaks and request.transport:
            request.transport.abort()
        return response


async def _read(request: web.Request) -> Asked:
    fields: dict[str, list[str]] = {}
    filename, data = "", b""
    for name, value in (await request.post()).items():
        if isinstance(value, web.FileField):
            filename, data = value.filename, value.file.read()
        else:
            fields.setdefault(name, []).append(str(value))
    authorization = request.headers.get("Authorization")
    return Asked(request.path, authorization, fields, filename, _decoded(data))


def _decoded(data: bytes) -> Samples:
    with av.open(io.BytesIO(data), "r") as container:
        [stream] = container.streams.audio
        assert (container.format.name, stream.rate, stream.channels) == ("flac", RATE, 1)
        frames = [frame.to_ndarray().reshape(-1) for frame in container.decode(stream)]
    samples: Samples = np.concatenate(frames).astype(np.int16)
    return samples


@contextlib.asynccontextmanager
async def speaking(server: FakeServer) -> AsyncIterator[FakeServer]:
    """Let a fake server be reached while the block lasts."""
    app = web.Application(client_max_size=2**26)
    app.router.add_post("/v1/audio/{kind}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = "http://{}:{}/v1".format(*runner.addresses[0][:2])
    try:
        yield server
    finally:
        await runner.cleanup()
