"""Tickets: 256 random bits that stand in for a token in the address of one path. Only their SHA-256 is stored.

Addresses end up in histories and in the logs of proxies; a ticket that is found there opens nothing after a minute, but the
one path that it was opened for already.
"""

import base64
import hmac
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lingoloop_common.keys import Queryable, digest
from lingoloop_common.store.queries import load_queries

SQL = load_queries(__package__, "tickets.sql")

PREFIX = "llt_"
"""Tells a ticket from a token and a key."""

OPEN_WITHIN = 60.0
"""Seconds in which a ticket must be shown for the first time."""

LIFETIME = 12 * 3600.0
"""Seconds in which a browser may come back with it."""


async def create_ticket(database: Queryable, token: str, *, owner: str, path: str) -> tuple[str, datetime]:
    """Make a ticket by which an owner's path may be read; return its seed, and when it was made.

    With the seed, whoever shows the same token can be told the ticket again (`ticket_of`); by itself it opens nothing.
    """
    seed = secrets.token_urlsafe(32)
    row = await database.fetchrow(
        SQL["insert_ticket"], digest(ticket_of(token, seed)), owner, path, OPEN_WITHIN, LIFETIME
    )
    return seed, row["created_at"]


def ticket_of(token: str, seed: str) -> str:
    """Return the ticket that was made of a seed for whoever shows the token. Pure."""
    made = hmac.digest(token.encode(), seed.encode(), "sha256")
    return PREFIX + base64.urlsafe_b64encode(made).decode().rstrip("=")


async def open_ticket(database: Queryable, ticket: str, path: str) -> Mapping[str, Any] | None:
    """Return the owner and the end (seconds since 1970) of a ticket for this path; None if it is no use."""
    found: Mapping[str, Any] | None = await database.fetchrow(
        SQL["open_ticket"], digest(ticket), path, OPEN_WITHIN, LIFETIME
    )
    return found
