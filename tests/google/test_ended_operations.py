"""Of operations that end early nothing is left: at Google, in the bucket, on the disk."""

import asyncio
import shutil
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest
from google.rpc import code_pb2

from lingoloop_common.lifecycle import running
from lingoloop_gateway.control import Control
from lingoloop_gateway.deletions import Deletions
from lingoloop_gateway.removals import Removals
from lingoloop_transcriber import elsewhere as elsewhere_module
from lingoloop_transcriber.engines import EngineError
from lingoloop_transcriber.engines.google import staging
from tests.google.answers import HELLO
from tests.google.fake import BUCKET, FakeGoogle, left_objects, status
from tests.google.rig import Rig, at_work
from tests.rules.workshop import Workshop
from tests.storage.fake_gcs import BUCKET as VERSIONED
from tests.storage.fake_gcs import FakeGcs


@pytest.mark.parametrize("looks", [0, 1, 3])
async def test_a_cancelled_run_is_cancelled_at_google(rig: Rig, google: FakeGoogle, looks: int) -> None:
    await rig.steps(2 + looks)
    await Control(rig.shop.database, rig.shop.relay).cancel(rig.run.run_id, rig.run.owner)
    await rig.nothing_left()
    assert [operation.canceled for operation in google.operations] == [True]


async def test_a_deleted_recording_leaves_nothing(rig: Rig, google: FakeGoogle) -> None:
    await rig.steps(3)
    removals = Removals(rig.shop.database, rig.shop.blobs)
    await Deletions(rig.shop.database, rig.shop.relay, removals).delete(rig.run.audio_id, rig.run.owner)
    await rig.nothing_left()
    assert [operation.canceled for operation in google.operations] == [True]


async def test_what_cannot_be_ended_now_is_ended_later(rig: Rig, google: FakeGoogle) -> None:
    await rig.steps(2)
    await Control(rig.shop.database, rig.shop.relay).cancel(rig.run.run_id, rig.run.owner)
    google.failing["CancelOperation"].append(status(code_pb2.UNAVAILABLE, "not now"))
    await rig.elsewhere.end_left()
    assert not google.operations[0].canceled
    await rig.elsewhere.end_left()
    assert not google.operations[0].canceled, "it is another's turn only after a while"
    await rig.shop.database.pool.execute("UPDATE operation SET due_at = now()")
    await rig.nothing_left()
    assert google.operations[0].canceled


async def test_a_retry_of_a_cancelled_run_begins_anew(rig: Rig, google: FakeGoogle) -> None:
    await rig.steps(2)
    control = Control(rig.shop.database, rig.shop.relay)
    await control.cancel(rig.run.run_id, rig.run.owner)
    await rig.elsewhere.end_left()
    await control.retry(rig.run.run_id, rig.run.owner)
    await rig.step()
    assert [operation.canceled for operation in google.operations] == [True, False]
    google.operations[1].words = HELLO
    assert (await rig.step())["status"] == "succeeded"
    await rig.nothing_left()


async def test_sound_that_a_killed_worker_wrote_is_removed(
    shop: Workshop, google: FakeGoogle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    killed = "killed while its sound was brought up"

    async def upload(path: Path, _uri: str) -> int:
        assert path.stat().st_size > 1_000
        shutil.copytree(path.parent.parent, tmp_path / f"{elsewhere_module.PREFIX}left")
        raise EngineError(killed)

    async with at_work(shop, tmp_path) as rig:
        monkeypatch.setattr(rig.engine._staging, "upload", upload)
        await rig.steps(2)
        assert len(list(tmp_path.glob("lingoloop-*"))) == 2
    async with running([rig.another_worker()]):
        assert len(list(tmp_path.glob("lingoloop-*"))) == 1
    assert not list(tmp_path.glob("lingoloop-*"))


async def test_an_upload_that_is_given_up_leaves_nothing(
    google: FakeGoogle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging, "SLICE", 2**18)
    (tmp_path / "long").write_bytes(bytes(2**21))
    begun, go_on = threading.Event(), threading.Event()
    read = staging._Stoppable.read

    def slow(self: Any, size: int = -1) -> bytes:
        begun.set()
        go_on.wait(10)
        return read(self, size)

    monkeypatch.setattr(staging._Stoppable, "read", slow)
    store = staging.Staging(f"gs://{BUCKET}/lingoloop")
    store.open()
    upload = asyncio.create_task(store.upload(tmp_path / "long", store.uri("long")))
    assert await asyncio.to_thread(begun.wait, 10)
    upload.cancel()
    asyncio.get_running_loop().call_soon(go_on.set)  # when it has heard of that
    with pytest.raises(asyncio.CancelledError):
        await upload
    assert await asyncio.to_thread(left_objects) == []


async def test_older_versions_of_what_google_heard_go_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sound").write_bytes(b"fLaC")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "proj")
    async with FakeGcs() as gcs:
        gcs.versioning = True
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.url)
        store = staging.Staging(f"gs://{VERSIONED}/operations")
        store.open()
        for name in ("1/0.flac", "1/0.flac", "2/0.flac"):  # an attempt after another brings it up again
            await store.upload(tmp_path / "sound", store.uri(name))
        await store.remove_below(store.uri("1"))
        assert gcs.names() == ["operations/2/0.flac"]
