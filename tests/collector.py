"""A small OTLP collector on loopback: keeps the spans that services send, or misbehaves as a test says."""

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True, slots=True)
class Seen:
    """A span as it was sent."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, Any]
    links: list[str]
    failed: bool
    text: str
    """All of it, to look for what should not be there."""


@dataclass(slots=True)
class Collector:
    """Keeps what comes. While `hangs`, it answers nothing."""

    spans: list[Seen] = field(default_factory=list)
    status: int = 200
    hangs: bool = False
    url: str = ""

    async def take(self, request: web.Request) -> web.Response:
        """Take some spans."""
        body = await request.read()
        if self.hangs:
            await asyncio.Event().wait()
        if self.status == 200:
            self.spans += read(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)
        return web.Response(status=self.status)

    def of_trace(self, trace_id: str) -> dict[str, Seen]:
        """Return a trace's spans by their ids."""
        return {span.span_id: span for span in self.spans if span.trace_id == trace_id}


def read(body: bytes) -> list[Seen]:
    """Return the spans of a request."""
    message = ExportTraceServiceRequest.FromString(body)
    return [
        Seen(
            service=_values(resource.resource.attributes)["service.name"],
            name=span.name,
            trace_id=span.trace_id.hex(),
            span_id=span.span_id.hex(),
            parent_id=span.parent_span_id.hex(),
            attributes=_values(span.attributes),
            links=[link.span_id.hex() for link in span.links],
            failed=span.status.code == span.status.STATUS_CODE_ERROR,
            text=f"{resource.resource} {span}",
        )
        for resource in message.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def _values(attributes: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in attributes}


@contextlib.asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """Run a collector on a free port."""
    collector = Collector()
    app = web.Application(client_max_size=2**26)
    app.router.add_post("/v1/traces", collector.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    collector.url = "http://{}:{}".format(*runner.addresses[0][:2])
    try:
        yield collector
    finally:
        await runner.cleanup()
