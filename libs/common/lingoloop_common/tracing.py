"""Traces: one for each recording, through every service that has a part in it (W3C Trace Context).

A trace's context travels with requests, rows and messages, and log lines name it, whoever began it. Spans are measured only where
OpenTelemetry is installed and its own variables switch it on; elsewhere nothing of it is imported.
"""

import asyncio
import contextlib
import importlib.util
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from enum import StrEnum
from typing import Any, Protocol, TypeAlias

import structlog

from lingoloop_common.faults import told

log = structlog.get_logger(__name__)

Attributes = Mapping[str, str | int | float | bool]

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")

_TRACEPARENT = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?"
)


class Kind(StrEnum):
    """What a span is in its trace."""

    SERVER = "SERVER"
    CLIENT = "CLIENT"
    PRODUCER = "PRODUCER"
    CONSUMER = "CONSUMER"
    INTERNAL = "INTERNAL"


Measured: TypeAlias = Any
"""A span of OpenTelemetry's, whose types are here only where it is installed."""


class Recorder(Protocol):
    """Measures spans, and sends them away."""

    def begin(
        self,
        name: str,
        kind: Kind,
        parent: str | None,
        link: str | None,
        attributes: Attributes,
    ) -> tuple[Measured, str]:
        """Begin a span; return it, and its context as a `traceparent`."""

    def fail(self, span: Measured, why: str) -> None:
        """Mark a span's work as failed."""

    def close(self) -> None:
        """Send what waits, and end; may take long."""


class Span:
    """One step of a trace. Without a measurement it only hands on the context that it was given."""

    __slots__ = ("_measured", "traceparent")

    def __init__(self, traceparent: str | None = None, measured: Measured | None = None) -> None:
        self.traceparent, self._measured = traceparent, measured

    def note(self, attributes: Attributes) -> None:
        """Say more about it. No token, path, name or text of an owner may be in it."""
        if self._measured is not None:
            self._measured.set_attributes(attributes)

    def fail(self, why: str) -> None:
        """Its work failed; `why` is a code, or the name of an exception: never its message."""
        if self._measured is not None and _recorder is not None:
            _recorder.fail(self._measured, why)

    def end(self) -> None:
        """It is over."""
        if self._measured is not None:
            self._measured.end()


NOTHING = Span()
_current: ContextVar[Span] = ContextVar("span", default=NOTHING)
_recorder: Recorder | None = None


def is_on() -> bool:
    """Whether spans are measured here."""
    return _recorder is not None


def current() -> Span:
    """Return the step of which the caller is a part."""
    return _current.get()


def headers() -> dict[str, str]:
    """Return what a message or a request carries of the present context."""
    traceparent = _current.get().traceparent
    return {"traceparent": traceparent} if traceparent else {}


def read_traceparent(text: str | None) -> str | None:
    """Return a header's context as version 00, or None where it holds none (W3C Trace Context, section 3.2)."""
    found = _TRACEPARENT.fullmatch(text) if text else None
    if found is None or (found[1] == "00" and found[5]):
        return None
    return f"00-{found[2]}-{found[3]}-{found[4]}"


def new_span(
    name: str,
    *,
    kind: Kind = Kind.INTERNAL,
    parent: str | None = None,
    link: str | None = None,
    attributes: Attributes | None = None,
) -> Span:
    """Begin a step that its caller ends. Without a parent it is a part of the present step, or else the first of a trace.

    Args:
        name: says which kind of step it is, and nothing of this one.
        kind: its place between services.
        parent: the `traceparent` of the step that it is a part of.
        link: that of a step which has to do with it, too.
        attributes: as for `note`.
    """
    parent = parent or _current.get().traceparent
    if _recorder is None:
        return Span(parent)
    measured, traceparent = _recorder.begin(name, kind, parent, link, attributes or {})
    return Span(traceparent, measured)


@contextlib.contextmanager
def span(
    name: str,
    *,
    kind: Kind = Kind.INTERNAL,
    parent: str | None = None,
    link: str | None = None,
    attributes: Attributes | None = None,
) -> Iterator[Span]:
    """Let the block be a step; what is done and logged in it belongs to it. As for `new_span`."""
    step = new_span(name, kind=kind, parent=parent, link=link, attributes=attributes)
    before = _current.set(step)
    try:
        yield step
    except BaseException as error:
        step.fail(type(error).__name__)
        raise
    finally:
        _current.reset(before)
        step.end()


def name_trace(_logger: object, _method: str, line: Any) -> Any:
    """Let a log line name the trace and the step it belongs to; for structlog."""
    traceparent = _current.get().traceparent
    if traceparent:
        line["trace_id"] = traceparent[3:35]
        if _recorder is not None:
            line["span_id"] = traceparent[36:52]
    return line


def is_wanted(environment: Mapping[str, str]) -> bool:
    """Whether OpenTelemetry's variables ask for traces. Pure."""
    return (
        any(environment.get(name) for name in ENDPOINTS)
        and environment.get("OTEL_SDK_DISABLED", "").strip().lower() != "true"
        and environment.get("OTEL_TRACES_EXPORTER", "").strip().lower() in ("", "otlp")
    )


def why_not(environment: Mapping[str, str]) -> str | None:
    """Return why traces that are asked for cannot be sent from here; None where they can, or nobody asks."""
    if not is_wanted(environment):
        return None
    protocol = next((value for name in PROTOCOLS if (value := environment.get(name))), "http/protobuf")
    if protocol != "http/protobuf":
        return f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol}, and traces are sent by http/protobuf: port 4318 of a collector"
    if any(_is_missing(name) for name in ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")):
        return "traces are asked for, and OpenTelemetry is not installed: install lingoloop-common[otel]"
    return None


def _is_missing(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is None
    except ModuleNotFoundError:
        return True


class Tracing:
    """Measures what its process does, where that is switched on. The first part to start, and the last to stop."""

    def __init__(self, service: str, *, patience: float = 2.0) -> None:
        self._service, self._patience = service, patience

    async def start(self) -> None:
        """Begin to measure. What stands in the way is said, and keeps nothing else up."""
        global _recorder  # noqa: PLW0603  (one a process, like its metrics)
        if problem := why_not(os.environ):
            log.warning("no traces are sent", reason=problem)
        elif is_wanted(os.environ):
            try:
                from lingoloop_common.spans import OpenTelemetry  # noqa: PLC0415  (imported only where it is used)

                _recorder = OpenTelemetry(self._service)
            except Exception as error:  # of some of its variables it takes any value, of others it does not
                log.warning("no traces are sent", reason=told(error), exc_info=True)

    async def stop(self) -> None:
        """Send what waits, if that takes no longer than a moment."""
        global _recorder
        recorder, _recorder = _recorder, None
        if recorder is not None:
            # Not a thread of the loop's: at its end the loop waits for those.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(_in_thread(recorder.close), self._patience)


async def _in_thread(work: Callable[[], None]) -> None:
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def run() -> None:
        try:
            work()
        finally:
            with contextlib.suppress(RuntimeError):  # nobody waits any more
                loop.call_soon_threadsafe(done.set)

    threading.Thread(target=run, name="last spans", daemon=True).start()
    await done.wait()
