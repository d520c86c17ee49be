"""Tickets for addresses that a browser opens without headers: event streams and downloads."""

from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lingoloop_common.auth import Caller
from lingoloop_common.errors import Problem
from lingoloop_common.store.database import Database
from lingoloop_common.tickets import LIFETIME, create_ticket
from lingoloop_gateway.runs import iso


class Wish(BaseModel):
    """What a ticket is wished for: `path`, without a query."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(pattern=r"^/api/[A-Za-z0-9/_-]{1,200}$")


class Tickets:
    """Makes tickets."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def make(self, caller: Caller, body: bytes) -> dict[str, Any]:
        """Return a ticket by which the caller may open the path in the body.

        Raises:
            Problem: `bad_request` when the body is no JSON, `invalid_value` when it names no path.
        """
        try:
            path = Wish.model_validate_json(body).path
        except ValidationError as error:
            broken = error.errors(include_input=False, include_url=False)[0]["type"] == "json_invalid"
            text = 'send {"path": "/api/runs/…/events"}, the path alone'
            raise Problem("bad_request" if broken else "invalid_value", text) from None
        ticket, made_at = await create_ticket(self._database.pool, owner=caller.owner, path=path)
        return {"ticket": ticket, "path": path, "expiresAt": iso(made_at + timedelta(seconds=LIFETIME))}
