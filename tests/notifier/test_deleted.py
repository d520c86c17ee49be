"""A recording is deleted while streams are open: they end, even if the last event never came."""

import pytest

from tests.notifier.world import World
from tests.rows import AddedRun

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def delete(world: World, run: AddedRun) -> None:
    """Delete a run as its audio's deletion does: its end is told, then all rows go. The event is not sent yet."""
    async with world.database.pool.acquire() as connection, connection.transaction():
        await connection.execute(
            "WITH event AS (DELETE FROM run_event WHERE run_id = $1 RETURNING owner)"
            " UPDATE owner_stream s SET last = last + 1 FROM (SELECT DISTINCT owner FROM event) e WHERE s.owner = e.owner",
            run.run_id,
        )
        for table in ("segment", "dead_letter", "chunk", "unit", "job"):
            await connection.execute(f"DELETE FROM {table} WHERE run_id = $1", run.run_id)
        await connection.execute("DELETE FROM transcript_run WHERE id = $1", run.run_id)
        await connection.execute("DELETE FROM audio WHERE id = $1", run.audio_id)


async def test_a_runs_stream_that_missed_the_deletion_ends_and_there_is_no_other(world: World) -> None:
    owner = world.new_owner()
    run = await world.add_run(owner)
    async with world.listen(owner, run) as listener:
        await listener.next()
        await delete(world, run)
        world.held_broker.on_reconnect()
        assert await listener.rest() == []
    async with world.listen(owner, run, 1) as listener:
        assert listener.status == 404


async def test_an_owners_stream_that_missed_a_deletion_ends_and_begins_afresh_without_the_run(
    world: World,
) -> None:
    owner = world.new_owner()
    run, kept = await world.add_run(owner), await world.add_run(owner)
    async with world.listen(owner, None) as listener:
        assert (await listener.next()).id == "2"
        await delete(world, run)
        world.held_broker.on_reconnect()
        assert await listener.rest() == []
    async with world.listen(owner, None, 2) as listener:
        snapshot = await listener.next()
    assert (snapshot.kind, snapshot.id) == ("snapshot", "3")
    assert [item["runId"] for item in snapshot.data["items"]] == [str(kept.run_id)]


async def test_an_owners_stream_that_missed_a_deletion_learns_of_it_by_the_next_event(world: World) -> None:
    owner = world.new_owner()
    run, kept = await world.add_run(owner), await world.add_run(owner)
    async with world.listen(owner, None) as listener:
        await listener.next()
        await delete(world, run)
        await world.change(kept)
        assert await listener.rest() == []
    async with world.listen(owner, None, 2) as listener:
        assert (await listener.next()).kind == "snapshot"


async def test_streams_of_runs_that_stay_go_on_after_a_reconnect(world: World) -> None:
    owner = world.new_owner()
    run = await world.add_run(owner)
    async with world.listen(owner, run) as listener, world.listen(owner, None) as all_runs:
        for stream in (listener, all_runs):
            await stream.next()
        world.held_broker.on_reconnect()
        await world.change(run)
        assert [(await stream.next()).kind for stream in (listener, all_runs)] == ["update", "update"]


async def test_what_went_amid_what_an_owner_missed_ends_the_replay_there(world: World) -> None:
    """Who came again just before it would be told the events behind, and keep for good what is gone."""
    owner = world.new_owner()
    run, kept = await world.add_run(owner), await world.add_run(owner)
    await world.change(kept)
    await world.change(run)
    await delete(world, run)
    await world.change(kept)
    await world.change(kept)
    world.held_broker.on_reconnect()  # memory is empty
    async with world.listen(owner, None, 1) as listener:
        assert [frame.id for frame in await listener.rest()] == ["2", "3"]
    async with world.listen(owner, None, 3) as listener:
        assert ((await listener.next()).kind) == "snapshot"
