"""What a bucket keeps and lets go of: labels, versions, joins that were broken off, addresses; and what it says when it fails."""

import asyncio
import contextlib
import errno
import hashlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from google.oauth2 import service_account

from lingoloop.doctor_here import check_storage
from lingoloop.finding import Setup, State
from lingoloop.folder import DataFolder
from lingoloop_common.blobs import BlobMissing, Blobs, audio_blob, upload_blob
from lingoloop_common.blobs.bucket import URL_LASTS, StoreError
from lingoloop_common.blobs.gcs import GcsBucket
from lingoloop_common.lifecycle import running
from lingoloop_common.settings import RecordingSettings, SettingsError, read_settings
from tests.servers import free_port
from tests.storage.fake_gcs import BUCKET, FakeGcs
from tests.storage.stores import CREDENTIALS, opened, s3_client, s3_settings
from tests.storage.test_blobs import parts

pytestmark = pytest.mark.usefixtures("small_pieces")

NAME, FINAL = upload_blob(1), audio_blob(1)


class S3:
    """A bucket as its owner sees it."""

    def __init__(self, url: str) -> None:
        self.settings = s3_settings(url)
        place = urlsplit(self.settings["blob_url"])
        self.name, self.prefix = place.netloc, place.path.strip("/") + "/"
        self.client = s3_client(url)

    def opened(self) -> Blobs:
        return opened(**self.settings)


