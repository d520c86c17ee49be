"""A reconnect with `Last-Event-ID` gets exactly what it missed, or a fresh start when that is not kept."""

import asyncio
from uuid import UUID

import pytest

from lingoloop_notifier import history
from lingoloop_notifier.history import Opening, RunHistory, Stored
from tests.notifier.world import World
from tests.rows import AddedRun

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def a_run_with_events(world: World, owner: str, count: int) -> AddedRun:
    """Return a run that ended with event `count`."""
    run = await world.add_run(owner, units=count - 1)
    for index in range(count - 1):
        await world.finish_chunk(run, index)
    return run


async def forget(world: World, run_id: UUID, *, up_to: int) -> None:
    await world.database.pool.execute("DELETE FROM run_event WHERE run_id = $1 AND seq <= $2", run_id, up_to)


async def test_a_reconnect_with_the_last_id_of_a_run_that_ended_gets_204(world: World) -> None:
    owner = world.new_owner()
    run = await a_run_with_events(world, owner, 3)
    async with world.listen(owner, run, 3) as listener:
        assert listener.status == 204
        assert await listener.response.read() == b""


async def test_a_reconnect_with_the_last_id_of_a_live_run_waits_for_the_next_event(world: World) -> None:
    owner = world.new_owner()
    run = await world.add_run(owner)
    async with world.listen(owner, run, 1) as listener:
        await world.finish_chunk(run)
        frame = await listener.next()
    assert (frame.id, frame.kind) == ("2", "update")


async def test_an_address_may_say_the_last_id_as_a_new_eventsource_cannot_in_a_header(world: World) -> None:
    owner = world.new_owner()
    run = await a_run_with_events(world, owner, 4)
    async with world.listen(owner, run, query="?lastEventId=2") as listener:
        assert [frame.id for frame in await listener.rest()] == ["3", "4"]
    async with world.listen(owner, None, query="?lastEventId=3") as listener:
        assert (await listener.next()).id == "4"


async def test_of_two_last_ids_the_headers_counts(world: World) -> None:
    """A browser comes again with the address that it was opened with, and a newer id in the header."""
    owner = world.new_owner()
    run = await a_run_with_events(world, owner, 4)
    async with world.listen(owner, run, 3, query="?lastEventId=1") as listener:
        assert [frame.id for frame in await listener.rest()] == ["4"]


async def test_last_event_id_0_gives_all_events_from_1(world: World) -> None:
    owner = world.new_owner()
    run = await a_run_with_events(world, owner, 5)
    async with world.listen(owner, run, 0) as listener:
        frames = await listener.rest()
    assert [frame.id for frame in frames] == ["1", "2", "3", "4", "5"]
    assert [frame.kind for frame in frames] == ["update"] * 4 + ["done"]


async def test_from_every_id_a_reconnect_gives_exactly_the_rest(world: World) -> None:
    owner, last = world.new_owner(), 12
    run = await a_run_with_events(world, owner, last)
    async with world.listen(owner, run, 0) as listener:
        everything = await listener.rest()
    for number in range(last):
        async with world.listen(owner, run, number) as listener:
            rest = await listener.rest()
        assert [frame.raw for frame in rest] == [frame.raw for frame in everything[number:]]


async def test_what_was_missed_is_followed_by_what_happens_next(world: World) -> None:
    owner = world.new_owner()
    run = await world.add_run(owner, units=4)
    for index in range(3):
        await world.finish_chunk(run, index)
    async with world.listen(owner, run, 2) as listener:
        missed = await listener.take(2)
        await world.finish_chunk(run, 3)
        rest = await listener.rest()
    assert [frame.id for frame in [*missed, *rest]] == ["3", "4", "5"]
    assert rest[-1].kind == "done"


@pytest.mark.parametrize("beyond", [3, 99, 10**18, 10**30])
async def test_an_id_beyond_what_is_stored_gets_a_fresh_init(world: World, beyond: int) -> None:
    owner = world.new_owner()
    run = await world.add_run(owner)
    await world.finish_chunk(run)
    async with world.listen(owner, run, beyond) as listener:
        init = await listener.next()
        await world.finish_chunk(run, 1)
        update = await listener.next()
    assert (init.kind, init.id) == ("init", "2")
    assert (update.kind, update.id) == ("update", "3")


