"""A disk without room: uploads are refused and leave nothing, plans wait for room and go on when there is some."""

import contextlib
import dataclasses
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lingoloop_common.blobs import FolderBlobs
from lingoloop_common.lifecycle import running
from lingoloop_common.sweep import Sweep
from tests import media
from tests.gateway.world import running_world
from tests.ledger import check_ledger
from tests.rules.workshop import EchoSlots, Workshop
from tests.waiting import eventually


class SmallDisk:
    """A disk of a few megabytes, of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self, *, but: int) -> None:
        """Leave `but` bytes free."""
        free = os.statvfs(self.folder)
        self._filler.write_bytes(b"\0" * (free.f_bavail * free.f_frsize - but))

    def make_room(self) -> None:
        """Free them all."""
        self._filler.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a small disk can be mounted by root only")
    yield SmallDisk(folder)
    subprocess.run(["umount", "-l", str(folder)], check=True)


async def test_an_upload_to_a_full_disk_is_507_and_leaves_nothing(disk: SmallDisk, migrated_url: str) -> None:
    async with running_world(migrated_url, disk.folder, transcribes=False) as world:
        disk.fill(but=100_000)
        for post in (world.post, world.post_form):
            async with world.leaving_nothing("ann"):
                response = await post("ann", media.wav(media.tone(30, rate=16_000)))
            assert (response.status_code, response.json()["code"]) == (507, "storage_full")
        disk.make_room()
        await world.accepted("ann", media.wav(media.tone(30, rate=16_000)), model="long")


async def test_a_plan_on_a_full_disk_waits_and_goes_on_when_there_is_room(
    shop: Workshop, disk: SmallDisk, migrated_url: str
) -> None:
    blobs = FolderBlobs(disk.folder / "blobs")
    shop = dataclasses.replace(shop, blobs=blobs, folder=disk.folder)
    sound = media.wav(media.tone(60, rate=16_000))
    parts = shop.transcriber(EchoSlots(), retry_delays=(0.1,), max_retries=1000).parts
    async with running([blobs]):
        run = await shop.add_run(units=0, planned=False, status="queued", sound=sound)
        disk.fill(but=100_000)
        async with running([shop.relay, Sweep(shop.database, shop.broker, shop.relay), *parts]):
            await shop.send_tokens(1)

            async def failed_twice() -> bool:
                return bool((await shop.unit(run.unit_ids[0]))["failures"] >= 2)

            await eventually(failed_twice)
            assert await shop.value("SELECT error_code FROM unit") == "storage_failed"
            assert (await shop.run(run.run_id))["status"] == "processing"
            disk.make_room()
            await eventually(lambda: shop.run_ended(run.run_id))
    await check_ledger(migrated_url, str(run.run_id))
    with contextlib.suppress(FileNotFoundError):
        assert list((disk.folder / "blobs" / ".writing").iterdir()) == []
