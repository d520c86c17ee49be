"""Orphans: what nothing in the database stands for is removed when it is old; what is under way, and others' files, stay."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from lingoloop_common.blobs import FolderBlobs
from lingoloop_gateway.orphans import Orphans, believable
from tests import media
from tests.gateway.tus_client import TusClient
from tests.gateway.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

LATER = timedelta(days=2)


@pytest.mark.parametrize(
    ("known", "orphans", "is_believable"),
    [
        (0, 0, True),
        (0, 1, False),
        (1, 10, True),
        (1, 11, False),
        (99, 10, True),
        (110, 11, True),
        (5_000, 500, True),
        (5_000, 501, False),
    ],
)
async def test_a_database_that_knows_hardly_any_recording_is_not_believed(
    known: int, orphans: int, is_believable: bool
) -> None:
    assert believable(known, orphans) is is_believable


def orphans(world: World) -> Orphans:
    return Orphans(world.database, FolderBlobs(world.folder))


def stored(world: World) -> set[str]:
    return {str(path.relative_to(world.folder)) for path in world.folder.rglob("*") if path.is_file()}


def leave(world: World, *names: str) -> None:
    """Leave blobs that no row names."""
    for name in names:
        path = world.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"left")


async def test_what_nothing_stands_for_goes_and_all_else_stays(idle_world: World) -> None:
    owner = idle_world.new_owner()
    await idle_world.accepted(owner, media.unlike_others(), model="long")
    unfinished = await TusClient(idle_world, owner).create(1_000)
    kept = stored(idle_world)
    assert any(name.startswith("audio/") for name in kept)
    assert any(unfinished.rpartition("/")[2] in name for name in kept)
    run = await idle_world.database.pool.fetchval("SELECT id FROM transcript_run WHERE owner = $1", owner)
    leave(idle_world, f"chunks/{run}/1.1.s16", "audio/no-id-of-ours", "lost+found/a")
    kept = stored(idle_world)
    gone = [f"{kind}/{uuid.uuid4()}{rest}" for kind, rest in KINDS]
    leave(idle_world, *gone)

    now = datetime.now(UTC)
    assert await orphans(idle_world).remove(now=now) == 0  # they are of today
    assert stored(idle_world) == kept | set(gone)
    assert await orphans(idle_world).remove(now=now + LATER) == len(gone)
    assert stored(idle_world) == kept
    assert await orphans(idle_world).remove(now=now + LATER) == 0


KINDS = [
    ("audio", ""),
    ("uploads", "/bytes"),
    ("imports", ""),
    ("chunks", "/1.1.s16"),
    ("writing", "/0"),
    ("operations", "/0.flac"),
]


async def test_chunks_of_a_run_that_ended_go(idle_world: World) -> None:
    owner = idle_world.new_owner()
    await idle_world.accepted(owner, media.unlike_others(), model="long")
    run = await idle_world.database.pool.fetchval("SELECT id FROM transcript_run WHERE owner = $1", owner)
    leave(idle_world, f"chunks/{run}/1.1.s16")
    await idle_world.fail_plan(owner, "not_audio", "broken")
    assert await orphans(idle_world).remove(now=datetime.now(UTC) + LATER) == 1
    assert not list((idle_world.folder / "chunks").glob(f"{run}/*"))


async def test_over_another_database_nothing_is_removed(idle_world: World) -> None:
    names = [f"audio/{uuid.uuid4()}" for _ in range(60)]
    leave(idle_world, *names)
    assert await orphans(idle_world).remove(now=datetime.now(UTC) + LATER) == 0
    assert set(names) <= stored(idle_world)
    for name in names:
        (idle_world.folder / name).unlink()
