"""`Idempotency-Key`: a request that comes again is given the first one's answer, and makes nothing twice."""

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web
from pydantic import BaseModel

from lingoloop_common.errors import Problem
from lingoloop_common.keys import Queryable
from lingoloop_common.store.database import Connection, Database
from lingoloop_common.store.queries import load_queries
from lingoloop_common.sweep import KEYS_KEPT

SQL = load_queries(__package__, "idempotency.sql")

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"

KEY = re.compile(r"[!-~]([ -~]{0,253}[!-~])?")
"""HTTP takes no spaces at the ends of a header's value."""


@dataclass(frozen=True, slots=True)
class Once:
    """A request that is to have its effect once: its key, and the SHA-256 of what it asks for."""

    owner: str
    key: str
    request: bytes


@dataclass(frozen=True, slots=True)
class Known:
    """What a request with the same key did: what it made, and how it was answered, as far as that is kept."""

    made: Mapping[str, Any] | None
    answer: Mapping[str, Any] | None


def read_key(request: web.Request) -> str | None:
    """Return the request's key, None without one; raise Problem `invalid_value` for one that is none."""
    keys = request.headers.getall(HEADER, [])
    if not keys:
        return None
    if len(keys) > 1 or not KEY.fullmatch(keys[0]):
        text = f"{HEADER} must be 1 to 255 printable ASCII characters, given once"
        raise Problem("invalid_value", text, fields={HEADER: text})
    return keys[0]


def once(
    request: web.Request, owner: str, key: str | None, *options: BaseModel, sha256: bytes = b""
) -> Once | None:
    """Return what makes the same request the same; None without a key.

    That is what it asks for and the bytes of its file, not the body as it was sent: boundaries differ between two tries.
    """
    if key is None:
        return None
    return Once(owner, key, fingerprint(request.method, request.path, options, sha256))


def fingerprint(method: str, path: str, options: tuple[BaseModel, ...], sha256: bytes) -> bytes:
    """Return the SHA-256 of what a request asks for; the order of fields and of sets does not count. Pure.

    Nor does what is not asked for: a release that knows more options sees the same in a request that does not use them.
    """
    asked = [method, path, [model.model_dump(exclude_defaults=True) for model in options], sha256.hex()]
    return hashlib.sha256(orjson.dumps(asked, default=sorted, option=orjson.OPT_SORT_KEYS)).digest()


class IdempotencyKeys:
    """Remembers keys, for `KEYS_KEPT` seconds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, request: Once) -> Known | None:
        """Return what the request did before; raise as `claim` does."""
        return await _find(self._database.pool, request)

    async def kept(self, request: Once | None) -> web.Response | None:
        """Return the first answer, None where it was not given yet or is not kept."""
        known = await self.find(request) if request else None
        return _response(known.answer) if known and known.answer else None

    async def answered_once(
        self, request: Once | None, make: Callable[[Connection], Awaitable[web.Response]]
    ) -> web.Response:
        """Answer with what `make` makes in a transaction, which the key is bound in too; or as the first time.

        Raises:
            Problem: `invalid_value` when the key stands for another request; what `make` raises, and nothing is kept.
        """
        async with self._database.pool.acquire() as connection, connection.transaction():
            known = await claim(connection, request) if request else None
            if known is None:
                response = await make(connection)
                return await self._keep(connection, request, response) if request else response
        assert known.answer is not None  # written with the key
        return replayed(_response(known.answer))

    async def keep(self, request: Once | None, response: web.Response) -> web.Response:
        """Keep an answer, and return it; or the one that another try of the same request was given before it."""
        return response if request is None else await self._keep(self._database.pool, request, response)

    async def _keep(self, database: Queryable, request: Once, response: web.Response) -> web.Response:
        answer = _answer(response)
        row = await database.fetchrow(SQL["keep_answer"], request.owner, request.key, request.request, answer)
        return _response(row["answer"]) if row and row["answer"] != answer else response


async def claim(connection: Connection, request: Once) -> Known | None:
    """Take a key in the transaction that does what is asked for, or return what was done already.

    Raises:
        Problem: `invalid_value`; the key stands for another request.
    """
    if await connection.fetchval(SQL["claim_key"], request.owner, request.key, request.request, KEYS_KEPT):
        return None
    return await _find(connection, request)


async def write_made(connection: Connection, request: Once, made: Mapping[str, Any]) -> None:
    """Write down what a request made, in the transaction that has its key."""
    await connection.execute(SQL["write_made"], request.owner, request.key, made)


async def _find(database: Queryable, request: Once) -> Known | None:
    row = await database.fetchrow(SQL["known_key"], request.owner, request.key, KEYS_KEPT)
    if row is None:
        return None
    if row["request"] != request.request:
        text = f"{HEADER}: this key stands for another request; take a new one for each"
        raise Problem("invalid_value", text, fields={HEADER: text})
    return Known(row["made"], row["answer"])


def replayed(response: web.Response) -> web.Response:
    """Say of an answer that it is to a request that was made before."""
    response.headers[REPLAYED] = "true"
    return response


def _answer(response: web.Response) -> dict[str, Any]:
    body = response.body or b""
    assert isinstance(body, bytes)  # nothing that streams is kept
    return {
        "status": response.status,
        "location": response.headers.get("Location"),
        "type": response.content_type,
        "body": body.decode(),
    }


def _response(answer: Mapping[str, Any]) -> web.Response:
    headers = {"Location": answer["location"]} if answer["location"] else None
    return web.Response(
        body=answer["body"].encode(), status=answer["status"], headers=headers, content_type=answer["type"]
    )
