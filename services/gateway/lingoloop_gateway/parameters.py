"""What stands in a request's path and query, checked."""

from collections.abc import Iterable
from uuid import UUID

from aiohttp import web

from lingoloop_common.errors import Problem
from lingoloop_common.http import name_run

LIST_LIMIT = 200
SEGMENTS_LIMIT = 1_000
LETTERS_LIMIT = 1_000
"""Items that a page may have."""

BACKLOG_MINUTES = 1_440
"""The minutes for which it is known what the backlog was: a day."""

INDEX_MOST = 2**31 - 1
"""The largest index of a segment that the database can hold."""


def id_in_path(request: web.Request, name: str, what: str) -> UUID:
    """Return the id in the path; raise Problem `not_found` for one that is none. The log names a run's."""
    try:
        found = UUID(request.match_info[name])
    except ValueError:
        raise Problem("not_found", f"there is no such {what}") from None
    if name == "run_id":
        name_run(found)
    return found


def id_in_query(request: web.Request, name: str, what: str) -> UUID | None:
    """Return an id from the query, None without; raise Problem `invalid_value` for one that is none."""
    text = request.query.get(name)
    if text is None:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise Problem("invalid_value", f"{name} must be the id of a {what}") from None


def choices_in_query(request: web.Request, name: str, known: Iterable[str]) -> list[str] | None:
    """Return what is asked for, separated by commas, None without; raise Problem `invalid_value` for what is not known."""
    text = request.query.get(name)
    if text is None:
        return None
    chosen, known = text.split(","), list(known)
    if unknown := set(chosen).difference(known):
        raise Problem("invalid_value", f"{name} must be of {', '.join(known)}; not {unknown.pop()!r}")
    return chosen


def number_in_path(request: web.Request, name: str, what: str) -> int:
    """Return the number (of 31 bits) in the path; raise Problem `not_found` for one that is none."""
    text = request.match_info[name]
    if text.isascii() and text.isdecimal() and len(text) < 11 and int(text) < 2**31:
        return int(text)
    raise Problem("not_found", f"there is no such {what}")


def flag_in_query(request: web.Request, name: str) -> bool:
    """Whether the query has a flag; raise Problem `invalid_value` for another value than 1 or 0, true or false."""
    text = request.query.get(name, "0")
    if text not in {"0", "1", "false", "true"}:
        raise Problem("invalid_value", f"{name} must be 1 or 0")
    return text in {"1", "true"}


def number_in_query(request: web.Request, name: str, *, default: int, least: int, most: int) -> int:
    """Return a number from the query; raise Problem `invalid_value` for one that is none, or out of bounds."""
    text = request.query.get(name)
    if text is None:
        return default
    digits = text.removeprefix("-")
    if text.isascii() and digits.isdecimal() and len(text) < 12 and least <= int(text) <= most:
        return int(text)
    raise Problem("invalid_value", f"{name} must be a number from {least} to {most}")