@pytest.fixture
async def s3(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> S3:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("BLOB_DIR", raising=False)
    return S3(s3_url)


async def grown(blobs: Blobs) -> None:
    """Make a blob in several requests, and delete it."""
    await blobs.begin(NAME)
    await blobs.append(NAME, parts(b"a" * 100), offset=0, limit=9_000)
    await blobs.append(NAME, parts(b"a" * 2_000), offset=100, limit=9_000)
    await blobs.publish(NAME, FINAL, labels={"owner": "Zoë/1"})


async def test_objects_of_s3_carry_their_owner(s3: S3) -> None:
    blobs = s3.opened()
    async with running([blobs]):
        await grown(blobs)
        await blobs.write("chunks/1/a", b"x", labels={"run": "1"})
    for name, key, value in ((FINAL, "owner", "Zo%C3%AB%2F1"), ("chunks/1/a", "run", "1")):
        head = s3.client.head_object(Bucket=s3.name, Key=s3.prefix + name)
        assert head["Metadata"][key] == value


async def test_objects_of_google_carry_their_owner(gcs: FakeGcs) -> None:
    blobs = opened(blob_url=f"gs://{BUCKET}")
    async with running([blobs]):
        await grown(blobs)
    found = gcs.live(FINAL)
    assert found is not None
    assert found.metadata["owner"] == "Zo%C3%AB%2F1"


async def test_older_versions_of_s3_go_too(s3: S3) -> None:
    s3.client.put_bucket_versioning(Bucket=s3.name, VersioningConfiguration={"Status": "Enabled"})
    blobs = s3.opened()
    async with running([blobs]):
        await grown(blobs)
        await blobs.write("chunks/1/a", b"x")
        await blobs.write("chunks/1/a", b"y")
        await blobs.delete(FINAL)
        await blobs.remove("chunks/1")
    left = s3.client.list_object_versions(Bucket=s3.name)
    assert not left.get("Versions", []) + left.get("DeleteMarkers", [])


async def test_older_versions_of_google_go_too(gcs: FakeGcs) -> None:
    gcs.versioning = True
    blobs = opened(blob_url=f"gs://{BUCKET}")
    async with running([blobs]):
        await grown(blobs)
        assert gcs.names() == [FINAL]
        await blobs.delete(FINAL)
    assert gcs.names() == []


async def test_a_join_that_was_broken_off_goes_with_its_recording(s3: S3) -> None:
    s3.client.create_multipart_upload(Bucket=s3.name, Key=s3.prefix + FINAL)
    blobs = s3.opened()
    async with running([blobs]):
        await blobs.remove(FINAL)
    assert "Uploads" not in s3.client.list_multipart_uploads(Bucket=s3.name)


async def test_a_write_that_meets_another_is_repeated_and_a_join_loses_nothing(
    s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Amazon answers 409 when something else happens to the name at that moment: nobody knows then who wins."""
    blobs = s3.opened()
    met: list[str] = []
    call = BaseClient._make_api_call

    def meets_another(self: BaseClient, operation: str, given: dict[str, object]) -> object:
        if operation in ("PutObject", "CompleteMultipartUpload") and operation not in met:
            met.append(operation)
            answer = {"Error": {"Code": "ConditionalRequestConflict", "Message": "met another"}}
            raise ClientError(answer, operation)
        return call(self, operation, given)

    monkeypatch.setattr(BaseClient, "_make_api_call", meets_another)
    async with running([blobs]):
        with pytest.raises(StoreError):
            await grown(blobs)
        assert await blobs.length(NAME) == 2_100
        await blobs.publish(NAME, FINAL)
        assert await blobs.length(FINAL) == 2_100
    assert s3.client.list_multipart_uploads(Bucket=s3.name).get("Uploads", []) == []


async def test_what_is_published_is_never_seen_shorter_on_the_way(
    gcs: FakeGcs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a client that asks at that moment, or after a crash, is told to bring the rest once more."""
    blobs = opened(blob_url=f"gs://{BUCKET}")
    delete, looked = GcsBucket.delete, threading.Event()

    def first_is_slow(self: GcsBucket, name: str, version: str | None = None) -> None:
        if name.endswith("/00000000000000000000"):
            time.sleep(0.3)  # in which the others could go
            looked.wait(10)
        delete(self, name, version)

    async with running([blobs]):
        await blobs.begin(NAME)
        await blobs.append(NAME, parts(b"a" * 5_000), offset=0, limit=9_000)
        monkeypatch.setattr(GcsBucket, "delete", first_is_slow)
        publishing = asyncio.create_task(blobs.publish(NAME, FINAL))
        seen = set()
        while not publishing.done():
            with contextlib.suppress(BlobMissing):
                seen.add(await blobs.length(NAME))
                looked.set()
        await publishing
        assert seen == {5_000}
        assert await blobs.length(FINAL) == 5_000


async def test_what_lies_beside_the_prefix_is_not_touched(s3: S3) -> None:
    s3.client.put_object(Bucket=s3.name, Key="others", Body=b"x")
    blobs = s3.opened()
    async with running([blobs]):
        await blobs.write(FINAL, b"x")
        assert [found.name async for page in blobs.found() for found in page] == [FINAL]
        await blobs.remove("audio")
    assert [item["Key"] for item in s3.client.list_objects_v2(Bucket=s3.name)["Contents"]] == ["others"]


async def test_a_disk_without_room_for_a_copy_is_told_as_the_storages_failure(
    gcs: FakeGcs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any other OSError is the database's for a worker, which gives the unit back then, uncounted, and takes it again."""

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    blobs = opened(blob_url=f"gs://{BUCKET}")
    async with running([blobs]):
        await grown(blobs)
        monkeypatch.setattr(os, "pwrite", full)
        with pytest.raises(StoreError, match="No space left on device"):
            async with blobs.local_path(FINAL):
                pass


async def test_a_copy_that_fails_writes_nothing_any_more(
    gcs: FakeGcs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its file is closed then, and the next to be opened has its number: another's copy."""
    blobs = opened(blob_url=f"gs://{BUCKET}")
    failed = threading.Event()
    get = GcsBucket.get

    def one_fails(self: GcsBucket, name: str, start: int, end: int) -> bytes:
        if start == 0:
            failed.set()
            raise StoreError("the line broke")
        failed.wait(10)
        time.sleep(0.3)
        return get(self, name, start, end)

    async with running([blobs]):
        await grown(blobs)
        monkeypatch.setattr(GcsBucket, "get", one_fails)
        with pytest.raises(StoreError, match="the line broke"):
            async with blobs.local_path(FINAL):
                pass
        with (tmp_path / "another's").open("wb"):
            await asyncio.sleep(0.6)
    assert (tmp_path / "another's").read_bytes() == b""


@pytest.fixture
async def signing(gcs: FakeGcs) -> tuple[GcsBucket, rsa.RSAPrivateKey]:
    """A bucket whose client has the key of an account."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = {
        "client_email": "lingoloop@project.example",
        "private_key": pem.decode(),
        "token_uri": "https://oauth2.example/token",
    }
    bucket = GcsBucket(BUCKET, "lingo/")
    bucket._client._credentials = service_account.Credentials.from_service_account_info(account)  # type: ignore[no-untyped-call]
    return bucket, key


async def test_google_takes_the_address_that_is_signed(
    gcs: FakeGcs, signing: tuple[GcsBucket, rsa.RSAPrivateKey]
) -> None:
    """The signature holds for the canonical request of its documentation (V4 signing process)."""
    bucket, key = signing
    url = bucket.signed_url("audio/1", content_type="audio/wav", disposition='attachment; filename="a.wav"')
    assert url is not None
    split = urlsplit(url)
    query = {name: value[0] for name, value in parse_qs(split.query).items()}
    assert split.path == f"/{BUCKET}/lingo/audio/1"
    assert query["X-Goog-Expires"] == str(URL_LASTS)
    assert query["response-content-type"] == "audio/wav"
    assert query["response-content-disposition"] == 'attachment; filename="a.wav"'
    unsigned = split.query.partition("&X-Goog-Signature=")[0]
    rest = split.query.partition("&X-Goog-Signature=")[2].partition("&")[2]
    ordered = "&".join(sorted(f"{unsigned}&{rest}".strip("&").split("&")))
    canonical = f"GET\n{split.path}\n{ordered}\nhost:{split.netloc}\n\nhost\nUNSIGNED-PAYLOAD"
    scope = query["X-Goog-Credential"].partition("/")[2]
    signed = "\n".join(
        ["GOOG4-RSA-SHA256", query["X-Goog-Date"], scope, hashlib.sha256(canonical.encode()).hexdigest()]
    )
    key.public_key().verify(
        bytes.fromhex(query["X-Goog-Signature"]), signed.encode(), padding.PKCS1v15(), hashes.SHA256()
    )


async def test_the_signed_address_brings_the_bytes(
    gcs: FakeGcs, signing: tuple[GcsBucket, rsa.RSAPrivateKey]
) -> None:
    blobs = opened(blob_url=f"gs://{BUCKET}/lingo")
    async with running([blobs]):
        await blobs.write(FINAL, b"0123456789")
    url = signing[0].signed_url(FINAL, content_type="audio/wav", disposition="attachment")
    assert url is not None
    split = urlsplit(url)
    async with httpx.AsyncClient() as anybody:
        answer = await anybody.get(f"{gcs.url}{split.path}?{split.query}")
    assert (answer.content, answer.headers["Content-Disposition"]) == (b"0123456789", "attachment")


async def test_a_bucket_that_is_not_there_is_told_at_the_start(s3: S3, gcs: FakeGcs) -> None:
    wrong = [
        ("none", opened(blob_url="s3://none", s3_endpoint_url=s3.settings["s3_endpoint_url"])),
        ("none", opened(blob_url="gs://none")),
    ]
    for name, blobs in wrong:
        with pytest.raises(OSError, match=f"the bucket {name} ") as caught:
            async with running([blobs]):
                pass
        assert caught.value.strerror


async def test_a_store_that_refuses_is_told_without_a_secret(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    blobs = opened(blob_url="s3://recordings/a", s3_endpoint_url=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(OSError, match="cannot be reached: EndpointConnectionError") as caught:
        async with running([blobs]):
            pass
    assert "test-test" not in str(caught.value)


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({}, "BLOB_DIR: is not set, nor is BLOB_URL"),
        ({"BLOB_DIR": "/a", "BLOB_URL": "s3://a"}, "BLOB_DIR: cannot be set beside BLOB_URL"),
        ({"BLOB_URL": "https://a/b"}, "BLOB_URL: "),
        ({"BLOB_URL": "s3://"}, "BLOB_URL: "),
        ({"BLOB_URL": "s3://key:secret@a"}, "BLOB_URL: "),
        ({"BLOB_URL": "s3://a", "S3_ENDPOINT_URL": "127.0.0.1:9000"}, "S3_ENDPOINT_URL: "),
    ],
)
def test_one_place_must_be_named(
    variables: dict[str, str], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("BLOB_DIR", "BLOB_URL", "S3_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        read_settings(RecordingSettings)
    assert says in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("url", "extra"), [("s3://a", "s3"), ("gs://a", "gcs")])
def test_a_client_that_is_not_installed_is_named(
    url: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (
        "boto3",
        "google.auth.exceptions",
        "lingoloop_common.blobs.s3",
        "lingoloop_common.blobs.gcs",
    ):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SettingsError, match=rf"lingoloop-common\[{extra}\]"):
        opened(blob_url=url, blob_dir=None)


def test_the_clients_are_loaded_only_where_they_are_used() -> None:
    code = (
        "import sys, lingoloop_common.blobs.choice as c, lingoloop_common.settings as s\n"
        "c.open_blobs(s.RecordingSettings(blob_dir='/a', blob_url=None))\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('boto3', 'botocore', 'google')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("bucket", "state", "says"),
    [(None, State.OK, "can be written to"), ("s3://none", State.WRONG, "answers NoSuchBucket")],
)
async def test_doctor_looks_at_the_bucket(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bucket: str | None, state: State, says: str
) -> None:
    monkeypatch.setenv("BLOB_URL", bucket or s3.settings["blob_url"])
    monkeypatch.setenv("S3_ENDPOINT_URL", s3.settings["s3_endpoint_url"])
    found = await asyncio.to_thread(check_storage, Setup.here(DataFolder(tmp_path)))
    assert (found.state, says in found.says) == (state, True)
    assert "Contents" not in s3.client.list_objects_v2(Bucket=s3.name)
