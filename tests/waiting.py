"""Waiting in tests: for what comes, and until something is so."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


async def eventually(condition: Callable[[], Awaitable[object] | object], *, seconds: float = 20) -> None:
    """Ask every 20 ms until the answer is true; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if isinstance(answer, Awaitable):
            answer = await answer
        if answer:
            return
        assert time.monotonic() < deadline, f"waited {seconds} s in vain"
        await asyncio.sleep(0.02)


class Inbox(Generic[T]):
    """Give `put` as a callback; `get` waits for what it is called with."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[T] = asyncio.Queue()

    def put(self, item: T) -> None:
        """Be called."""
        self._queue.put_nowait(item)

    async def get(self, *, seconds: float = 20) -> T:
        """Return the next item; fail when none comes."""
        return await asyncio.wait_for(self._queue.get(), seconds)

    def __len__(self) -> int:
        return self._queue.qsize()
