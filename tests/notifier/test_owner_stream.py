"""The stream of all of an owner's runs: `snapshot`, then everything that happens, under numbers of its own."""

import pytest

from lingoloop_notifier import history
from tests.notifier.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_first_frame_is_a_snapshot_of_the_runs_under_way(world: World) -> None:
    owner = world.new_owner()
    ended, waiting, working = [
        await world.add_run(owner, status=status) for status in ("processing", "queued", "processing")
    ]
    await world.finish(ended)
    async with world.listen(owner, None) as listener:
        snapshot = await listener.next()
    assert snapshot.kind == "snapshot"
    assert snapshot.id == "4"
    items = snapshot.data["items"]
    assert [(item["runId"], item["status"]) for item in items] == [
        (str(working.run_id), "processing"),
        (str(waiting.run_id), "queued"),
    ]
    assert {"runId", "audioId", "status", "progress", "timeElapsed", "chunksDone"} <= set(items[0])


async def test_an_owner_without_runs_gets_an_empty_snapshot_and_then_the_first_event(world: World) -> None:
    owner = world.new_owner()
    async with world.listen(owner, None) as listener:
        snapshot = await listener.next()
        run = await world.add_run(owner)
        update = await listener.next()
    assert snapshot.data == {"event": "snapshot", "items": []}
    assert snapshot.id == "0"
    assert (update.id, update.kind, update.data["runId"]) == ("1", "update", str(run.run_id))


async def test_its_numbers_count_all_runs_without_a_gap(world: World) -> None:
    owner = world.new_owner()
    one, other = await world.add_run(owner), await world.add_run(owner)
    async with world.listen(owner, None) as listener:
        await listener.next()
        for run in (one, other, one, one, other):
            await world.change(run)
        frames = await listener.take(5)
    assert [frame.id for frame in frames] == ["3", "4", "5", "6", "7"]
    assert [frame.data["runId"] for frame in frames] == [
        str(run.run_id) for run in (one, other, one, one, other)
    ]


async def test_it_stays_open_after_a_run_is_done(world: World) -> None:
    owner = world.new_owner()
    one, other = await world.add_run(owner), await world.add_run(owner)
    async with world.listen(owner, None) as listener:
        await listener.next()
        await world.finish(one)
        await world.change(other)
        await world.fail(other)
        frames = await listener.take(3)
    assert [(frame.kind, frame.data["status"]) for frame in frames] == [
        ("done", "succeeded"),
        ("update", "processing"),
        ("done", "failed"),
    ]


async def test_another_owners_events_never_come(world: World) -> None:
    mine, theirs = world.new_owner(), world.new_owner()
    my_run, their_run = await world.add_run(mine), await world.add_run(theirs)
    async with world.listen(mine, None) as listener:
        snapshot = await listener.next()
        await world.change(their_run)
        await world.change(my_run)
        world.held_broker.on_reconnect()
        await world.change(their_run)
        await world.change(my_run)
        frames = await listener.take(2)
    assert [item["runId"] for item in snapshot.data["items"]] == [str(my_run.run_id)]
    assert {frame.data["runId"] for frame in frames} == {str(my_run.run_id)}


async def test_a_reconnect_gets_what_it_missed_of_all_runs_a_done_among_it(world: World) -> None:
    owner = world.new_owner()
    one, other = await world.add_run(owner), await world.add_run(owner)
    await world.finish(one)
    await world.change(other)
    async with world.listen(owner, None, 1) as listener:
        missed = await listener.take(3)
        await world.change(other)
        live = await listener.next()
    assert [(frame.id, frame.kind) for frame in [*missed, live]] == [
        ("2", "update"), ("3", "done"), ("4", "update"), ("5", "update"),
    ]  # fmt: skip


async def test_from_every_id_a_reconnect_gives_exactly_the_rest(world: World) -> None:
    owner = world.new_owner()
    runs = [await world.add_run(owner) for _ in range(3)]
    for run in runs:
        await world.finish_chunk(run)
        await world.finish(run)
    async with world.listen(owner, None, 0) as listener:
        everything = await listener.take(9)
    for number in range(9):
        async with world.listen(owner, None, number) as listener:
            rest = await listener.take(9 - number)
        assert [frame.raw for frame in rest] == [frame.raw for frame in everything[number:]]


async def test_an_id_that_is_not_kept_or_not_known_gets_a_fresh_snapshot(world: World) -> None:
    owner = world.new_owner()
    run = await world.add_run(owner)
    for _ in range(3):
        await world.change(run)
    await world.database.pool.execute("DELETE FROM run_event WHERE owner = $1 AND owner_seq < 3", owner)
    async with world.listen(owner, None, 1) as old, world.listen(owner, None, 99) as unknown:
        assert [(frame.kind, frame.id) for frame in (await old.next(), await unknown.next())] == [
            ("snapshot", "4"),
            ("snapshot", "4"),
        ]


async def test_a_snapshot_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "SNAPSHOT_RUNS", 2)
    owner = world.new_owner()
    runs = [await world.add_run(owner) for _ in range(3)]
    async with world.listen(owner, None) as listener:
        snapshot = await listener.next()
    assert [item["runId"] for item in snapshot.data["items"]] == [
        str(run.run_id) for run in reversed(runs[1:])
    ]


async def test_named_adds_event_lines_here_too(world: World) -> None:
    owner = world.new_owner()
    run = await world.add_run(owner)
    async with world.listen(owner, None, query="?named=1") as listener:
        snapshot = await listener.next()
        await world.finish(run)
        done = await listener.next()
    assert [snapshot.event, done.event] == ["snapshot", "done"]
