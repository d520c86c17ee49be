"""Tickets for addresses that a browser opens without headers: event streams and downloads."""

from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lingoloop_common.auth import Caller
from lingoloop_common.errors import Problem
from lingoloop_common.keys import Queryable
from lingoloop_common.tickets import LIFETIME, create_ticket
from lingoloop_gateway.runs import iso


class Wish(BaseModel):
    """What a ticket is wished for: `path`, without a query."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(pattern=r"^/api/[A-Za-z0-9/_-]{1,200}$")


def read_wish(body: bytes) -> Wish:
    """Check a wish; raise Problem `bad_request` when the body is no JSON, `invalid_value` when it names no path."""
    try:
        return Wish.model_validate_json(body)
    except ValidationError as error:
        broken = error.errors(include_input=False, include_url=False)[0]["type"] == "json_invalid"
        text = 'send {"path": "/api/runs/…/events"}, the path alone'
        raise Problem("bad_request" if broken else "invalid_value", text) from None


async def make_ticket(database: Queryable, caller: Caller, wish: Wish) -> dict[str, Any]:
    """Return a ticket by which the caller may open the path, as it is answered."""
    ticket, made_at = await create_ticket(database, owner=caller.owner, path=wish.path)
    return {"ticket": ticket, "path": wish.path, "expiresAt": iso(made_at + timedelta(seconds=LIFETIME))}
