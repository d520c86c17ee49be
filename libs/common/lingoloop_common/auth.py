"""Who may: a JWT, an API key or a ticket names the owner and what it may do (`scope`)."""

import hashlib
import time
from dataclasses import dataclass
from typing import Any

import jwt
from aiohttp import web

from lingoloop_common import keys, tickets
from lingoloop_common.errors import Problem
from lingoloop_common.jwks import ALGORITHMS, KeySet, KeysUnavailable
from lingoloop_common.rates import Rates
from lingoloop_common.settings import WebSettings
from lingoloop_common.store.database import Database

LEEWAY = 30
"""Seconds by which clocks may differ."""

KEY_LIFETIME = 3600.0
"""Seconds after which a stream that a key opened must show it again: it may have been revoked since."""

KNOWN_TOKENS = 5_000
KNOWN_SECONDS = 30.0
"""Tokens that are remembered, and for how long at most: clients show the same one again and again, and a check costs as
much as all else in a small answer. Where a provider's count, none are: its keys may be withdrawn at any time."""

READ, WRITE, ADMIN = "runs:read", "runs:write", "admin"

ANY = "any"
"""In place of a scope: what whoever is known may do."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the owner, the scopes, and until when that is believed (seconds since 1970)."""

    owner: str
    scopes: frozenset[str]
    expires_at: float
    by_key: bool = False
    """Known by an API key, which does not end by itself."""

    def require(self, scope: str) -> None:
        """Raise `forbidden` without the scope; `runs:write` includes reading."""
        if scope == ANY or scope in self.scopes or (scope == READ and WRITE in self.scopes):
            return
        raise Problem("forbidden", f"this token lacks the scope {scope}")


class Tokens:
    """Checks tokens (RFC 7519) that are signed with the server's secret, or by an identity provider; makes the former.

    Args:
        secret: for HS256; None: only the provider's tokens count.
        keys: the provider's, for RS256 and ES256; None: only the secret's count.
        audience: who the tokens are for (`aud`); None: those that say so are for others.
        issuer: who must have made the provider's tokens (`iss`).
    """

    def __init__(
        self,
        secret: str | None,
        keys: KeySet | None = None,
        *,
        audience: str | None = None,
        issuer: str | None = None,
    ) -> None:
        self._secret, self._keys, self._audience, self._issuer = secret, keys, audience, issuer
        self._known: dict[bytes, tuple[Caller, float]] = {}
        """By a token's SHA-256: who it speaks for, and until when (seconds since 1970) that need not be checked again."""

    def sign(self, owner: str, scope: str, *, issued_at: int, ttl: int) -> str:
        """Return a token for `owner` that ends `ttl` seconds after `issued_at`."""
        assert self._secret is not None  # only who has it makes tokens
        claims = {"sub": owner, "scope": scope, "iat": issued_at, "exp": issued_at + ttl}
        if self._audience:
            claims["aud"] = self._audience
        return jwt.encode(claims, self._secret, algorithm="HS256")

    async def check(self, token: str) -> Caller:
        """Return who a token speaks for.

        Raises:
            Problem: `unauthorized`; the text says why, not what the token holds. `unavailable` when it needs keys that
                cannot be read.
        """
        try:
            digest = hashlib.sha256(token.encode()).digest()
            caller, until = self._known.get(digest, (None, 0.0))
            if caller is not None and time.time() < until:
                return caller
            claims = await self._claims(token)
        except jwt.ExpiredSignatureError:
            raise Problem("unauthorized", "the token has expired; get a new one") from None
        except jwt.PyJWTError as error:
            raise Problem("unauthorized", f"the token is not valid: {error}") from None
        except UnicodeError:
            raise Problem("unauthorized", "the token is not valid: it is no text") from None
        except KeysUnavailable:
            raise Problem("unavailable", "the identity provider's keys cannot be read; try again") from None
        owner = claims["sub"]
        if not owner or len(owner) > 200 or "\x00" in owner:
            raise Problem("unauthorized", "the token's subject must have 1 to 200 characters")
        caller = Caller(owner, frozenset(_scopes(claims.get("scope"))), float(claims["exp"]))
        if self._keys is None:
            self._remember(digest, caller)
        return caller

    def _remember(self, digest: bytes, caller: Caller) -> None:
        self._known.pop(digest, None)
        if len(self._known) >= KNOWN_TOKENS:
            del self._known[next(iter(self._known))]  # the one that was checked first
        self._known[digest] = (caller, min(caller.expires_at, time.time() + KNOWN_SECONDS))

    async def _claims(self, token: str) -> dict[str, Any]:
        """Check a token with the key that its kind must have been signed with: what it says decides only which kind."""
        head = jwt.get_unverified_header(token)
        rules: dict[str, Any] = {
            "leeway": LEEWAY,
            "audience": self._audience,
            "options": {"require": ["sub", "exp"]},
        }
        if self._secret is not None and head.get("alg") == "HS256":
            return jwt.decode(token, self._secret, algorithms=["HS256"], **rules)
        if self._keys is None or head.get("alg") not in ALGORITHMS.values():
            raise jwt.InvalidAlgorithmError("it is not signed in a way that counts here")
        found = await self._keys.find(head.get("kid"))
        if found is None:
            raise jwt.InvalidTokenError("the identity provider has no such key")
        return jwt.decode(token, found.key, algorithms=[found.algorithm], issuer=self._issuer, **rules)


