"""An identity provider's keys (JWKS, RFC 7517): read when they are needed, kept while the provider is away."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
import structlog
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from lingoloop_common.faults import told

log = structlog.get_logger(__name__)

REFRESH = 300.0
"""Seconds after which keys are read again, while those that are known go on to count."""

KEEP = 24 * 3600.0
"""Seconds for which keys count that cannot be read again."""

COOLDOWN = 10.0
"""Seconds between tries: a token with a made-up key id must not make this server a burden to the provider."""

TIMEOUT = aiohttp.ClientTimeout(total=5)
LIMIT = 2**20
"""Bytes of an answer that are read at most."""

ALGORITHMS = {"RSA": "RS256", "EC": "ES256"}
"""By a key's type, the one algorithm that it is used with: a token does not choose."""


class _Unfit(Exception):
    """What was read holds no keys; the text says why."""


class KeysUnavailable(Exception):
    """The provider's keys were never read, or so long ago that they do not count any more."""


@dataclass(frozen=True, slots=True)
class ProviderKey:
    """A public key, and the algorithm it checks."""

    key: Any
    algorithm: str


class KeySet:
    """The keys that a provider publishes under a URL."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: dict[str | None, ProviderKey] = {}
        self._read_at = self._tried_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    async def find(self, key_id: str | None) -> ProviderKey | None:
        """Return a key by its id (`kid`), or None when the provider has none such.

        Raises:
            KeysUnavailable: there are no keys to look in.
        """
        known, now = self._known(key_id), time.monotonic()
        if (known is None or now - self._read_at > REFRESH) and now - self._tried_at > COOLDOWN:
            self._tried_at = now
            self._reading = asyncio.create_task(self._read())
        if known is None and self._reading is not None:
            await asyncio.shield(self._reading)  # those who come meanwhile wait for the same answer
            known = self._known(key_id)
        if known is None and self._too_old:
            raise KeysUnavailable
        return known

    @property
    def _too_old(self) -> bool:
        return time.monotonic() - self._read_at >= KEEP

    def _known(self, key_id: str | None) -> ProviderKey | None:
        return None if self._too_old else self._keys.get(key_id)

    async def _read(self) -> None:
        try:
            async with (
                aiohttp.ClientSession(timeout=TIMEOUT) as session,
                session.get(self._url, allow_redirects=False) as answer,
            ):
                if answer.status != 200:
                    raise _Unfit(f"it answered {answer.status}")
                keys = dict(_usable(orjson.loads(await answer.content.read(LIMIT))))
            if not keys:
                raise _Unfit("it holds no RSA or P-256 key")
        except (aiohttp.ClientError, TimeoutError, ValueError, _Unfit) as error:
            log.warning("cannot read the identity provider's keys", error=told(error))
            return
        self._keys, self._read_at = keys, time.monotonic()


def _usable(document: Any) -> Iterator[tuple[str | None, ProviderKey]]:
    """Yield the keys that check signatures with an algorithm that is known here. Pure."""
    listed = document.get("keys") if isinstance(document, Mapping) else None
    for data in listed if isinstance(listed, list) else ():
        if not isinstance(data, Mapping) or data.get("use", "sig") != "sig":
            continue
        algorithm = ALGORITHMS.get(str(data.get("kty")))
        if algorithm is None or data.get("alg", algorithm) != algorithm:
            continue
        if algorithm == "ES256" and data.get("crv") != "P-256":
            continue
        try:
            yield data.get("kid"), ProviderKey(PyJWK(dict(data), algorithm).key, algorithm)
        except (PyJWTError, ValueError, TypeError) as error:
            log.warning("a key of the identity provider cannot be used", error=type(error).__name__)
