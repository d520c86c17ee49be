"""Progress in between: the time left and the place in the queue, told without a number and never out of order."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from lingoloop_common.contracts.states import RunStatus
from lingoloop_common.store.runs import Change
from tests.notifier.world import HeldBroker, Listener, World, running_world
from tests.rows import AddedRun, add_worker

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def quick_world(module_database_url: str) -> AsyncIterator[World]:
    """A notifier that looks ten times a second, at a fleet that does two seconds of audio a second."""
    async with running_world(module_database_url, HeldBroker(), poll_interval_ms=100) as world:
        worker = await add_worker(world.database.pool, slots=2, lease=3600)
        await world.database.pool.execute("UPDATE worker SET pace = 1.0 WHERE id = $1", worker)
        yield world


async def waiting_run(world: World, owner: str) -> AddedRun:
    return await world.add_run(owner, units=0, planned=False, status=RunStatus.QUEUED, duration_ms=60_000)


async def hear(listener: Listener, *, place: int, seconds_left: int) -> None:
    """Wait until this is told; the first frame may show the lane as it was a tenth of a second ago."""
    data = (await listener.next()).data
    while (data.get("queuePosition"), data.get("estimatedTimeRemaining")) != (place, seconds_left):
        data = (await listener.next()).data


async def test_what_other_runs_change_is_told_without_a_number(quick_world: World) -> None:
    owner = quick_world.new_owner()
    first, second = await waiting_run(quick_world, owner), await waiting_run(quick_world, owner)
    async with quick_world.listen(owner, second) as listener:
        await hear(listener, place=2, seconds_left=60)
        await quick_world.change(first, Change(starts=True))
        while (told := await listener.next()).data["queuePosition"] == 2:
            pass  # a look from before the change
        assert (told.id, told.event, told.kind) == (None, None, "update")
        assert (told.data["status"], told.data["queuePosition"]) == ("queued", 1)
        assert "segments" not in told.data
        await quick_world.change(second, Change(starts=True))
        while (update := await listener.next()).id is None:
            pass
        assert (update.id, update.data["status"]) == ("2", "processing")
    await quick_world.finish(first)
    await quick_world.finish(second)


async def test_the_stream_of_all_runs_tells_it_too_and_by_name_where_that_is_wished(
    quick_world: World,
) -> None:
    owner = quick_world.new_owner()
    first, second = await waiting_run(quick_world, owner), await waiting_run(quick_world, owner)
    async with quick_world.listen(owner, None, query="?named=1") as listener:
        snapshot = await listener.next()
        places = {item["runId"]: item.get("queuePosition") for item in snapshot.data["items"]}
        while sorted(places.values(), key=str) != [1, 2]:
            told = await listener.next()
            places[told.data["runId"]] = told.data.get("queuePosition")
        await quick_world.change(first, Change(starts=True))
        wanted = (None, "update", str(second.run_id), 1)
        told = await listener.next()
        while (told.id, told.event, told.data["runId"], told.data.get("queuePosition")) != wanted:
            told = await listener.next()
    await quick_world.finish(first)
    await quick_world.finish(second)


async def test_nothing_is_told_of_a_run_that_has_ended(quick_world: World) -> None:
    owner = quick_world.new_owner()
    run = await waiting_run(quick_world, owner)
    async with quick_world.listen(owner, run) as listener:
        await listener.next()
        await quick_world.finish(run)
        frames = await listener.rest()
    assert frames[-1].kind == "done"


async def test_nothing_runs_ahead_of_an_event_that_has_not_come_yet(quick_world: World) -> None:
    owner = quick_world.new_owner()
    run = await waiting_run(quick_world, owner)
    async with quick_world.listen(owner, run) as one, quick_world.listen(owner, None) as all_runs:
        await one.next()
        await all_runs.next()
        with quick_world.held_broker.holding() as held:
            await quick_world.change(run, Change(starts=True, done_samples=16_000 * 30))
            for _ in range(3):
                await quick_world.look()
        for message in held:
            quick_world.held_broker.on_event(message)
        for listener in (one, all_runs):
            frame = await listener.next()
            while frame.id is None and frame.data["status"] == "queued":  # a look from before the change
                frame = await listener.next()
            assert (frame.id is not None, frame.data["status"]) == (True, "processing")
    await quick_world.finish(run)


async def test_what_is_not_known_any_more_is_said_to_be_so(quick_world: World) -> None:
    owner = quick_world.new_owner()
    run = await waiting_run(quick_world, owner)
    async with quick_world.listen(owner, run) as listener:
        await hear(listener, place=1, seconds_left=30)
        await quick_world.database.pool.execute("UPDATE fleet SET wanted = 'stopped'")
        frame = await listener.next()
        while frame.data["estimatedTimeRemaining"] is not None:
            frame = await listener.next()
        assert frame.data["queuePosition"] == 1
    await quick_world.database.pool.execute("UPDATE fleet SET wanted = 'running'")
    await quick_world.finish(run)
