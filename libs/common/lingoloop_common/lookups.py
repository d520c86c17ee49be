"""Looks up the names that clients give, in threads of its own."""

import asyncio
import contextlib
import socket
import threading
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

THREADS = 256
"""More than a notifier's calls at a time, four times: a look-up may outlive the call that asked for it by as much."""


class Lookups(AbstractResolver):
    """The system's resolver, for a client of `aiohttp`.

    A name whose servers do not answer holds a thread for as long as the system waits, whoever has given up meanwhile. The
    loop's own threads are few: some such names, and no other would be found, the database's among them. And nobody waits for
    a thread when the process ends, as would be done for those of a pool.
    """

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(THREADS)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return a name's addresses; raise OSError when it has none."""
        await self._free.acquire()
        found: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        threading.Thread(
            target=self._look, args=(found, host, port, family), name="lookup", daemon=True
        ).start()
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=int(address[1]),
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, address in await found
        ]

    async def close(self) -> None:
        """Nothing is kept open."""

    def _look(
        self, found: "asyncio.Future[list[Any]]", host: str, port: int, family: socket.AddressFamily
    ) -> None:
        addresses: list[Any] = []
        error: Exception | None = None
        try:
            addresses = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        except UnicodeError:  # a part of it is empty, or too long
            error = socket.gaierror(socket.EAI_NONAME, "not a name")
        except Exception as fault:
            error = fault
        with contextlib.suppress(RuntimeError):  # the loop has ended
            found.get_loop().call_soon_threadsafe(self._tell, found, addresses, error)

    def _tell(
        self, found: "asyncio.Future[list[Any]]", addresses: list[Any], error: Exception | None
    ) -> None:
        self._free.release()
        if found.done():  # whoever asked has given up
            return
        if error:
            found.set_exception(error)
        else:
            found.set_result(addresses)
