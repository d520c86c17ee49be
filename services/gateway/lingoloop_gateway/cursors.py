"""Where a page of a list ends: a moment and an id, so that it stays right while rows come and go. Pure."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from lingoloop_common.errors import Problem
from lingoloop_common.store.runs import Row

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def cursor_after(row: Row) -> str:
    """Return the cursor of the page after a row: its microseconds since 1970, and its id."""
    return f"{(row['created_at'] - EPOCH) // timedelta(microseconds=1)}.{row['id']}"


def read_cursor(cursor: str) -> tuple[datetime, UUID]:
    """Return where the page before ended; raise Problem `invalid_value` for a cursor that no page gave."""
    try:
        moment, _, row_id = cursor.partition(".")
        return EPOCH + timedelta(microseconds=int(moment)), UUID(row_id)
    except (ValueError, OverflowError):
        raise Problem("invalid_value", "cursor must be the nextCursor of a page") from None
