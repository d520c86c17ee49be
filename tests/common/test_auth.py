"""Who may: tokens are checked, scopes are required, and an answer never holds the token."""

import time
from typing import Any

import jwt
import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from lingoloop_common import auth
from lingoloop_common.auth import ADMIN, LEEWAY, READ, WRITE, Caller, Callers, Tokens
from lingoloop_common.errors import Problem
from lingoloop_common.rates import Rates
from lingoloop_common.store.database import Database

SECRET = "0123456789abcdef" * 4
TOKENS = Tokens(SECRET)
CALLERS = Callers(
    TOKENS, Database("", pool_max=2, startup_timeout=0, exclusive=False), Rates(0)
)  # tokens need no database


def now() -> int:
    return int(time.time())


def make(secret: str = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    claims = {"sub": "ann", "scope": READ, "exp": now() + 60, **claims}
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, secret, algorithm=algorithm)


async def refused(token: str, tokens: Tokens = TOKENS) -> Problem:
    with pytest.raises(Problem) as caught:
        await tokens.check(token)
    assert caught.value.code == "unauthorized"
    assert len(token) < 20 or token not in caught.value.detail
    return caught.value


async def test_a_signed_token_names_owner_scopes_and_end() -> None:
    issued = now()
    caller = await TOKENS.check(TOKENS.sign("ann", "runs:read admin", issued_at=issued, ttl=60))
    assert caller == Caller("ann", frozenset({READ, ADMIN}), issued + 60)


@pytest.mark.parametrize(
    ("ttl", "later", "again"), [(60, 5, False), (60, auth.KNOWN_SECONDS + 1, True), (5, 6, True)]
)
async def test_a_token_that_is_known_is_checked_again_in_time(
    ttl: int, later: float, again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = Tokens(SECRET)
    token = make(exp=now() + ttl)
    caller = await tokens.check(token)
    tokens._secret = "another " * 8  # a check would fail now
    clock = time.time() + later
    monkeypatch.setattr(time, "time", lambda: clock)
    if again:
        await refused(token, tokens)
    else:
        assert await tokens.check(token) == caller
        await refused(token[:-2] + "xx", tokens)


async def test_so_many_tokens_are_remembered_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "KNOWN_TOKENS", 3)
    tokens = Tokens(SECRET)
    made = [make(sub=f"owner-{number}") for number in range(9)]
    for token in [*made, *made]:
        await tokens.check(token)
    assert len(tokens._known) == 3


async def test_a_token_that_is_refused_is_not_remembered() -> None:
    tokens = Tokens(SECRET)
    for _ in range(2):
        await refused(make(secret="b" * 40), tokens)
    assert not tokens._known


async def test_clocks_may_differ_by_half_a_minute() -> None:
    assert (await TOKENS.check(make(exp=now() - LEEWAY + 5))).owner == "ann"
    assert "expired" in (await refused(make(exp=now() - LEEWAY - 5))).detail


@pytest.mark.parametrize(
    "token",
    [
        make(secret="x" * 32),
        make(secret="", algorithm="none"),
        make(sub=None),
        make(exp=None),
        make(sub=""),
        make(sub="x" * 201),
        make(sub="a\x00b"),
        make(nbf=now() + 600),
        make(algorithm="HS512"),
        make()[:-2],
        "",
        "nonsense",
        "a.b.c",
        "ü.ü.ü",
    ],
)
async def test_any_other_token_is_refused(token: str) -> None:
    await refused(token)


@given(st.text(max_size=60))
async def test_garbage_is_refused_and_never_an_error(token: str) -> None:
    await refused(token)


@pytest.mark.parametrize(
    ("scopes", "needed", "may"),
    [
        ("runs:read", READ, True),
        ("runs:read", WRITE, False),
        ("runs:write", READ, True),
        ("runs:write", WRITE, True),
        ("runs:write", ADMIN, False),
        ("admin", ADMIN, True),
        ("admin", READ, False),
        ("", READ, False),
        (None, READ, False),
    ],
)
async def test_scopes(scopes: str | None, needed: str, may: bool) -> None:
    caller = await TOKENS.check(make(scope=scopes))
    if may:
        caller.require(needed)
    else:
        with pytest.raises(Problem, match=f"lacks the scope {needed}") as caught:
            caller.require(needed)
        assert caught.value.code == "forbidden"


@pytest.mark.parametrize("kind", ["Bearer", "bearer", "BEARER"])
async def test_the_header_says_who_calls(kind: str) -> None:
    request = make_mocked_request("GET", "/", headers={"Authorization": f"{kind} {make()}"})
    assert (await CALLERS.caller(request, READ)).owner == "ann"


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer ", f"Basic {make()}", make()])
async def test_without_a_bearer_token_nobody_may(header: str | None) -> None:
    request = make_mocked_request("GET", "/", headers={"Authorization": header} if header else {})
    with pytest.raises(Problem) as caught:
        await CALLERS.caller(request, READ, in_query=True)
    assert caught.value.code == "unauthorized"


async def test_a_token_in_the_query_counts_only_where_a_browser_cannot_set_a_header() -> None:
    request = make_mocked_request("GET", f"/?access_token={make()}")
    assert (await CALLERS.caller(request, READ, in_query=True)).owner == "ann"
    with pytest.raises(Problem):
        await CALLERS.caller(request, READ)
