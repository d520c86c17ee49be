"""Structured logs: readable in a terminal, JSON elsewhere. No token, key or transcript text goes in."""

import logging
import sys

import structlog

from lingoloop_common.settings import LogFormat


def configure_logging(*, level: str = "INFO", log_format: LogFormat = "auto") -> None:
    """Send structlog and the standard library's loggers to stderr, in one shape."""
    pretty = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    if not pretty:
        shared.append(structlog.processors.format_exc_info)
    # Not the default traces, which show what the variables held: tokens and transcripts among it.
    plain = structlog.dev.plain_traceback
    renderer = (
        structlog.dev.ConsoleRenderer(exception_formatter=plain)
        if pretty
        else structlog.processors.JSONRenderer()
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
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
