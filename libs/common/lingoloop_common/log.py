"""Structured logs: readable in a terminal, JSON elsewhere. No token, key or transcript text goes in."""

import json
import logging
import sys
from typing import Any

import structlog

from lingoloop_common.settings import LogFormat

_ENCODER = json.JSONEncoder(default=repr)


def configure_logging(*, level: str = "INFO", log_format: LogFormat = "auto") -> None:
    """Send structlog's lines and those of the standard library's loggers to stderr, in one shape.

    The former go there directly: a record of the standard library for each would double what a small request costs.
    """
    pretty = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if not pretty:
        shared.append(structlog.processors.format_exc_info)
    # Not the default traces, which show what the variables held: tokens and transcripts among it.
    plain = structlog.dev.plain_traceback
    renderer = (
        structlog.dev.ConsoleRenderer(exception_formatter=plain)
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
    root.setLevel(level)
    # Their INFO lines carry addresses and query strings; the access log is the gateway's own.
    for noisy in ("aiohttp.access", "aio_pika", "aiormq", "httpx", "faster_whisper"):
        logging.getLogger(noisy).setLevel("WARNING")
    # One at each try while RabbitMQ is away; the link says it once.
    logging.getLogger("aiormq.connection").addFilter(
        lambda record: not str(record.msg).startswith("error when creating transport")
    )
    structlog.configure(
        processors=[*shared, renderer],
        logger_factory=_Stderr,
        wrapper_class=structlog.make_filtering_bound_logger(root.level),
        cache_logger_on_first_use=True,
    )


class _Stderr:
    """A logger by its name; each of its lines is written as a whole."""

    def __init__(self, name: str = "root") -> None:
        self.name = name

    def msg(self, line: str) -> None:
        sys.stderr.write(line + "\n")  # which flushes at each line

    debug = info = warning = error = critical = exception = log = msg


def _json(line: dict[str, Any], **_: object) -> str:
    return _ENCODER.encode(line)  # `json.dumps` would make an encoder for each
