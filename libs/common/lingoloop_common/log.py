"""Structured logs: readable in a terminal, JSON elsewhere. No token, key or transcript text goes in."""

import json
import logging
import sys
from types import TracebackType
from typing import Any, TextIO

import structlog

from lingoloop_common import faults
from lingoloop_common.settings import LogFormat
from lingoloop_common.tracing import name_trace

_ENCODER = json.JSONEncoder(default=repr)


def configure_logging(*, level: str = "INFO", log_format: LogFormat = "auto") -> None:
    """Send structlog's lines and those of the standard library's loggers to stderr, in one shape.

    The former go there directly: a record of the standard library for each would double what a small request costs.
    """
    pretty = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        name_trace,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if not pretty:
        # Neither what the variables held, nor messages that repeat it.
        shared.append(structlog.processors.ExceptionRenderer(_trace))
    renderer = (
        structlog.dev.ConsoleRenderer(exception_formatter=_print_trace)
        if pretty
        else structlog.processors.JSONRenderer(serializer=_json)
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    wanted = logging.getLevelNamesMapping()[level]
    # Libraries' lines below that carry addresses, headers and query strings, whatever level is asked of us.
    root.setLevel(max(wanted, logging.WARNING))
    # One at each try while RabbitMQ is away; the link says it once.
    logging.getLogger("aiormq.connection").addFilter(
        lambda record: not str(record.msg).startswith("error when creating transport")
    )
    # Each try to send traces, with its trace; `spans.py` says it once.
    logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)
    # What follows shows tasks and callbacks with what they were given, and exceptions' messages.
    logging.getLogger("asyncio").addFilter(_first_line)
    sys.excepthook = _log_the_end
    structlog.configure(
        processors=[*shared, renderer],
        logger_factory=_Stderr,
        wrapper_class=structlog.make_filtering_bound_logger(wanted),
        cache_logger_on_first_use=True,
    )


def request_id() -> str | None:
    """Return the id of the request that is being answered, if one is."""
    found = structlog.contextvars.get_contextvars().get("request_id")
    return None if found is None else str(found)


class _Stderr:
    """A logger by its name; each of its lines is written as a whole."""

    def __init__(self, name: str = "root") -> None:
        self.name = name

    def msg(self, line: str) -> None:
        sys.stderr.write(line + "\n")  # which flushes at each line

    debug = info = warning = error = critical = exception = log = msg


def _json(line: dict[str, Any], **_: object) -> str:
    return _ENCODER.encode(line)  # `json.dumps` would make an encoder for each


def _first_line(record: logging.LogRecord) -> bool:
    record.msg = str(record.msg).partition("\n")[0]
    return True


def _log_the_end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Let a fault that ends the process be a line like all others: a driver's message may repeat a part of a password."""
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        structlog.get_logger(__name__).critical("a fault ends this process", exc_info=error)


def _trace(exc_info: Any) -> str:
    return faults.trace(exc_info[1])


def _print_trace(to: TextIO, exc_info: Any) -> None:
    to.write(faults.trace(exc_info[1]) + "\n")
