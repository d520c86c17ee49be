"""`POST /api/audios` with a `url`: a worker fetches the recording, and the rest is as with an upload."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from lingoloop_common import outbound
from lingoloop_common.outbound import NOT_PUBLIC
from tests import media
from tests.gateway.world import World, running_world
from tests.origin import Origin, serving
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

TALK = media.wav()
LONG = media.wav_of_ms(200_000)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """Everything, and it may reach inside, where the tests' servers are."""
    folder = tmp_path_factory.mktemp("blobs")
    async with running_world(module_database_url, folder, allow_private_addresses=True) as world:
        yield world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def careful_world(
    other_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """As it comes."""
    async with running_world(other_database_url, tmp_path_factory.mktemp("careful")) as world:
        yield world


async def ask(world: World, owner: str, **fields: Any) -> httpx.Response:
    return await world.http.post("/api/audios", json=fields, headers=world.bearer(owner))


async def asked(world: World, owner: str, url: str, **fields: Any) -> dict[str, Any]:
    """Ask for an import and return what that was answered with."""
    response = await ask(world, owner, url=url, **fields)
    assert response.status_code == 202, response.text
    body: dict[str, Any] = response.json()
    assert response.headers["Location"] == f"/api/runs/{body['runId']}"
    return body


async def audio_of(world: World, owner: str, body: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (await world.get(owner, f"/api/audios/{body['audioId']}")).json()
    return found


def parts(world: World) -> list[Path]:
    """Return what is in the making."""
    return list((world.folder / "imports").glob("*"))


@contextlib.asynccontextmanager
async def held_import(world: World, owner: str) -> AsyncIterator[tuple[Origin, dict[str, Any]]]:
    """An import that waits for its server with some bytes there."""
    async with serving(Origin(LONG, holds=2**20)) as origin:
        body = await asked(world, owner, origin.url)
        await eventually(lambda: any(path.stat().st_size for path in parts(world)))
        yield origin, body


async def test_a_recording_is_fetched_and_transcribed(world: World) -> None:
    owner = world.new_owner()
    async with serving(Origin(LONG)) as origin:
        body = await asked(world, owner, origin.url, language="de")
        assert (body["status"], body["queued"]) == ("queued", True)
        run = await world.finished(owner, body["runId"])
        assert run["status"] == "succeeded", run
    assert (run["language"], run["durationMs"]) == ("de", 200_000)
    audio = await audio_of(world, owner, body)
    assert (audio["filename"], audio["contentType"], audio["sizeBytes"]) == (
        "talk.wav",
        "audio/wav",
        len(LONG),
    )
    assert (await world.get(owner, f"/api/audios/{body['audioId']}/content")).content == LONG
    assert parts(world) == []
    assert "accept-encoding" in {name.lower() for name in origin.asked[0]}
    assert origin.asked[0]["Accept-Encoding"] == "identity"
    again = await world.http.post(
        f"/api/audios/{body['audioId']}/transcribe", params={"force": "1"}, headers=world.bearer(owner)
    )
    assert again.status_code in (200, 202), again.text


@pytest.mark.parametrize(
    ("given", "headers", "name"),
    [
        (
            {"filename": "../mine.wav"},
            {"Content-Disposition": 'attachment; filename="theirs.wav"'},
            "mine.wav",
        ),
        ({}, {"Content-Disposition": 'attachment; filename="..\\\\theirs.wav"'}, "theirs.wav"),
    ],
)
async def test_its_name_is_the_clients_the_servers_or_the_addresss(
    world: World, given: dict[str, str], headers: dict[str, str], name: str
) -> None:
    owner = world.new_owner()
    async with serving(Origin(TALK, headers=headers)) as origin:
        body = await asked(world, owner, origin.url, **given)
        await world.finished(owner, body["runId"])
    assert (await audio_of(world, owner, body))["filename"] == name


@pytest.mark.parametrize(
    "data",
    [
        b"<!doctype html><title>Sign in</title>" + b" " * 5000,
        b"#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1/inside.ts\n",
        b"[playlist]\nFile1=/etc/passwd\n",
        b"PK\x03\x04" + bytes(5000),
    ],
)
async def test_a_page_or_a_playlist_is_no_recording(world: World, data: bytes) -> None:
    owner = world.new_owner()
    async with serving(Origin(data, headers={"Content-Type": "text/html"})) as origin:
        run = await world.finished(owner, (await asked(world, owner, origin.url))["runId"])
    assert (run["status"], run["error"]["code"]) == ("failed", "not_audio")
    assert len(origin.asked) == 1


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        (b"", 400, None),
        (b"{", 400, None),
        (b"[]", 422, None),
        (b'"https://example.com/a"', 422, None),
        (b"{}", 422, "url"),
        (b'{"url": null}', 422, "url"),
        (b'{"url": 5}', 422, "url"),
        (b'{"url": "https://example.com/a", "force": 0}', 422, "force"),
        (b'{"url": "https://example.com/a", "priority": "5"}', 422, "priority"),
        (b'{"url": ""}', 422, "url"),
        (b'{"url": "ftp://example.com/a"}', 422, "url"),
        (b'{"url": "file:///etc/passwd"}', 422, "url"),
        (b'{"url": "https://user:secret@example.com/a"}', 422, "url"),
        (b'{"url": "https://example.com:22/a"}', 422, "url"),
        (b'{"url": "https://example.com/a", "langauge": "de"}', 422, "langauge"),
        (b'{"url": "https://example.com/a", "language": "German!"}', 422, "language"),
        (b'{"url": "https://example.com/a", "engine": "unknown"}', 422, None),
    ],
)
async def test_what_cannot_be_asked_for_is_refused_with_the_field(
    world: World, body: bytes, status: int, named: str | None
) -> None:
    owner = world.new_owner()
    headers = {**world.bearer(owner), "Content-Type": "application/json"}
    async with world.leaving_nothing(owner):
        response = await world.http.post("/api/audios", content=body, headers=headers)
    assert response.status_code == status, response.text
    assert list(response.json().get("fields", {})) == ([named] if named else [])
    assert "secret" not in response.text


