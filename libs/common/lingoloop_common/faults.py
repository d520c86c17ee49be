"""What the log says of exceptions: where they come from and what they are, and of their messages only what holds no values.

A driver's message may repeat a row, a validator's what it was given, a parser's what it read: tokens and transcripts among it.
"""

import traceback
from collections.abc import Iterator

import asyncpg

HARMLESS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    IndexError,
    MemoryError,
    NameError,
    RecursionError,
    RuntimeError,
    TimeoutError,
    TypeError,
)
"""Their messages name what is in the code, not what it works on."""

AWAY = ("08", "40", "53", "55", "57")
"""Classes of SQLSTATE in which PostgreSQL tells of itself: connections, locks, resources, its operator."""


def told(error: BaseException) -> str:
    """Return an exception's message, or what it is where the message may hold what nobody should read."""
    name = type(error).__name__
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        return (error.message or name) if state.startswith(AWAY) else f"{name} ({state})"
    if isinstance(error, OSError) and error.filename is not None:
        return error.strerror or name
    ours = type(error).__module__.startswith("lingoloop")
    if ours or type(error) in HARMLESS or isinstance(error, OSError | asyncpg.InterfaceError):
        return str(error) or name
    return name


def unquoted(error: Exception) -> str:
    """Return the message of an error that an engine or its server caused, without that one's own words.

    They follow a colon, and may repeat what it was sent: hot words, or what was said before.
    """
    return str(error).partition(": ")[0]


def trace(error: BaseException) -> str:
    """Return an exception's trace, with those that led to it: the code's lines, and of their messages what `told` says."""
    return "\n".join(_lines(error, set()))


def _lines(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None and id(before) not in seen:
        yield from _lines(before, seen)
        how = "led to" if error.__cause__ else "was being handled in"
        yield f"\nwhich {how}:\n"
    yield "Traceback (most recent call last):"
    yield "".join(traceback.format_tb(error.__traceback__)).rstrip()
    name, message = type(error).__name__, told(error)
    yield name if message == name else f"{name}: {message}"
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _lines(one, seen)
