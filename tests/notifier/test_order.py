"""In order, each once, none missing: whatever the broker does (design, rule 12)."""

import asyncio

import pytest

from lingoloop_notifier import broadcast, history
from lingoloop_notifier.history import Opening, RunHistory, Stored
from tests.notifier.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def no_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gap is never read from the database in this test."""
    monkeypatch.setattr(broadcast, "GAP_SECONDS", 3600.0)


@pytest.mark.parametrize("when", ["before the state is read", "after the state was read"])
async def test_events_of_the_hand_over_come_once_and_none_is_missing(
    world: World, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    owner = world.new_owner()
    run = await world.add_run(owner, units=5)
    opening = RunHistory.opening

    async def with_events(self: RunHistory) -> Opening:
        if when.startswith("before"):
            await world.finish_chunk(run, 0)
            await world.finish_chunk(run, 1)
        state = await opening(self)
        if when.startswith("after"):
            await world.finish_chunk(run, 0)
            await world.finish_chunk(run, 1)
        return state

    monkeypatch.setattr(RunHistory, "opening", with_events)
    async with world.listen(owner, run) as listener:
        init = await listener.next()
        await world.finish_chunk(run, 2)
        ids = [init.id]
        while ids[-1] != "4":
            ids.append((await listener.next()).id)
    assert ids == (["3", "4"] if when.startswith("before") else ["1", "2", "3", "4"])


async def test_a_run_that_ends_within_the_hand_over_is_done(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = world.new_owner()
    run = await world.add_run(owner)
    opening = RunHistory.opening

    async def late(self: RunHistory) -> Opening:
        state = await opening(self)
        await world.finish(run)
        return state

    monkeypatch.setattr(RunHistory, "opening", late)
    async with world.listen(owner, run) as listener:
        assert [frame.kind for frame in await listener.rest()] == ["init", "done"]


@pytest.mark.usefixtures("no_reading")
async def test_an_event_that_comes_out_of_order_waits(world: World) -> None:
    owner = world.new_owner()
    run = await world.add_run(owner, units=6)
    async with world.listen(owner, run) as listener:
        await listener.next()
        with world.held_broker.holding() as held:
            for index in range(4):
                await world.finish_chunk(run, index)
        for place in (2, 1, 3, 0):
            world.held_broker.on_event(held[place])
        assert [frame.id for frame in await listener.take(4)] == ["2", "3", "4", "5"]


@pytest.mark.usefixtures("no_reading")
async def test_an_event_that_comes_twice_is_sent_once(world: World) -> None:
    owner = world.new_owner()
    run = await world.add_run(owner, units=4)
    async with world.listen(owner, run) as listener:
        await listener.next()
        with world.held_broker.holding() as held:
            await world.finish_chunk(run, 0)
            await world.finish_chunk(run, 1)
        for message in [*held, *held, held[0]]:
            world.held_broker.on_event(message)
        await world.finish_chunk(run, 2)
        assert [frame.id for frame in await listener.take(3)] == ["2", "3", "4"]


async def test_an_event_that_never_comes_is_read_after_50_ms(world: World) -> None:
    owner = world.new_owner()
    run = await world.add_run(owner, units=4)
    async with world.listen(owner, run) as listener:
        await listener.next()
        with world.held_broker.losing():
            await world.finish_chunk(run, 0)
        begin = asyncio.get_running_loop().time()
        await world.finish_chunk(run, 1)
        frames = await listener.take(2)
        waited = asyncio.get_running_loop().time() - begin
    assert [frame.id for frame in frames] == ["2", "3"]
    assert 0.045 < waited < 5


async def test_an_event_that_never_comes_is_read_even_while_others_keep_coming(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcast, "GAP_SECONDS", 0.3)
    owner = world.new_owner()
    run = await world.add_run(owner, units=4)
    async with world.listen(owner, run) as listener:
        await listener.next()
        with world.held_broker.losing():
            await world.change(run)

        async def keep_coming() -> None:
            while True:
                await world.change(run)
                await asyncio.sleep(0.05)  # the pace is the point: the stream is never quiet for 0.3 s

        coming = asyncio.create_task(keep_coming())
        try:
            assert (await asyncio.wait_for(listener.next(), 5)).id == "2"
        finally:
            coming.cancel()


async def test_a_gap_longer_than_a_page_is_read_whole(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "PAGE", 3)
    owner = world.new_owner()
    run = await world.add_run(owner, units=20)
    async with world.listen(owner, run) as listener:
        await listener.next()
        with world.held_broker.losing():
            for _ in range(10):
                await world.change(run)
        await world.change(run)
        frames = await listener.take(11)
    assert [frame.id for frame in frames] == [str(number) for number in range(2, 13)]


async def test_a_gap_that_is_not_kept_any_more_ends_the_stream(world: World) -> None:
    """The client comes again with its last id and gets a fresh `init`."""
    owner = world.new_owner()
    run = await world.add_run(owner, units=4)
    async with world.listen(owner, run) as listener:
        await listener.next()
        with world.held_broker.losing():
            await world.change(run)
            await world.change(run)
        await world.database.pool.execute("DELETE FROM run_event WHERE run_id = $1 AND seq = 2", run.run_id)
        await world.change(run)
        assert await listener.rest() == []
    async with world.listen(owner, run, 1) as listener:
        assert (await listener.next()).kind == "init"


@pytest.mark.parametrize("missed", [1, 10])
async def test_after_a_broker_reconnect_every_live_stream_reads_again(
    world: World, monkeypatch: pytest.MonkeyPatch, missed: int
) -> None:
    monkeypatch.setattr(history, "PAGE", 3)
    owners = [world.new_owner(), world.new_owner()]
    runs = [await world.add_run(owner, units=20) for owner in owners]
    async with (
        world.listen(owners[0], runs[0]) as one,
        world.listen(owners[1], runs[1]) as other,
        world.listen(owners[1], None) as all_runs,
    ):
        for listener in (one, other, all_runs):
            await listener.next()
        with world.held_broker.losing():
            for run in runs:
                for _ in range(missed):
                    await world.change(run)
        world.held_broker.on_reconnect()
        for listener in (one, other, all_runs):
            expected = [str(number) for number in range(2, missed + 2)]
            assert [frame.id for frame in await listener.take(missed)] == expected


async def test_a_done_that_was_lost_with_the_connection_ends_the_stream(world: World) -> None:
    owner = world.new_owner()
    run = await world.add_run(owner)
    async with world.listen(owner, run) as listener:
        await listener.next()
        with world.held_broker.losing():
            await world.finish(run)
        world.held_broker.on_reconnect()
        assert [frame.kind for frame in await listener.rest()] == ["done"]


async def test_a_reconnect_without_loss_sends_nothing_twice(world: World) -> None:
    owner = world.new_owner()
    run = await world.add_run(owner)
    async with world.listen(owner, run) as listener:
        await listener.next()
        await world.change(run)
        world.held_broker.on_reconnect()
        await world.finish(run)
        assert [frame.id for frame in await listener.rest()] == ["2", "3"]


async def test_a_stream_outlives_a_database_that_is_away_for_a_while(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EventSource gives up for good at a status other than 200, so the stream stays open and tries again."""
    monkeypatch.setattr(broadcast, "DATABASE_PAUSE", 0.01)
    owner = world.new_owner()
    run = await world.add_run(owner, units=3)
    after, tries = RunHistory.after, iter(range(3))

    async def away_at_first(self: RunHistory, number: int) -> list[Stored] | None:
        if next(tries, None) is not None:
            raise OSError("connection refused")
        return await after(self, number)

    async with world.listen(owner, run) as listener:
        await listener.next()
        monkeypatch.setattr(RunHistory, "after", away_at_first)
        with world.held_broker.losing():
            await world.change(run)
        world.held_broker.on_reconnect()
        assert (await listener.next()).id == "2"


async def test_an_unexpected_error_ends_the_stream_with_an_error_frame(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never with the bytes of another answer in the middle of it, and never with the error's own text."""

    async def broken(self: RunHistory, number: int) -> list[Stored] | None:
        raise ValueError("secret host db-7 is broken")

    owner = world.new_owner()
    run = await world.add_run(owner)
    async with world.listen(owner, run) as listener:
        await listener.next()
        monkeypatch.setattr(RunHistory, "after", broken)
        world.held_broker.on_reconnect()
        [error] = await listener.rest()
    assert (error.id, error.kind, error.data["code"]) == (None, "error", "unavailable")
    assert "db-7" not in error.data["message"]
