"""The stores of a test run, each in a process of its own on a free loopback port: S3 by moto, Cloud Storage by its emulator."""

import contextlib
import os
import signal
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import boto3
import httpx
import pytest

from lingoloop_common.blobs import Blobs
from lingoloop_common.blobs.choice import open_blobs
from lingoloop_common.blobs.pieces import LEAST
from lingoloop_common.settings import RecordingSettings
from tests.servers import end, free_port, spawn, wait_until
from tests.storage.fake_gcs import BUCKET, FakeGcs

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test-test",
    "AWS_DEFAULT_REGION": "us-east-1",
}
"""Taken by moto, which asks for some."""


SMALL_LEAST = 600
"""Bytes of a piece at least, where a test makes small ones."""


@contextlib.contextmanager
def server(*command: str, **variables: str) -> Iterator[str]:
    """Run a server in Python that takes `--port`; give its address."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        process = spawn(
            [sys.executable, "-m", *command, "--port", str(port)], log, env={**os.environ, **variables}
        )
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until(lambda: _answers(url), f"{command[0]} to answer", seconds=60)
            yield url
        finally:
            end(process, signal.SIGTERM)


def _answers(url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        httpx.get(url)
        return True
    return False


def s3_server(least: int = LEAST) -> contextlib.AbstractContextManager[str]:
    """Run S3, which wants `least` bytes of all parts of an object but the last."""
    return server("moto.server", S3_UPLOAD_PART_MIN_SIZE=str(least))


def gcs_emulator() -> contextlib.AbstractContextManager[str]:
    """Run Cloud Storage's emulator."""
    return server("gcp_storage_emulator", "start", "--in-memory", f"--default-bucket={BUCKET}")


def s3_client(url: str):  # type: ignore[no-untyped-def]
    """Return the plain client of a store of S3's kind."""
    return boto3.client(
        "s3",
        endpoint_url=url,
        aws_access_key_id="test",
        aws_secret_access_key="test-test",
        region_name="us-east-1",
    )


def s3_settings(url: str) -> dict[str, str]:
    """Make a bucket, and return the settings that name it."""
    bucket = f"bucket-{uuid.uuid4().hex}"
    s3_client(url).create_bucket(Bucket=bucket)
    return {"blob_url": f"s3://{bucket}/lingo/loop", "s3_endpoint_url": url}


def gcs_settings(url: str, patch: pytest.MonkeyPatch) -> dict[str, str]:
    """Let Google's client find a store, and return the settings that name a prefix of its own there."""
    patch.setenv("STORAGE_EMULATOR_HOST", url)
    return {"blob_url": f"gs://{BUCKET}/{uuid.uuid4().hex}"}


def opened(**settings: object) -> Blobs:
    """Return the storage that settings name, as a service opens it."""
    return open_blobs(RecordingSettings(**settings))  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def settings_of(
    kind: str, urls: dict[str, str], folder: Path, patch: pytest.MonkeyPatch
) -> AsyncIterator[dict[str, str]]:
    """Give the settings of a store of a kind: folder, s3, gcs (our own, which keeps to preconditions), emulator."""
    for name, value in CREDENTIALS.items():
        patch.setenv(name, value)
    patch.delenv("BLOB_DIR", raising=False)
    match kind:
        case "folder":
            yield {"blob_dir": str(folder)}
        case "s3":
            yield s3_settings(urls["s3"])
        case "emulator":
            yield gcs_settings(urls["emulator"], patch)
        case _:
            async with FakeGcs() as gcs:
                yield gcs_settings(gcs.url, patch)
