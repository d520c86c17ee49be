"""What was missed is told from memory where all of it is there: without a question to the database, and the same bytes."""

import asyncio
import contextlib
from collections.abc import Iterator

import pytest

from lingoloop_common.contracts.events import shard
from lingoloop_notifier.history import OwnerHistory, RunHistory
from tests.notifier.test_deleted import delete
from tests.notifier.world import Frame, World
from tests.rows import AddedRun
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


@contextlib.contextmanager
def no_database() -> Iterator[None]:
    """Within the block, histories cannot be read."""

    async def refuse(*_: object) -> None:
        raise AssertionError("the database was asked")

    with pytest.MonkeyPatch.context() as patch:
        for history in (RunHistory, OwnerHistory):
            patch.setattr(history, "opening", refuse)
            patch.setattr(history, "after", refuse)
        yield


async def told(world: World, owner: str, run: AddedRun | None, last_id: int, count: int) -> list[Frame]:
    async with world.listen(owner, run, last_id) as listener:
        assert listener.status == 200
        return await listener.take(count)


@pytest.mark.parametrize("scope", ["run", "owner"])
async def test_from_every_id_memory_tells_the_same_bytes_as_the_database(world: World, scope: str) -> None:
    owner, last = world.new_owner(), 9
    async with world.listen(owner, None) as other:
        await other.next()  # the owner's events come as long as this is open
        run = await world.add_run(owner, units=20)
        for index in range(last - 1):
            await world.finish_chunk(run, index)
        await other.take(last)
        which = run if scope == "run" else None
        with no_database():
            from_memory = [await told(world, owner, which, number, last - number) for number in range(last)]
        world.held_broker.on_reconnect()  # memory is empty now
        stored = [await told(world, owner, which, number, last - number) for number in range(last)]
    assert [[frame.raw for frame in frames] for frames in from_memory] == [
        [frame.raw for frame in frames] for frames in stored
    ]


async def test_what_was_missed_is_followed_by_what_happens_next(world: World) -> None:
    owner = world.new_owner()
    async with world.listen(owner, None) as other:
        await other.next()
        run = await world.add_run(owner, units=9)
        await world.finish_chunk(run, 0)
        await other.take(2)
        with no_database():
            async with world.listen(owner, run, 1) as again, world.listen(owner, run, 2) as up_to_date:
                await world.finish_chunk(run, 1)
                assert [frame.id for frame in await again.take(2)] == ["2", "3"]
                assert (await up_to_date.next()).id == "3"


async def test_a_run_that_has_ended_is_looked_up_since_it_may_have_been_deleted(world: World) -> None:
    owner = world.new_owner()
    async with world.listen(owner, None) as other:
        await other.next()
        run = await world.add_run(owner)
        await world.finish(run)
        await other.take(2)
        async with world.listen(owner, run, 2) as ended:
            assert ended.status == 204
        await delete(world, run)
        for last_id in (1, 2):
            async with world.listen(owner, run, last_id) as gone:
                assert gone.status == 404
        async with world.listen(owner, None, 1) as again:
            assert (await again.next()).kind == "snapshot"


async def test_another_owner_is_told_nothing_from_memory(world: World) -> None:
    owner = world.new_owner()
    async with world.listen(owner, None) as other:
        await other.next()
        run = await world.add_run(owner)
        await other.next()
        for last_id in (0, 1):
            async with world.listen(world.new_owner(), run, last_id) as stranger:
                assert stranger.status == 404


async def test_what_the_broker_lost_is_read_by_who_comes_after_it_is_back(world: World) -> None:
    owner = world.new_owner()
    async with world.listen(owner, None) as other:
        await other.next()
        run = await world.add_run(owner)
        with world.held_broker.losing():
            await world.change(run)
        world.held_broker.on_reconnect()
        assert [frame.id for frame in await told(world, owner, run, 1, 1)] == ["2"]


async def test_what_happened_while_nobody_listened_is_read_by_who_comes_again(world: World) -> None:
    owner = world.new_owner()
    run = await world.add_run(owner)
    async with world.listen(owner, run) as first:
        await first.next()
        await world.change(run)
        await first.next()
    await eventually(lambda: shard(owner) not in world.held_broker.bound)
    await world.change(run)
    assert [frame.id for frame in await told(world, owner, run, 2, 1)] == ["3"]


async def test_an_event_that_is_late_does_not_hide_what_was_missed_behind_it(world: World) -> None:
    owner, broker = world.new_owner(), world.held_broker
    run = await world.add_run(owner)
    async with world.listen(owner, run) as first:
        await first.next()
        with broker.holding() as held:
            await world.change(run)
    await eventually(lambda: shard(owner) not in broker.bound)
    await world.finish(run)
    broker.binding.clear()
    again = asyncio.create_task(told(world, owner, run, 1, 2))
    await asyncio.sleep(0.1)  # its request waits for the binding; nothing tells so from outside
    broker.on_event(held[0])
    broker.binding.set()
    assert [frame.id for frame in await again] == ["2", "3"]
