"""A client that goes away at the worst moment leaves a whole run or nothing; never a file alone, never a run alone."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from asyncpg.transaction import Transaction

from lingoloop_common.blobs import FolderBlobs
from lingoloop_common.broker.memory import MemoryFeed
from lingoloop_common.store.runs import change_run
from lingoloop_gateway import new_runs
from tests import media
from tests.gateway.world import World
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def go_away(world: World, owner: str, reached: asyncio.Event) -> None:
    """Upload, and break the connection when a point is reached."""
    posting = asyncio.create_task(world.post(owner, media.wav(), model="long"))
    await asyncio.wait_for(reached.wait(), 10)
    posting.cancel()
    await asyncio.wait([posting])
    await asyncio.sleep(0.1)  # the server hears of it; nothing tells when


async def test_while_its_recording_is_put_in_place(
    idle_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, go_on = asyncio.Event(), threading.Event()
    loop, publish = asyncio.get_running_loop(), FolderBlobs._publish

    def held(self: FolderBlobs, temporary: Path, name: str) -> None:
        publish(self, temporary, name)
        loop.call_soon_threadsafe(reached.set)
        go_on.wait(10)

    monkeypatch.setattr(FolderBlobs, "_publish", held)
    owner = idle_world.new_owner()
    async with idle_world.leaving_nothing(owner):
        await go_away(idle_world, owner, reached)
        go_on.set()


async def test_while_its_run_is_committed(idle_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    reached, go_on = asyncio.Event(), asyncio.Event()
    commit = getattr(Transaction, "_Transaction__commit")  # noqa: B009  (a private name)

    async def held(self: Transaction) -> None:
        monkeypatch.setattr(Transaction, "_Transaction__commit", commit)
        reached.set()
        await go_on.wait()
        await commit(self)

    async def change_and_hold(*arguments: Any) -> Any:
        row = await change_run(*arguments)
        monkeypatch.setattr(Transaction, "_Transaction__commit", held)
        return row

    monkeypatch.setattr(new_runs, "change_run", change_and_hold)
    owner = idle_world.new_owner()
    before = idle_world.stored()
    await go_away(idle_world, owner, reached)
    go_on.set()
    await eventually(lambda: idle_world.count("transcript_run", owner))
    blobs = await idle_world.database.pool.fetch("SELECT blob FROM audio WHERE owner = $1", owner)
    assert idle_world.stored() - before == {row["blob"] for row in blobs}


async def test_while_its_events_are_subscribed_to(idle_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    reached = asyncio.Event()

    async def never(self: MemoryFeed, shard: int) -> None:
        reached.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(MemoryFeed, "bind", never)
    owner = idle_world.new_owner()
    async with idle_world.leaving_nothing(owner):
        await go_away(idle_world, owner, reached)
