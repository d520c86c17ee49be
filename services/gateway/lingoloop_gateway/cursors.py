"""Where a page of a list ends: a moment and an id, so that it stays right while rows come and go. Pure."""

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

from lingoloop_common.errors import Problem
from lingoloop_common.store.runs import Row

CURSOR = r"\d{1,16}\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
"""What a cursor looks like: microseconds since 1970, and an id."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def cursor_after(row: Row) -> str:
    """Return the cursor of the page after a row: its microseconds since 1970, and its id."""
    return f"{(row['created_at'] - EPOCH) // timedelta(microseconds=1)}.{row['id']}"


def read_cursor(cursor: str) -> tuple[datetime, UUID]:
    """Return where the page before ended; raise Problem `invalid_value` for a cursor that no page gave."""
    if not re.fullmatch(CURSOR, cursor, re.ASCII):
        raise Problem("invalid_value", "cursor must be the nextCursor of a page")
    moment, _, row_id = cursor.partition(".")
    return EPOCH + timedelta(microseconds=int(moment)), UUID(row_id)
