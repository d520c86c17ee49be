"""A store for each test: none sees another's blobs."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from lingoloop_common.blobs import Blobs
from lingoloop_common.lifecycle import running
from tests.storage.fake_gcs import FakeGcs
from tests.storage.stores import CREDENTIALS, SMALL_LEAST, gcs_emulator, opened, s3_server, settings_of


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    """The run's S3, which wants less of a part than a true one, as these tests make smaller ones."""
    with s3_server(least=SMALL_LEAST) as url:
        yield url


@pytest.fixture(scope="session")
def real_s3_url() -> Iterator[str]:
    """S3 that wants as much of a part as a true one."""
    with s3_server() as url:
        yield url


@pytest.fixture(scope="session")
def emulator_url() -> Iterator[str]:
    """The run's emulator of Cloud Storage."""
    with gcs_emulator() as url:
        yield url


@pytest.fixture(params=["folder", "s3", "gcs", pytest.param("emulator", marks=pytest.mark.slow)])
def kind(request: pytest.FixtureRequest) -> str:
    """The kinds of stores."""
    kind: str = request.param
    return kind


@pytest.fixture
async def blobs(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Blobs]:
    """A store of that kind, empty."""
    urls = {kind: request.getfixturevalue(f"{kind}_url")} if kind in ("s3", "emulator") else {}
    async with settings_of(kind, urls, tmp_path / "blobs", monkeypatch) as settings:
        blobs = opened(**settings)
        async with running([blobs]):
            yield blobs


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of 600 to 1000 bytes instead of 5 to 8 MiB."""
    for module in ("remote", "pieces"):
        monkeypatch.setattr(f"lingoloop_common.blobs.{module}.PIECE", 1_000)
    monkeypatch.setattr("lingoloop_common.blobs.remote.LEAST", SMALL_LEAST)
    monkeypatch.setattr("lingoloop_common.blobs.remote.READ", 300)


@pytest.fixture
async def gcs(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeGcs]:
    """A Cloud Storage that the test can look into."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("BLOB_DIR", raising=False)
    async with FakeGcs() as gcs:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.url)
        yield gcs
