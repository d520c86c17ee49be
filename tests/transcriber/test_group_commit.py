"""Writes that wait go together in the next; each is told what is its own."""

import asyncio
from collections.abc import Sequence

import pytest

from lingoloop_common.store.runs import Fenced
from lingoloop_transcriber.group_commit import LIMIT, GroupCommit


class Log:
    """Keeps what it is given, a list a write; each write waits for its turn. Zero divides, and -1 is fenced."""

    def __init__(self) -> None:
        self.writes: list[list[int]] = []
        self.turns = asyncio.Semaphore(0)
        self.away = False

    async def write(self, numbers: Sequence[int]) -> list[float | Exception]:
        self.writes.append(list(numbers))
        await self.turns.acquire()
        if self.away:
            raise ConnectionError
        return [Fenced("no") if number == -1 else 1 / number for number in numbers]

    async def begun(self, count: int) -> None:
        while len(self.writes) < count:  # noqa: ASYNC110  (nothing tells)
            await asyncio.sleep(0)


async def asked(group: "GroupCommit[int, float]", *numbers: int) -> list["asyncio.Task[float]"]:
    tasks = [asyncio.create_task(group.ask(number)) for number in numbers]
    await asyncio.sleep(0)
    return tasks


async def test_what_is_asked_during_a_write_goes_together_in_the_next() -> None:
    log = Log()
    group = GroupCommit(log.write)
    first = await asked(group, 1)
    await log.begun(1)
    more = await asked(group, 2, 4, 8)
    log.turns.release()
    log.turns.release()
    assert await asyncio.gather(*first, *more) == [1, 0.5, 0.25, 0.125]
    assert log.writes == [[1], [2, 4, 8]]


async def test_what_comes_in_one_moment_goes_together() -> None:
    log = Log()
    log.turns.release()
    tasks = await asked(GroupCommit(log.write), 1, 2)
    assert await asyncio.gather(*tasks) == [1, 0.5]
    assert log.writes == [[1, 2]]


async def test_a_group_has_a_limit() -> None:
    log = Log()
    log.turns.release()
    log.turns.release()
    await asyncio.gather(*await asked(GroupCommit(log.write), *range(1, LIMIT + 3)))
    assert [len(numbers) for numbers in log.writes] == [LIMIT, 2]


async def test_an_error_is_told_only_to_the_one_whose_it_is() -> None:
    log = Log()
    for _ in range(4):
        log.turns.release()
    good, bad, other = await asked(GroupCommit(log.write), 1, 0, 2)
    assert (await good, await other) == (1, 0.5)
    with pytest.raises(ZeroDivisionError):
        await bad
    assert log.writes == [[1, 0, 2], [1], [0], [2]]


async def test_an_answer_may_be_an_error() -> None:
    log = Log()
    log.turns.release()
    good, bad = await asked(GroupCommit(log.write), 1, -1)
    assert await good == 1
    with pytest.raises(Fenced):
        await bad
    assert log.writes == [[1, -1]]


async def test_all_are_told_when_the_database_is_away_and_the_next_are_written_again() -> None:
    log = Log()
    log.away = True
    group = GroupCommit(log.write)
    log.turns.release()
    for task in await asked(group, 1, 2):
        with pytest.raises(ConnectionError):
            await task
    assert log.writes == [[1, 2]]
    log.away = False
    log.turns.release()
    assert await group.ask(4) == 0.25


async def test_what_nobody_waits_for_any_more_is_not_written_and_holds_up_nobody() -> None:
    log = Log()
    group = GroupCommit(log.write)
    [first] = await asked(group, 1)
    await log.begun(1)
    gone, stays = await asked(group, 2, 4)
    gone.cancel()
    first.cancel()
    log.turns.release()
    log.turns.release()
    assert await stays == 0.25
    assert log.writes == [[1], [4]]