async def test_only_who_may_write_may_ask(world: World) -> None:
    url = "https://example.com/a"
    owner = world.new_owner()
    assert (await world.http.post("/api/audios", json={"url": url})).status_code == 401
    headers = world.bearer(owner, "runs:read")
    assert (await world.http.post("/api/audios", json={"url": url}, headers=headers)).status_code == 403


async def test_what_is_not_fetched_yet_is_null_and_cannot_be_had(world: World) -> None:
    owner = world.new_owner()
    async with held_import(world, owner) as (origin, body):
        audio = await audio_of(world, owner, body)
        unknown = ("sizeBytes", "sha256", "contentType", "durationMs")
        assert [audio[name] for name in unknown] == [None] * 4
        assert (await world.get(owner, "/api/audios")).json()["items"] == [audio]
        progress = (await world.get(owner, f"/api/runs/{body['runId']}/progress")).json()
        assert (progress["status"], progress["progress"]) == ("processing", 0)
        assert (progress["audio"]["sizeBytes"], progress["audio"]["filename"]) == (None, "talk.wav")
        content = await world.get(owner, f"/api/audios/{body['audioId']}/content")
        again = await world.http.post(
            f"/api/audios/{body['audioId']}/transcribe", headers=world.bearer(owner)
        )
        for response in (content, again):
            assert (response.status_code, response.json()["code"]) == (409, "conflict")
            assert "not been fetched" in response.json()["detail"]
        origin.go.set()
        assert (await world.finished(owner, body["runId"]))["status"] == "succeeded"


