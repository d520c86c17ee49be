"""A Google for each test."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from lingoloop_common.broker.memory import MemoryBroker
from lingoloop_transcriber import elsewhere as elsewhere_module
from tests.google.fake import BUCKET, Bucket, FakeGoogle, bucket, serving
from tests.google.rig import Rig, at_work
from tests.rules.conftest import workshop_over
from tests.rules.workshop import Workshop

TABLES = (
    "audio, transcript_run, job, unit, chunk, segment, run_event, owner_stream, owner_service, outbox, worker,"
    " dead_letter, operation, waveform, receipt, removal"
)


@pytest.fixture
async def shop(module_database_url: str, tmp_path: Path) -> AsyncIterator[Workshop]:
    """A workshop whose tokens the test hands out, over a database that the module's tests share: to make one takes longer."""
    async for shop in workshop_over(module_database_url, tmp_path, MemoryBroker(), relays=False):
        await shop.database.pool.execute(f"TRUNCATE {TABLES} CASCADE")
        yield shop


@pytest.fixture(scope="session")
def cloud_storage() -> Iterator[Bucket]:
    """The run's Cloud Storage."""
    with bucket() as storage:
        yield storage


@pytest.fixture
async def google(cloud_storage: Bucket, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeGoogle]:
    """Google with an empty bucket, as the settings name it."""
    cloud_storage.empty()
    async with serving() as fake:
        for name, value in {
            "STORAGE_EMULATOR_HOST": cloud_storage.address,
            "GOOGLE_CLOUD_PROJECT": "proj",
            "GOOGLE_SPEECH_ENDPOINT": fake.endpoint,
            "GOOGLE_STAGING_BUCKET": BUCKET,
        }.items():
            monkeypatch.setenv(name, value)
        yield fake


@pytest.fixture
async def rig(
    shop: Workshop, google: FakeGoogle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Rig]:
    """A worker at work, on a run whose plan is still to be made. What is left over is ended when the test says so."""
    monkeypatch.setattr(elsewhere_module, "LEFT_PAUSE", 3600.0)
    async with at_work(shop, tmp_path) as rig:
        yield rig
