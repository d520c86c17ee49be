"""What a page learns before and after somebody has signed in, and the link that is good once."""

import asyncio
import time
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

import lingoloop_gateway.app
from lingoloop_common import keys
from lingoloop_common.settings import SettingsError, read_settings
from lingoloop_gateway import sign_in
from lingoloop_gateway.settings import GatewaySettings
from lingoloop_gateway.sign_in import LINK_LIFETIME, TOKEN_LIFETIME, SignInLink
from tests.gateway.world import SECRET, World, running_world

pytestmark = pytest.mark.asyncio(loop_scope="module")

CODE = "a-code-of-many-random-bits-0123456789"
SCOPE = "runs:read runs:write admin"


def with_link(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next gateway have a link, as `lingoloop up` does."""
    parts, link = lingoloop_gateway.app.parts, SignInLink(CODE, owner="local", scope=SCOPE)

    def parts_with_link(*args: Any, **given: Any) -> Any:
        return parts(*args, **given, link=link)

    monkeypatch.setattr(lingoloop_gateway.app, "parts", parts_with_link)


async def use(world: World, code: object) -> httpx.Response:
    return await world.http.post("/api/sign-in", json={"code": code})


async def test_the_link_signs_in_once(
    migrated_url: str, own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_link(monkeypatch)
    async with running_world(migrated_url, own_folder, transcribes=False) as world:
        assert (await world.http.get("/api/settings")).json()["signIn"]["link"] is True
        wrong = await use(world, CODE + "0")
        assert (wrong.status_code, wrong.json()["code"]) == (401, "unauthorized")
        given = await asyncio.gather(*(use(world, CODE) for _ in range(5)))
        [good] = [answer for answer in given if answer.status_code == 200]
        assert {answer.status_code for answer in given if answer is not good} == {401}
        assert good.headers["Cache-Control"] == "no-store"
        me = await world.http.get("/api/me", headers={"Authorization": f"Bearer {good.json()['token']}"})
        assert me.json() == {
            "owner": "local",
            "scopes": ["admin", "runs:read", "runs:write"],
            "expiresAt": good.json()["expiresAt"],
        }
        assert (await use(world, CODE)).status_code == 401


async def test_it_is_good_for_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(sign_in, "time", SimpleNamespace(monotonic=lambda: now))
    early, late = (SignInLink(CODE, owner="local", scope=SCOPE) for _ in range(2))
    now += LINK_LIFETIME - 1
    assert early.use(CODE)
    now += 2
    assert not late.use(CODE)
    assert TOKEN_LIFETIME == 30 * 86_400


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 400), (b"{}", 422), (b'{"code": ""}', 422), (b'{"code": 5}', 422), (b'{"code": "\\ud800"}', 400)],
)
async def test_what_is_no_code_is_refused_and_uses_nothing_up(
    migrated_url: str, own_folder: Path, monkeypatch: pytest.MonkeyPatch, body: bytes, status: int
) -> None:
    with_link(monkeypatch)
    async with running_world(migrated_url, own_folder, transcribes=False) as world:
        assert (await world.http.post("/api/sign-in", content=body)).status_code == status
        assert (await use(world, CODE)).status_code == 200


async def test_a_server_without_a_link_says_so(idle_world: World) -> None:
    told = (await idle_world.http.get("/api/settings")).json()
    assert told == {
        "version": version("lingoloop-gateway"),
        "signIn": {"oidc": None, "link": False},
        "limits": {"uploadBytes": 10 * 2**30, "audioDurationMs": 86_400_000},
    }
    assert (await use(idle_world, CODE)).status_code == 404


async def test_each_caller_learns_who_they_are(idle_world: World) -> None:
    owner = idle_world.new_owner()
    for scope in ("runs:read", "admin", "runs:write runs:read", ""):
        me = await idle_world.http.get("/api/me", headers=idle_world.bearer(owner, scope))
        assert (me.json()["owner"], me.json()["scopes"]) == (owner, sorted(scope.split()))
        assert me.json()["expiresAt"].startswith(time.strftime("%Y-", time.gmtime()))
    _, key = await keys.create_key(idle_world.database.pool, owner=owner, scope="runs:read", name="")
    me = await idle_world.http.get("/api/me", headers={"Authorization": f"Bearer {key}"})
    assert me.json() == {"owner": owner, "scopes": ["runs:read"], "expiresAt": None}


NEEDED = {
    "database_url": "postgresql://x",
    "broker_url": "memory://",
    "blob_dir": ".",
    "auth_jwt_secret": SECRET,
    "auth_jwks_url": "https://login.example/keys",
}
PROVIDER = {"web_oidc_authority": "https://login.example/realm", "web_oidc_client_id": "lingoloop"}


async def test_the_page_is_told_of_the_identity_provider(migrated_url: str, own_folder: Path) -> None:
    jwks = {"auth_jwks_url": NEEDED["auth_jwks_url"]}
    async with running_world(migrated_url, own_folder, transcribes=False, **PROVIDER, **jwks) as world:
        told = (await world.http.get("/api/settings")).json()["signIn"]["oidc"]
        assert told == {
            "authority": "https://login.example/realm",
            "clientId": "lingoloop",
            "scope": "openid",
        }
        policy = (await world.http.get("/")).headers["Content-Security-Policy"]
        assert "connect-src 'self' https://login.example;" in policy


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"web_oidc_client_id": None}, "WEB_OIDC_CLIENT_ID: is not set, but WEB_OIDC_AUTHORITY is"),
        ({"web_oidc_authority": None}, "WEB_OIDC_CLIENT_ID: is set, but WEB_OIDC_AUTHORITY is not"),
        ({"auth_jwks_url": None}, "WEB_OIDC_AUTHORITY: is set, but AUTH_JWKS_URL is not"),
        ({"web_oidc_authority": "http://login.example"}, "WEB_OIDC_AUTHORITY"),
        ({"web_oidc_authority": "http://127.0.0.1.example"}, "WEB_OIDC_AUTHORITY"),
        ({"web_oidc_authority": "https://a;script-src *"}, "WEB_OIDC_AUTHORITY"),
        ({"web_oidc_authority": "https://user@login.example"}, "WEB_OIDC_AUTHORITY"),
    ],
)
async def test_settings_of_it_that_do_not_fit_together_are_named(
    changed: dict[str, str | None], named: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(GatewaySettings, **{**NEEDED, **PROVIDER, **changed})
    [_, line] = str(caught.value).splitlines()
    assert named in line


@pytest.mark.parametrize("authority", ["https://login.example", "http://localhost:8080/a", "http://[::1]:80"])
async def test_https_or_this_very_machine(authority: str) -> None:
    given = {**NEEDED, **PROVIDER, "web_oidc_authority": authority}
    assert read_settings(GatewaySettings, **given).web_oidc_authority == authority
