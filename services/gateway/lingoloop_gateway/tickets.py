"""Tickets for addresses that a browser opens without headers: event streams and downloads."""

from datetime import timedelta

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lingoloop_common.auth import Caller
from lingoloop_common.errors import Problem
from lingoloop_common.http import json_response
from lingoloop_common.keys import Queryable
from lingoloop_common.tickets import LIFETIME, create_ticket, ticket_of
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


async def make_ticket(database: Queryable, caller: Caller, token: str, wish: Wish) -> web.Response:
    """Make a ticket by which the caller may open the path; return the answer as it may be kept: with the seed for the ticket."""
    seed, made_at = await create_ticket(database, token, owner=caller.owner, path=wish.path)
    told = {"ticket": seed, "path": wish.path, "expiresAt": iso(made_at + timedelta(seconds=LIFETIME))}
    return json_response(told, status=201)


def tell_ticket(answer: web.Response, token: str) -> web.Response:
    """Put the ticket itself into an answer that may have been kept."""
    assert isinstance(answer.body, bytes)  # `make_ticket` wrote it
    told = orjson.loads(answer.body)
    answer.body = orjson.dumps({**told, "ticket": ticket_of(token, told["ticket"])})
    return answer
