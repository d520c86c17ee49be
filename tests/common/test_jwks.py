"""Tokens of an identity provider: its keys are read, kept while it is away, and taken for nothing else."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from lingoloop_common import jwks
from lingoloop_common.auth import READ, Tokens
from lingoloop_common.errors import Problem
from lingoloop_common.jwks import KeySet
from tests.waiting import eventually

SECRET = "0123456789abcdef" * 4
AUDIENCE, ISSUER = "lingoloop", "https://id.example"
RSA_KEY, OTHER_KEY = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def published(key: Any, key_id: str | None, **more: Any) -> dict[str, Any]:
    kind = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    found = {**kind.to_jwk(key.public_key(), as_dict=True), "use": "sig", **more}
    return found if key_id is None else {**found, "kid": key_id}


class Provider:
    """Answers with what `keys` holds, `status` permitting, and counts."""

    def __init__(self) -> None:
        self.keys: object = [published(RSA_KEY, "rsa"), published(EC_KEY, "ec")]
        self.status, self.asked = 200, 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def answer(self, _: web.Request) -> web.Response:
        self.asked += 1
        await self.gate.wait()
        headers = {"Location": "/keys"} if self.status == 302 else {}
        return web.json_response({"keys": self.keys}, status=self.status, headers=headers)


@pytest.fixture
async def provider() -> Provider:
    return Provider()


@pytest.fixture
async def tokens(provider: Provider) -> AsyncIterator[Tokens]:
    app = web.Application()
    app.router.add_get("/keys", provider.answer)
    async with TestServer(app) as server:
        yield Tokens(SECRET, KeySet(str(server.make_url("/keys"))), audience=AUDIENCE, issuer=ISSUER)


def make(key: Any = RSA_KEY, algorithm: str = "RS256", key_id: str | None = "rsa", **claims: Any) -> str:
    claims = {
        "sub": "ann",
        "scope": READ,
        "exp": int(time.time()) + 36_000,  # made when the tests are collected
        "aud": AUDIENCE,
        "iss": ISSUER,
        **claims,
    }
    given = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(given, key, algorithm=algorithm, headers={"kid": key_id} if key_id else {})


async def refused(tokens: Tokens, token: str) -> str:
    with pytest.raises(Problem) as caught:
        await tokens.check(token)
    return caught.value.code


@pytest.mark.parametrize(
    "token",
    [
        make(),
        make(EC_KEY, "ES256", "ec"),
        make(aud=[AUDIENCE, "another"]),
        make(scope=[READ]),
        make(SECRET, "HS256", None),
    ],
    ids=["RS256", "ES256", "for two audiences", "a list of scopes", "the server's own"],
)
async def test_tokens_of_both_kinds_count(tokens: Tokens, token: str) -> None:
    caller = await tokens.check(token)
    assert (caller.owner, caller.scopes) == ("ann", frozenset({READ}))


PUBLIC_PEM = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def confused() -> str:
    """A token whose HMAC is made with the provider's public key."""
    head = jwt.utils.base64url_encode(b'{"alg":"HS256","kid":"rsa"}')
    body = make().split(".")[1].encode()
    mac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(
        head + b"." + body, PUBLIC_PEM
    )
    return b".".join([head, body, jwt.utils.base64url_encode(mac)]).decode()


@pytest.mark.parametrize(
    "token",
    [
        make(OTHER_KEY),
        make(key_id="unknown"),
        make(key_id=None),
        make(EC_KEY, "ES256", "rsa"),
        make(RSA_KEY, "RS256", "ec"),
        make(RSA_KEY, "RS512"),
        make(RSA_KEY, "PS256"),
        confused(),
        make("", "none"),
        make(exp=1),
        make(aud="another"),
        make(aud=None),
        make(iss="https://evil.example"),
        make(iss=None),
        make(sub=None),
    ],
)
async def test_any_other_token_is_refused(tokens: Tokens, token: str) -> None:
    assert await refused(tokens, token) == "unauthorized"


async def test_a_key_without_an_id_serves_tokens_without_one(tokens: Tokens, provider: Provider) -> None:
    provider.keys = [published(RSA_KEY, None)]
    assert (await tokens.check(make(key_id=None))).owner == "ann"


async def test_the_secret_alone_takes_no_token_of_a_provider() -> None:
    assert await refused(Tokens(SECRET, audience=AUDIENCE), make()) == "unauthorized"


async def test_a_provider_alone_takes_no_token_of_a_secret(tokens: Tokens, provider: Provider) -> None:
    alone = Tokens(None, tokens._keys, audience=AUDIENCE)
    assert await refused(alone, make(SECRET, "HS256", None)) == "unauthorized"
    assert provider.asked == 0


async def test_keys_are_read_once_for_many_tokens(tokens: Tokens, provider: Provider) -> None:
    provider.gate.clear()
    checks = asyncio.gather(*(tokens.check(make()) for _ in range(20)))
    await eventually(lambda: provider.asked)
    provider.gate.set()
    await checks
    await tokens.check(make())
    assert provider.asked == 1


async def test_a_new_key_is_found_at_once_and_made_up_ones_do_not_burden_the_provider(
    tokens: Tokens, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    await tokens.check(make())
    for number in range(5):
        assert await refused(tokens, make(key_id=f"made up {number}")) == "unauthorized"
    assert provider.asked == 1
    monkeypatch.setattr(jwks, "COOLDOWN", 0.0)
    provider.keys = [published(OTHER_KEY, "new")]
    assert (await tokens.check(make(OTHER_KEY, key_id="new"))).owner == "ann"
    assert await refused(tokens, make()) == "unauthorized"  # the old one was withdrawn


@pytest.mark.parametrize("trouble", ["status", "redirect", "nonsense", "empty", "no list"])
async def test_known_keys_count_while_the_provider_is_away(
    tokens: Tokens, provider: Provider, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    await tokens.check(make())
    monkeypatch.setattr(jwks, "COOLDOWN", 0.0)
    monkeypatch.setattr(jwks, "REFRESH", 0.0)
    provider.status = {"status": 500, "redirect": 302}.get(trouble, 200)
    provider.keys = {"nonsense": [1, {"kty": "RSA"}, {"kty": "oct", "k": "AAAA"}], "no list": 7}.get(
        trouble, []
    )
    for _ in range(3):
        assert (await tokens.check(make())).owner == "ann"
        assert tokens._keys is not None
        assert tokens._keys._reading is not None
        await tokens._keys._reading
    assert provider.asked == 4
    monkeypatch.setattr(jwks, "KEEP", 0.0)
    assert await refused(tokens, make()) == "unavailable"


async def test_without_any_keys_it_is_not_the_token_that_is_wrong(tokens: Tokens, provider: Provider) -> None:
    provider.status = 503
    assert await refused(tokens, make()) == "unavailable"
    assert await refused(tokens, make()) == "unavailable"
    assert provider.asked == 1


async def test_keys_for_other_uses_are_not_taken(tokens: Tokens, provider: Provider) -> None:
    provider.keys = [
        published(EC_KEY, "ec"),
        published(RSA_KEY, "rsa", use="enc"),
        published(OTHER_KEY, "other", alg="RS512"),
    ]
    assert await refused(tokens, make()) == "unauthorized"
    assert await refused(tokens, make(OTHER_KEY, key_id="other")) == "unauthorized"
