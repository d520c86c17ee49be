"""Who may: a JWT or an API key names the owner and what it may do (`scope`)."""

import time
from dataclasses import dataclass

import jwt
from aiohttp import web

from lingoloop_common import keys
from lingoloop_common.errors import Problem
from lingoloop_common.store.database import Database

LEEWAY = 30
"""Seconds by which clocks may differ."""

KEY_LIFETIME = 3600.0
"""Seconds after which a stream that a key opened must show it again: it may have been revoked since."""

READ, WRITE, ADMIN = "runs:read", "runs:write", "admin"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the owner, the scopes, and until when that is believed (seconds since 1970)."""

    owner: str
    scopes: frozenset[str]
    expires_at: float

    def require(self, scope: str) -> None:
        """Raise `forbidden` without the scope; `runs:write` includes reading."""
        if scope in self.scopes or (scope == READ and WRITE in self.scopes):
            return
        raise Problem("forbidden", f"this token lacks the scope {scope}")


class Tokens:
    """Checks and makes tokens that are signed with the server's secret (RFC 7519, HS256)."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def sign(self, owner: str, scope: str, *, issued_at: int, ttl: int) -> str:
        """Return a token for `owner` that ends `ttl` seconds after `issued_at`."""
        claims = {"sub": owner, "scope": scope, "iat": issued_at, "exp": issued_at + ttl}
        return jwt.encode(claims, self._secret, algorithm="HS256")

    def check(self, token: str) -> Caller:
        """Return who a token speaks for.

        Raises:
            Problem: `unauthorized`; the text says why, not what the token holds.
        """
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=["HS256"],
                leeway=LEEWAY,
                options={"require": ["sub", "exp"]},
            )
        except jwt.ExpiredSignatureError:
            raise Problem("unauthorized", "the token has expired; get a new one") from None
        except jwt.InvalidTokenError as error:
            raise Problem("unauthorized", f"the token is not valid: {error}") from None
        except UnicodeError:
            raise Problem("unauthorized", "the token is not valid: it is no text") from None
        owner = claims["sub"]
        if not owner or len(owner) > 200 or "\x00" in owner:
            raise Problem("unauthorized", "the token's subject must have 1 to 200 characters")
        return Caller(owner, frozenset(str(claims.get("scope", "")).split()), float(claims["exp"]))


class Callers:
    """Tells who makes a request: by a token that is signed, or by a key that is stored."""

    def __init__(self, tokens: Tokens, database: Database) -> None:
        self._tokens, self._database = tokens, database

    async def caller(self, request: web.Request, scope: str, *, in_query: bool = False) -> Caller:
        """Return who makes a request, and that they may.

        Args:
            request: with `Authorization: Bearer`.
            scope: what the call needs.
            in_query: also take `?access_token=`, where a browser cannot set a header.

        Raises:
            Problem: `unauthorized` or `forbidden`.
        """
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        if not given and in_query:
            kind, given = "Bearer", request.query.get("access_token", "")
        if kind.lower() != "bearer" or not given:
            raise Problem("unauthorized", "send Authorization: Bearer with a token")
        given = given.strip()
        caller = await self._by_key(given) if given.startswith(keys.PREFIX) else self._tokens.check(given)
        caller.require(scope)
        return caller

    async def _by_key(self, key: str) -> Caller:
        try:
            found = await keys.find_key(self._database.pool, key)
        except UnicodeError:
            found = None
        if found is None:
            raise Problem("unauthorized", "the key is not valid; it may have been revoked")
        return Caller(found["owner"], frozenset(found["scope"].split()), time.time() + KEY_LIFETIME)
