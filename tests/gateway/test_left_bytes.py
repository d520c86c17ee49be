"""Bytes of which no run is made go, also when the gateway dies right after it has found that."""

from collections.abc import Awaitable, Callable

import pytest

from lingoloop_common.blobs import FolderBlobs
from lingoloop_gateway.removals import Removals
from lingoloop_gateway.uploads import Uploads
from tests import media
from tests.gateway.tus_client import TusClient
from tests.gateway.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

TALK = media.wav()
HALF = len(TALK) // 2


async def raw(world: World, owner: str) -> None:
    await world.post(owner, TALK)


async def form(world: World, owner: str) -> None:
    await world.post_form(owner, TALK)


async def resumable(world: World, owner: str) -> None:
    tus = TusClient(world, owner)
    assert (await tus.patch(await tus.create(len(TALK)), TALK, 0)).headers["Lingoloop-Run-Id"]


async def parts(world: World, owner: str) -> None:
    tus = TusClient(world, owner)
    urls = []
    for data in (TALK[:HALF], TALK[HALF:]):
        urls.append(await tus.create(len(data), Upload_Concat="partial"))
        await tus.patch(urls[-1], data, 0)
    final = await tus.post(Upload_Concat=f"final;{' '.join(urls)}")
    assert final.headers["Lingoloop-Run-Id"]


@pytest.mark.parametrize("way", [raw, form, resumable, parts])
async def test_what_was_there_already_is_dropped_though_the_gateway_dies(
    idle_world: World, monkeypatch: pytest.MonkeyPatch, way: Callable[[World, str], Awaitable[None]]
) -> None:
    world, owner = idle_world, idle_world.new_owner()
    await raw(world, owner)
    before = world.stored()

    async def dies(*_: object) -> None:
        """What would come after the commit does not."""

    with monkeypatch.context() as patch:
        patch.setattr(Uploads, "settle", dies)
        await way(world, owner)
    assert await world.count("audio", owner) == await world.count("transcript_run", owner) == 1
    await Removals(world.database, FolderBlobs(world.folder)).remove_due()
    assert world.stored() == before