async def test_a_cancel_stops_it_and_a_retry_begins_anew(world: World) -> None:
    owner = world.new_owner()
    async with held_import(world, owner) as (origin, body):
        cancel = await world.http.post(f"/api/runs/{body['runId']}/cancel", headers=world.bearer(owner))
        assert cancel.status_code == 202
        assert cancel.json()["error"]["code"] == "canceled"
        await eventually(lambda: parts(world) == [], seconds=10)
        origin.go.set()
        retry = await world.http.post(f"/api/runs/{body['runId']}/retry", headers=world.bearer(owner))
        assert retry.status_code == 202
        assert (await world.finished(owner, body["runId"]))["status"] == "succeeded"
        assert origin.starts == [None, None]
    assert (await world.get(owner, f"/api/audios/{body['audioId']}/content")).content == LONG


async def test_a_deletion_in_the_middle_leaves_nothing(world: World) -> None:
    owner = world.new_owner()
    async with held_import(world, owner) as (origin, body):
        deleted = await world.http.delete(f"/api/audios/{body['audioId']}", headers=world.bearer(owner))
        assert deleted.status_code == 200, deleted.text
        assert (deleted.json()["sizeBytes"], deleted.json()["sha256"]) == (None, None)
        origin.go.set()
        whole = world.folder / "audio" / body["audioId"]  # for a moment, if the transfer ends first
        await eventually(lambda: parts(world) == [] and not whole.exists(), seconds=10)
    assert (await world.get(owner, f"/api/audios/{body['audioId']}")).status_code == 404
    assert await world.count("audio", owner) == await world.count("unit", owner) == 0
    assert await world.database.pool.fetchval("SELECT count(*) FROM import") == 0


async def test_nothing_inside_is_reached_and_all_is_refused_in_the_same_words(careful_world: World) -> None:
    world, owner = careful_world, careful_world.new_owner()
    async with serving(Origin(TALK)) as origin:
        port = origin.url.split(":")[2]
        for host in (
            "127.0.0.1",
            "localhost",
            "127.1",
            "[::ffff:127.0.0.1]",
            "2130706433",
            "10.0.0.1",
            "169.254.169.254",
        ):
            body = await asked(world, owner, f"http://{host}:{port}")
            run = await world.finished(owner, body["runId"])
            assert run["error"] == {"code": "import_refused", "message": NOT_PUBLIC}
        assert origin.asked == []


async def test_a_redirect_to_the_inside_is_not_followed(
    careful_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, owner = careful_world, careful_world.new_owner()
    async with serving(Origin(TALK)) as inside:
        led = Origin(b"", status=302, headers={"Location": inside.url})
        async with serving(led, host="127.0.0.2") as outside:
            monkeypatch.setattr(outbound, "is_public", lambda text: text == "127.0.0.2")
            run = await world.finished(owner, (await asked(world, owner, outside.url))["runId"])
            assert run["error"] == {"code": "import_refused", "message": NOT_PUBLIC}
            assert (len(outside.asked), len(inside.asked)) == (1, 0)


async def test_a_server_whose_certificate_is_not_good_is_not_asked(world: World, tmp_path: Path) -> None:
    owner, origin = world.new_owner(), Origin(TALK)
    async with serving(origin, tls=own_certificate(tmp_path)):
        run = await world.finished(owner, (await asked(world, owner, origin.url))["runId"])
    cause = {"code": "import_refused", "message": "the server's certificate is not good for this address"}
    assert (run["status"], run["error"]) == ("failed", cause)
    assert origin.asked == []
    await eventually(lambda: parts(world) == [])


def own_certificate(folder: Path) -> ssl.SSLContext:
    """Return what a server needs that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    both = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "own.pem").write_bytes(both + certificate.public_bytes(Encoding.PEM))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "own.pem")
    return context


async def test_its_address_is_in_no_log_and_forgotten_when_it_is_fetched(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    owner = world.new_owner()
    async with serving(Origin(TALK)) as origin:
        for status in (503, 200):
            origin.status = status
            body = await asked(world, owner, origin.url + "?signature=sesame")
            await world.finished(owner, body["runId"])
    await asyncio.sleep(0)
    assert "sesame" not in "".join(capfd.readouterr())
    rows = await world.database.pool.fetch(
        "SELECT url FROM import JOIN audio ON id = audio_id WHERE owner = $1", owner
    )
    assert len(rows) == 1  # of the one that failed: its run may be tried again
