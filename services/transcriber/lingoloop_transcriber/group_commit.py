"""Group commit: what is asked for while a write is under way goes together in the next, as in a database's log."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Generic, TypeVar

from lingoloop_common.store.database import BROKEN

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")

LIMIT = 64
"""What one write takes at most."""


class GroupCommit(Generic[Asked, Answer]):
    """One write at a time for all who ask.

    Args:
        write: writes for all it is given, in one transaction; returns an answer for each, or the error that is its own.
    """

    def __init__(self, write: Callable[[Sequence[Asked]], Awaitable[Sequence[Answer | Exception]]]) -> None:
        self._write = write
        self._waiting: list[tuple[Asked, asyncio.Future[Answer]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def ask(self, asked: Asked) -> Answer:
        """Return the answer, once it is committed. Who is cancelled meanwhile does not learn whether it was.

        Raises:
            Exception: what the write raised. When that is not the database's being away, each is written again alone,
                so that nobody is told of another's error.
        """
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, answer))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all(), context=Context())
        return await answer

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting[:LIMIT], self._waiting[LIMIT:]
                await self._write_group([(asked, answer) for asked, answer in group if not answer.done()])
        finally:
            self._writing = None

    async def _write_group(self, group: list[tuple[Asked, "asyncio.Future[Answer]"]]) -> None:
        if not group:
            return
        answers: Sequence[Answer | Exception]
        try:
            answers = await self._write([asked for asked, _ in group])
        except Exception as error:
            if len(group) > 1 and not isinstance(error, BROKEN):
                for one in group:
                    await self._write_group([one])
                return
            answers = [error] * len(group)
        for (_, future), answer in zip(group, answers, strict=True):
            if future.done():
                continue  # nobody waits for it any more
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
