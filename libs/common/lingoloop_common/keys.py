"""API keys: 256 random bits that speak for an owner until they are revoked. Only their SHA-256 is stored."""

import hashlib
import secrets
from collections.abc import Mapping
from typing import Any, Protocol
from uuid import UUID

from lingoloop_common.store.ids import new_id
from lingoloop_common.store.queries import load_queries

SQL = load_queries(__package__, "keys.sql")

PREFIX = "llk_"
"""Tells a key from a token, and lets scanners find one that leaked."""


class Queryable(Protocol):
    """A connection, or a pool of them."""

    async def execute(self, query: str, *args: Any) -> str:
        """Run a statement."""

    async def fetch(self, query: str, *args: Any) -> list[Any]:
        """Return rows."""

    async def fetchrow(self, query: str, *args: Any) -> Any:
        """Return a row or None."""


def digest(key: str) -> bytes:
    """Return what is stored of a key."""
    return hashlib.sha256(key.encode()).digest()


async def create_key(database: Queryable, *, owner: str, scope: str, name: str) -> tuple[UUID, str]:
    """Make a key; return its id, and the key itself, which cannot be shown again."""
    key_id, key = new_id(), PREFIX + secrets.token_urlsafe(32)
    await database.execute(SQL["insert_key"], key_id, owner, scope, name, digest(key))
    return key_id, key


async def all_keys(database: Queryable) -> list[Mapping[str, Any]]:
    """Return all keys without what is secret of them, the oldest first."""
    return await database.fetch(SQL["all_keys"])


async def revoke_key(database: Queryable, key_id: UUID) -> bool:
    """End a key at once; False when there is none that is valid under this id."""
    return await database.fetchrow(SQL["revoke_key"], key_id) is not None


async def find_key(database: Queryable, key: str) -> Mapping[str, Any] | None:
    """Return the owner and scope of a valid key, or None."""
    found: Mapping[str, Any] | None = await database.fetchrow(SQL["key_by_hash"], digest(key))
    return found
