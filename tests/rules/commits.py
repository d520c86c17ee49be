"""Holds commits in the middle, so that two of them meet, or an answer gets lost, exactly when a test wants it."""

import contextlib
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self

import asyncpg

from tests.rules.workshop import Workshop
from tests.waiting import eventually

KEY = 4711

_TRIGGER = f"""
CREATE FUNCTION meet_gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared({KEY});
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER gate AFTER UPDATE ON unit DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION meet_gate();
"""


class Gate:
    """While it is shut, a transaction that changed a unit waits inside its COMMIT, all its locks held.

    A client whose connection is cut there learns nothing; the server commits all the same.
    """

    def __init__(self, shop: Workshop, url: str) -> None:
        self._shop, self._url = shop, url
        self._connection: asyncpg.Connection[Any]

    async def __aenter__(self) -> Self:
        self._connection = await asyncpg.connect(self._url)
        await self._connection.execute(_TRIGGER)
        await self.shut()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._connection.close()

    async def shut(self) -> None:
        """Let no commit through."""
        await self._connection.execute(f"SELECT pg_advisory_lock({KEY})")

    async def open(self) -> None:
        """Let them all through."""
        await self._connection.execute(f"SELECT pg_advisory_unlock({KEY})")

    async def holds(self, count: int = 1) -> None:
        """Wait until `count` commits are held, or wait behind one that is."""

        async def are_held() -> bool:
            return await self._shop.waiters() == count

        await eventually(are_held)


@contextlib.asynccontextmanager
async def shut_gate(shop: Workshop, url: str) -> AsyncIterator[Gate]:
    """Give a gate that is shut."""
    async with Gate(shop, url) as gate:
        yield gate
