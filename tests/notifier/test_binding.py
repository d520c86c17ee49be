"""Only the shards that somebody listens to are bound."""

import asyncio

import pytest

from lingoloop_common.contracts.events import shard
from tests.notifier.world import World
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


def owner_of(number: int, world: World) -> str:
    """Return a new owner of a shard."""
    while shard(owner := world.new_owner()) != number:
        pass
    return owner


async def test_a_shard_is_bound_while_somebody_listens_and_not_longer(world: World) -> None:
    bound = world.held_broker.bound
    await eventually(lambda: not bound)
    one, same, other = owner_of(5, world), owner_of(5, world), owner_of(9, world)
    async with world.listen(one, None) as first:
        await first.next()
        assert bound == {5}
        async with world.listen(other, None) as second, world.listen(same, None) as third:
            await second.next()
            await third.next()
            assert bound == {5, 9}
        await eventually(lambda: bound == {5})
    await eventually(lambda: not bound)


async def test_a_refused_stream_binds_nothing_for_good(world: World) -> None:
    run = await world.add_run(owner_of(11, world))
    async with world.listen(owner_of(12, world), run) as listener:
        assert listener.status == 404
    await eventually(lambda: not world.held_broker.bound & {11, 12})


async def test_a_client_that_goes_while_its_shard_is_bound_leaves_nothing_bound(world: World) -> None:
    owner = owner_of(17, world)
    world.held_broker.binding.clear()

    async def open_stream() -> None:
        async with world.listen(owner, None):
            pass

    opening = asyncio.create_task(open_stream())
    await asyncio.sleep(0.1)  # its request waits for the binding; nothing tells so from outside
    opening.cancel()
    await asyncio.wait([opening])
    world.held_broker.binding.set()
    async with world.listen(owner, None) as listener:
        await listener.next()
        assert 17 in world.held_broker.bound
    await eventually(lambda: 17 not in world.held_broker.bound)
    async with world.listen(owner, None) as again:
        await again.next()
        run = await world.add_run(owner)
        assert (await again.next()).data["runId"] == str(run.run_id)
    await eventually(lambda: 17 not in world.held_broker.bound)


async def test_one_binding_that_hangs_does_not_hold_up_other_shards(world: World) -> None:
    slow, quick = owner_of(21, world), owner_of(22, world)
    async with world.listen(quick, None) as first:
        await first.next()
        world.held_broker.binding.clear()

        async def open_slow() -> None:
            async with world.listen(slow, None) as listener:
                await listener.next()

        waiting = asyncio.create_task(open_slow())
        await asyncio.sleep(0.1)  # as above
        async with world.listen(quick, None) as second:
            await asyncio.wait_for(second.next(), 5)
        assert not waiting.done()
        world.held_broker.binding.set()
        await waiting
