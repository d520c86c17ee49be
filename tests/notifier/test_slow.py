"""A reader that is cut off because it does not read goes on by its last id, and has missed nothing."""

import asyncio

import pytest

from lingoloop_notifier import outlet
from tests.notifier.slow import Slow
from tests.notifier.world import World, path
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVENTS = 90
TEXT = "x" * 300_000
"""What does not fit into the buffers of a connection, by far."""


async def test_a_reader_that_was_cut_off_goes_on_by_its_last_id(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlet, "BUFFER", 3_000_000)
    owner = world.new_owner()
    run = await world.add_run(owner, units=EVENTS)
    slow = Slow(world.server.url + path(run), {"Authorization": f"Bearer {world.token(owner)}"})
    await slow.connect()
    await eventually(lambda: world.held_broker.bound)
    for index in range(EVENTS):
        await world.finish_chunk(run, index, (TEXT,))
    await asyncio.wait_for(slow.read_all(), 60)
    assert slow.cuts, "it was not cut off: this test shows nothing"
    assert slow.seen == list(range(slow.seen[0], EVENTS + 2))