def read_tokens(settings: WebSettings) -> Tokens:
    """Return what the settings say of who may."""
    secret, url = settings.auth_jwt_secret, settings.auth_jwks_url
    return Tokens(
        secret.get_secret_value() if secret else None,
        KeySet(url) if url else None,
        audience=settings.auth_audience,
        issuer=settings.auth_issuer,
    )


def _scopes(given: object) -> list[str]:
    """Return a token's scopes: words in a text (RFC 8693, section 4.2), or a list, as some providers have it."""
    return [str(scope) for scope in given] if isinstance(given, list) else str(given or "").split()


class Callers:
    """Tells who makes a request: by a token that is signed, or by a key that is stored."""

    def __init__(self, tokens: Tokens, database: Database, rates: Rates) -> None:
        self._tokens, self._database, self._rates = tokens, database, rates

    async def caller(self, request: web.Request, scope: str, *, in_query: bool = False) -> Caller:
        """Return who makes a request, and that they may; count it.

        Args:
            request: with `Authorization: Bearer`.
            scope: what the call needs.
            in_query: also take `?access_token=`, where a browser cannot set a header; a ticket may stand there too.

        Raises:
            Problem: `unauthorized` or `forbidden`; `too_many_requests` when their owner made too many.
        """
        caller = await self._who(request, in_query=in_query)
        self._rates.check(caller.owner)
        caller.require(scope)
        return caller

    async def _who(self, request: web.Request, *, in_query: bool) -> Caller:
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        if not given and in_query:
            kind, given = "Bearer", request.query.get("access_token", "")
            if given.startswith(tickets.PREFIX):
                return await self._by_ticket(given, request.path)
        if kind.lower() != "bearer" or not given:
            raise Problem("unauthorized", "send Authorization: Bearer with a token")
        given = given.strip()
        if given.startswith(keys.PREFIX):
            return await self._by_key(given)
        return await self._tokens.check(given)

    async def _by_ticket(self, ticket: str, path: str) -> Caller:
        try:
            found = await tickets.open_ticket(self._database.pool, ticket, path)
        except UnicodeError:
            found = None
        if found is None:
            raise Problem(
                "unauthorized", "the ticket is not for this path, or it is too late for it; get a new one"
            )
        return Caller(found["owner"], frozenset({READ}), found["expires_at"])

    async def _by_key(self, key: str) -> Caller:
        try:
            found = await keys.find_key(self._database.pool, key)
        except UnicodeError:
            found = None
        if found is None:
            raise Problem("unauthorized", "the key is not valid; it may have been revoked")
        return Caller(
            found["owner"], frozenset(found["scope"].split()), time.time() + KEY_LIFETIME, by_key=True
        )
