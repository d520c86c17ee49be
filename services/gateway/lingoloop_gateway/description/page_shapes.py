"""The shapes of answers about the server itself: who one is, and what one may ask of it."""

from datetime import datetime

from lingoloop_common.contracts.engines import Ability
from lingoloop_gateway.description.shapes import Shape


class Oidc(Shape):
    """An identity provider at which the web app's users sign in (OpenID Connect, authorization code with PKCE)."""

    authority: str
    client_id: str
    scope: str


class WaysIn(Shape):
    """How one signs in at the web app, beside with a token."""

    oidc: Oidc | None
    link: bool
    """Whether the server prints a link that is good once."""


class Limits(Shape):
    """How much a recording may have."""

    upload_bytes: int
    audio_duration_ms: int


class PageSettings(Shape):
    """What a page must know before anybody has signed in."""

    version: str
    sign_in: WaysIn
    limits: Limits


class SignedIn(Shape):
    """A token in place of a one-time link's code."""

    token: str
    expires_at: datetime


class Me(Shape):
    """Who calls, and what that one may."""

    owner: str
    scopes: list[str]
    expires_at: datetime | None
    """Null of an API key, which is good until it is revoked."""


class EngineChoice(Shape):
    """An engine, and its model, null of one without any to choose from."""

    engine: str
    model: str | None


class Engine(EngineChoice):
    """What workers offer."""

    lane: str
    languages: list[str] | None
    """Codes of the languages it knows; null: it takes any."""

    can: list[Ability]
    """What it can beside writing down what is said in one language."""

    alive: bool
    """Whether a worker of it is alive; else what is asked of it waits for one."""


class EngineList(Shape):
    """The engines that workers have ever offered."""

    default: EngineChoice
    """What an upload gets that names none."""

    items: list[Engine]
