"""Spans by OpenTelemetry, sent by OTLP over HTTP. All of it is set by the variables that OpenTelemetry defines.

They wait in a queue of a bounded length, and a thread of its own sends them: a collector that is away costs spans, nothing else.
"""

import os
import socket
from collections.abc import Sequence
from importlib.metadata import version

import structlog
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from lingoloop_common import metrics
from lingoloop_common.tracing import Attributes, Kind

log = structlog.get_logger(__name__)


class OpenTelemetry:
    """Measures the spans of a service, which the environment may name otherwise."""

    def __init__(self, service: str) -> None:
        release = version("lingoloop-common")
        known = {SERVICE_VERSION: release, SERVICE_INSTANCE_ID: f"{socket.gethostname()}:{os.getpid()}"}
        # What is given here would win over what the environment names.
        named = os.environ.get("OTEL_SERVICE_NAME") or SERVICE_NAME in os.environ.get(
            "OTEL_RESOURCE_ATTRIBUTES", ""
        )
        if not named:
            known[SERVICE_NAME] = f"lingoloop-{service}"
        self._exporter = Exporter(OTLPSpanExporter())
        self._processor = BatchSpanProcessor(self._exporter)
        provider = TracerProvider(resource=Resource.create(known), shutdown_on_exit=False)
        provider.add_span_processor(self._processor)
        self._tracer = provider.get_tracer("lingoloop", release)

    def begin(
        self,
        name: str,
        kind: Kind,
        parent: str | None,
        link: str | None,
        attributes: Attributes,
    ) -> tuple[Span, str]:
        """Begin a span; whether it is kept, the sampler says."""
        within = Context()
        if parent:
            within = set_span_in_context(NonRecordingSpan(_context(parent)), within)
        span = self._tracer.start_span(
            name,
            within,
            kind=SpanKind[kind],
            attributes=attributes,
            links=[Link(_context(link))] if link else [],
        )
        context = span.get_span_context()
        return span, f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags & 1:02x}"

    def fail(self, span: Span, why: str) -> None:
        """Mark a span's work as failed. Not with the exception: its message may hold anything."""
        span.set_status(StatusCode.ERROR)
        span.set_attribute("error.type", why)

    def close(self) -> None:
        """Send what waits; a collector that does not answer is given up."""
        self._exporter.last = True
        self._processor.shutdown()  # type: ignore[no-untyped-call]


class Exporter(SpanExporter):
    """Sends spans; says once that it cannot, and counts what was lost."""

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner
        self._failed = self.last = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send some."""
        result = self._inner.export(spans)
        failed = result is not SpanExportResult.SUCCESS
        if failed:
            metrics.SPANS_LOST.inc(len(spans))
        if failed != self._failed and not self.last:
            log.warning("traces cannot be sent") if failed else log.info("traces are sent again")
        self._failed = failed
        return result

    def shutdown(self) -> None:
        """Send no more."""
        self._inner.shutdown()


def _context(traceparent: str) -> SpanContext:
    _, trace_id, span_id, flags = traceparent.split("-")
    return SpanContext(
        int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16))
    )
