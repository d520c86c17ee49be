"""Signing in at the web app: what its page must know before, the link that is good once, and who has signed in."""

import hmac
import time
from importlib.metadata import version
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lingoloop_common import keys
from lingoloop_common.auth import ANY, Callers, Tokens
from lingoloop_common.errors import Problem
from lingoloop_common.http import json_response
from lingoloop_gateway.runs import iso_of_seconds
from lingoloop_gateway.settings import GatewaySettings

LINK_LIFETIME = 3600.0
"""Seconds in which a link can be used: it may stand in a file that others read later."""

TOKEN_LIFETIME = 30 * 24 * 3600
"""Seconds for which the token counts that is given for it."""


class LinkCode(BaseModel):
    """What stands in a one-time link after its `#code=`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    code: str = Field(min_length=1, max_length=200)


class SignInLink:
    """A code that is good once and for an hour. Only its hash is kept, and only in memory: a restart has another one.

    Args:
        code: at least 128 random bits, as text.
        owner: who is signed in by it.
        scope: what that one then may.
    """

    def __init__(self, code: str, *, owner: str, scope: str) -> None:
        self.owner, self.scope = owner, scope
        self._digest: bytes | None = keys.digest(code)
        self._until = time.monotonic() + LINK_LIFETIME

    def use(self, code: str) -> bool:
        """Whether this is the code, for the first time and in time; it is not again."""
        good = (
            self._digest is not None
            and time.monotonic() < self._until
            and hmac.compare_digest(self._digest, keys.digest(code))
        )
        if good:
            self._digest = None
        return good


class SignIn:
    """Handles `/api/settings`, `/api/sign-in` and `/api/me`.

    Args:
        callers: who may.
        tokens: makes the token that is given for the link's code.
        link: the server's one-time link; None: it has none.
        settings: what of them the page must know is told to everybody.
    """

    def __init__(
        self, *, callers: Callers, tokens: Tokens, link: SignInLink | None, settings: GatewaySettings
    ) -> None:
        self._callers, self._tokens, self._link = callers, tokens, link
        self._told = page_settings(settings, link=link is not None)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/api/settings", self.get_settings),
            web.post("/api/sign-in", self.sign_in),
            web.get("/api/me", self.get_me),
        ]

    async def get_settings(self, request: web.Request) -> web.Response:
        """Answer with what the page must know before anybody has signed in."""
        return json_response(self._told, headers={"Cache-Control": "no-cache"})

    async def sign_in(self, request: web.Request) -> web.Response:
        """Give a token for the code of the one-time link."""
        if self._link is None:
            raise Problem("not_found", "this server has no sign-in link; sign in with a token")
        if not self._link.use(read_code(await request.read())):
            raise Problem(
                "unauthorized",
                "the link was used before, or is too old; a restart of the server prints a new one,"
                " `lingoloop token --sub local` a token",
            )
        now = int(time.time())
        token = self._tokens.sign(self._link.owner, self._link.scope, issued_at=now, ttl=TOKEN_LIFETIME)
        told = {"token": token, "expiresAt": iso_of_seconds(now + TOKEN_LIFETIME)}
        return json_response(told, headers={"Cache-Control": "no-store"})

    async def get_me(self, request: web.Request) -> web.Response:
        """Answer with who calls, and what that one may."""
        caller = await self._callers.caller(request, ANY)
        ends = None if caller.by_key else iso_of_seconds(caller.expires_at)
        return json_response({"owner": caller.owner, "scopes": sorted(caller.scopes), "expiresAt": ends})


def page_settings(settings: GatewaySettings, *, link: bool) -> dict[str, Any]:
    """Return what the page must know before anybody has signed in. Pure, but for the version."""
    oidc = settings.web_oidc_authority and {
        "authority": settings.web_oidc_authority,
        "clientId": settings.web_oidc_client_id,
        "scope": settings.web_oidc_scope,
    }
    return {
        "version": version("lingoloop-gateway"),
        "signIn": {"oidc": oidc, "link": link},
        "limits": {
            "uploadBytes": settings.max_upload_bytes,
            "audioDurationMs": settings.max_audio_duration_ms,
        },
    }


def read_code(body: bytes) -> str:
    """Return the code of a body; raise Problem `bad_request` when that is no JSON, `invalid_value` when it has no code."""
    try:
        return LinkCode.model_validate_json(body).code
    except ValidationError as error:
        broken = error.errors(include_input=False, include_url=False)[0]["type"] == "json_invalid"
        text = 'send {"code": "…"}, what the link has after #code='
        raise Problem("bad_request" if broken else "invalid_value", text) from None