async def test_an_id_beyond_the_end_of_a_run_that_ended_gets_init_and_done(world: World) -> None:
    owner = world.new_owner()
    run = await a_run_with_events(world, owner, 3)
    async with world.listen(owner, run, 4) as listener:
        assert [frame.kind for frame in await listener.rest()] == ["init", "done"]


async def test_an_id_older_than_what_is_kept_gets_a_fresh_init(world: World) -> None:
    owner = world.new_owner()
    run = await world.add_run(owner, units=6)
    for index in range(4):
        await world.finish_chunk(run, index)
    await forget(world, run.run_id, up_to=3)
    async with world.listen(owner, run, 2) as old, world.listen(owner, run, 3) as kept:
        assert (await old.next()).kind == "init"
        assert [frame.id for frame in await kept.take(2)] == ["4", "5"]


async def test_a_run_that_ended_and_whose_events_are_gone_still_gives_init_and_done(world: World) -> None:
    owner = world.new_owner()
    run = await a_run_with_events(world, owner, 3)
    await forget(world, run.run_id, up_to=3)
    async with world.listen(owner, run, 1) as listener:
        assert [frame.kind for frame in await listener.rest()] == ["init", "done"]


@pytest.mark.parametrize("value", ["abc", "-1", "1.5", "", "１"])
async def test_an_id_that_is_no_number_is_taken_as_none(world: World, value: str) -> None:
    owner = world.new_owner()
    run = await world.add_run(owner)
    async with world.listen(owner, run, value) as listener:
        assert (await listener.next()).kind == "init"


async def test_a_replay_longer_than_a_page_is_whole(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "PAGE", 3)
    owner = world.new_owner()
    run = await a_run_with_events(world, owner, 11)
    async with world.listen(owner, run, 1) as listener:
        frames = await listener.rest()
    assert [frame.id for frame in frames] == [str(number) for number in range(2, 12)]


async def test_a_long_replay_is_read_a_page_at_a_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory does not grow with what was missed: the first page is sent before the second is read."""
    monkeypatch.setattr(history, "PAGE", 2)
    may_go_on = asyncio.Event()
    read: list[int] = []
    after = RunHistory.after

    async def held(self: RunHistory, number: int) -> list[Stored] | None:
        read.append(number)
        if number:
            await may_go_on.wait()
        return await after(self, number)

    owner = world.new_owner()
    run = await a_run_with_events(world, owner, 6)
    monkeypatch.setattr(RunHistory, "after", held)
    async with world.listen(owner, run, 0) as listener:
        assert [frame.id for frame in await listener.take(2)] == ["1", "2"]
        may_go_on.set()
        assert [frame.id for frame in await listener.rest()] == ["3", "4", "5", "6"]
    assert read == [0, 2, 4]


async def test_events_that_are_dropped_while_they_are_replayed_end_the_stream(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client comes again with its last id and is given a fresh start; a gap is never sent."""
    monkeypatch.setattr(history, "PAGE", 2)
    owner = world.new_owner()
    run = await a_run_with_events(world, owner, 6)
    after = RunHistory.after

    async def forgetful(self: RunHistory, number: int) -> list[Stored] | None:
        page = await after(self, number)
        await forget(world, run.run_id, up_to=4)
        return page

    monkeypatch.setattr(RunHistory, "after", forgetful)
    async with world.listen(owner, run, 0) as listener:
        assert [frame.id for frame in await listener.rest()] == ["1", "2"]
    async with world.listen(owner, run, 2) as listener:
        assert [frame.kind for frame in await listener.rest()] == ["init", "done"]


async def test_a_run_that_ends_while_its_events_are_replayed_ends_the_stream(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = world.new_owner()
    run = await world.add_run(owner)
    await world.finish_chunk(run)
    opening = RunHistory.opening

    async def late(self: RunHistory) -> Opening:
        state = await opening(self)
        await world.finish(run)
        return state

    monkeypatch.setattr(RunHistory, "opening", late)
    async with world.listen(owner, run, 1) as listener:
        frames = await listener.rest()
    assert [(frame.id, frame.kind) for frame in frames] == [("2", "update"), ("3", "done")]
