"""From every id of a stream of some hundred events: exactly the rest, to the byte, whenever the client comes."""

import asyncio
import contextlib
from collections.abc import Sequence

import pytest

from tests.notifier.world import PATIENCE, Frame, Listener, World
from tests.rows import AddedRun

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHUNKS = 240
AT_ONCE = 20


def as_sent(frames: Sequence[Frame]) -> bytes:
    """Return the bytes of these frames, one after another."""
    return b"".join(frame.raw + b"\n" for frame in frames)


async def rest_after(world: World, owner: str, run: AddedRun | None, last_id: int, length: int) -> bytes:
    """Return so many bytes of a stream, after the lines that are no event's; of a run's stream, all of them."""
    async with world.listen(owner, run, last_id) as listener:
        assert await listener.block() == b"retry: 2000\n"
        content = listener.response.content
        if run is None:
            return await asyncio.wait_for(content.readexactly(length), PATIENCE)
        return await asyncio.wait_for(content.read(), PATIENCE)


async def check_every_id(world: World, owner: str, run: AddedRun | None, everything: Sequence[Frame]) -> None:
    gate = asyncio.Semaphore(AT_ONCE)

    async def check(last_id: int) -> None:
        expected = as_sent(everything[last_id:])
        async with gate:
            assert await rest_after(world, owner, run, last_id, len(expected)) == expected, last_id

    async with asyncio.TaskGroup() as group:
        for last_id in range(len(everything)):
            group.create_task(check(last_id))


def durable(frames: Sequence[Frame]) -> list[Frame]:
    """Return the frames that have an id: progress in between has none."""
    return [frame for frame in frames if frame.id is not None]


async def test_of_a_run_that_ended_and_of_its_owner(world: World) -> None:
    owner = world.new_owner()
    long, other = await world.add_run(owner, units=CHUNKS), await world.add_run(owner, units=CHUNKS // 2)
    async with world.listen(owner, None, 0) as of_all, world.listen(owner, long, 0) as of_one:
        for index in range(CHUNKS):
            await world.finish_chunk(long, index, (f"Wort {index}", "字"))
            if index % 2:
                await world.finish_chunk(other, index // 2)
        one = durable(await of_one.rest())
        everything: list[Frame] = []
        while len(everything) < CHUNKS * 3 // 2 + 2:
            everything += durable(await of_all.take(1))
    assert [frame.id for frame in one] == [str(number) for number in range(1, CHUNKS + 2)]
    assert [frame.id for frame in everything] == [str(number) for number in range(1, CHUNKS * 3 // 2 + 3)]
    await check_every_id(world, owner, long, one)
    async with world.listen(owner, long, len(one)) as listener:
        assert listener.status == 204
    await check_every_id(world, owner, None, everything)


async def test_of_a_run_that_goes_on_meanwhile(world: World) -> None:
    """What was missed comes from the tables, what follows from the broker; the client cannot tell.

    One comes after each event, with the last id before it; and later one with each id that there has been.
    """
    owner, half = world.new_owner(), 60
    run = await world.add_run(owner, units=2 * half)
    async with contextlib.AsyncExitStack() as streams:
        opened: list[Listener] = []
        for index in range(half):
            opened.append(await streams.enter_async_context(world.listen(owner, run, index)))
            await world.finish_chunk(run, index)
        late = [await streams.enter_async_context(world.listen(owner, run, number)) for number in range(half)]
        ends = [asyncio.create_task(listener.rest()) for listener in (*opened, *late)]
        for index in range(half, 2 * half):
            await world.finish_chunk(run, index)
        read = [durable(frames) for frames in await asyncio.gather(*ends)]
    everything = read[0]
    assert [frame.id for frame in everything] == [str(number) for number in range(1, 2 * half + 2)]
    for place, frames in enumerate(read):
        assert as_sent(frames) == as_sent(everything[place % half :])
