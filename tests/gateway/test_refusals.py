"""What is wrong with an upload is said clearly, and leaves nothing behind."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from lingoloop_common import pouring
from tests import media
from tests.gateway.world import END, World, part, running_world
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

WRONG_OPTIONS = {
    "language": "no language at all!",
    "priority": "urgent",
    "engine": "x" * 41,
    "model": "x" * 81,
    "colour": "blue",
}


@pytest.mark.parametrize("how", ["raw", "form"])
@pytest.mark.parametrize("name", WRONG_OPTIONS)
async def test_a_wrong_option_is_422_and_is_named(idle_world: World, name: str, how: str) -> None:
    owner, post = idle_world.new_owner(), idle_world.post if how == "raw" else idle_world.post_form
    async with idle_world.leaving_nothing(owner):
        response = await post(owner, media.wav(), **{name: WRONG_OPTIONS[name]})
    body = response.json()
    assert (response.status_code, body["code"]) == (422, "invalid_value")
    assert set(body["fields"]) == {name}
    assert name in body["detail"]
    assert body["error"] == body["detail"]


@pytest.mark.parametrize("priority", ["-101", "101", "1.5", ""])
async def test_a_priority_is_a_whole_number_within_bounds(idle_world: World, priority: str) -> None:
    response = await idle_world.post(idle_world.new_owner(), media.wav(), priority=priority)
    assert response.status_code == 422
    assert set(response.json()["fields"]) == {"priority"}


@pytest.mark.parametrize("language", ["en", "de-CH", "zh-Hans-CN", "yue", ""])
async def test_a_language_is_a_code(idle_world: World, language: str) -> None:
    await idle_world.accepted(idle_world.new_owner(), model="long", language=language)


async def test_all_wrong_options_are_named_together(idle_world: World) -> None:
    response = await idle_world.post(idle_world.new_owner(), media.wav(), **WRONG_OPTIONS)
    assert set(response.json()["fields"]) == set(WRONG_OPTIONS)


@pytest.mark.parametrize(("engine", "lane"), [("nosuch", "nosuch"), ("whisper", "whisper.base")])
async def test_a_lane_that_no_worker_ever_announced_is_422_and_says_what_to_do(
    idle_world: World, engine: str, lane: str
) -> None:
    owner = idle_world.new_owner()
    async with idle_world.leaving_nothing(owner):
        response = await idle_world.post(owner, media.wav(), engine=engine)
    body = response.json()
    assert (response.status_code, body["code"]) == (422, "unknown_lane")
    assert lane in body["detail"]
    assert "start one" in body["detail"]


@pytest.mark.parametrize("engine", ["Ä", "a b", "../x", "work.#"])
async def test_a_name_that_cannot_be_a_lane_is_422(idle_world: World, engine: str) -> None:
    response = await idle_world.post(idle_world.new_owner(), media.wav(), engine=engine)
    assert response.status_code == 422


FILE = part("file", media.wav(), filename="a.wav")

MALFORMED: dict[str, bytes] = {
    "no file": part("language", b"en") + END,
    "two files": FILE + FILE + END,
    "empty": b"",
    "no boundary in it": b"just text\r\n" * 100,
    "no end": FILE,
    "cut off in a part": FILE[:-2000],
    "headers that are none": part("file", b"x", filename="a", headers=b"\0\1 no header\r\n") + END,
    "a header without end": part("file", b"x", filename="a", headers=b"X: " + b"y" * 100_000 + b"\r\n") + END,
    "many headers": part("file", b"x", filename="a", headers=b"X: y\r\n" * 100_000) + END,
    "a multipart in a multipart": part("file", b"--b\r\n\r\nx\r\n--b--", headers=b"Content-Type: multipart/mixed; boundary=b\r\n") + END,
    "a field that is no text": part("language", b"\xff\xfe") + FILE + END,
    "a field whose name is no text": part("x", b"\x80").replace(b'"x"', b'"\xff"') + FILE + END,
    "a field too long": part("language", b"e" * 100_000) + FILE + END,
    "too many fields": b"".join(part(f"f{number}", b"") for number in range(60)) + FILE + END,
    "the same field too often": part("language", b"en") * 60 + FILE + END,
}  # fmt: skip


@pytest.mark.parametrize("what", MALFORMED)
async def test_a_malformed_form_is_400_and_leaves_nothing(idle_world: World, what: str) -> None:
    owner = idle_world.new_owner()
    async with idle_world.leaving_nothing(owner):
        response = await idle_world.post_body(owner, MALFORMED[what])
    assert (response.status_code, response.json()["code"]) == (400, "bad_request"), response.text


@pytest.mark.parametrize("length", [b"99999999", b"3", b"-1", b"many"])
async def test_the_length_that_a_part_claims_to_have_is_not_believed(
    idle_world: World, length: bytes
) -> None:
    owner = idle_world.new_owner()
    body = part("file", media.wav(), filename="a.wav", headers=b"Content-Length: " + length + b"\r\n") + END
    assert (await idle_world.post_body(owner, body)).status_code == 202
    assert await idle_world.database.pool.fetchval(
        "SELECT size_bytes FROM audio WHERE owner = $1", owner
    ) == len(media.wav())


@pytest.mark.parametrize(
    "kind",
    ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=" + "b" * 80],
)
async def test_a_form_without_a_good_boundary_is_400(idle_world: World, kind: str) -> None:
    response = await idle_world.post(idle_world.new_owner(), FILE + END, kind=kind)
    assert response.status_code == 400


async def test_another_kind_of_multipart_is_415(idle_world: World) -> None:
    response = await idle_world.post(idle_world.new_owner(), FILE, kind="multipart/mixed; boundary=frontier")
    assert response.status_code == 415


@pytest.mark.parametrize("how", ["raw", "form"])
async def test_an_empty_file_is_422(idle_world: World, how: str) -> None:
    owner, post = idle_world.new_owner(), idle_world.post if how == "raw" else idle_world.post_form
    async with idle_world.leaving_nothing(owner):
        response = await post(owner, b"")
    assert (response.status_code, response.json()["code"]) == (422, "not_audio")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def narrow_world(
    module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """Takes uploads of 100,000 bytes and of two seconds."""
    folder = tmp_path_factory.mktemp("narrow")
    async with running_world(
        module_database_url, folder, transcribes=False, transcribe_sync_timeout_ms=1,
        max_upload_bytes=100_000, max_audio_duration_ms=2_000,
    ) as world:  # fmt: skip
        yield world


@pytest.mark.parametrize("how", ["raw", "form"])
async def test_an_upload_over_the_limit_is_413_and_leaves_nothing(narrow_world: World, how: str) -> None:
    owner = narrow_world.new_owner()
    post = narrow_world.post if how == "raw" else narrow_world.post_form
    async with narrow_world.leaving_nothing(owner):
        response = await post(owner, media.wav_of_size(100_001))
    assert (response.status_code, response.json()["code"]) == (413, "too_large")
    assert "100000" in response.json()["detail"]


@pytest.mark.parametrize("how", ["raw", "form"])
async def test_an_upload_of_exactly_the_limit_is_taken(narrow_world: World, how: str) -> None:
    post = narrow_world.post if how == "raw" else narrow_world.post_form
    response = await post(narrow_world.new_owner(), media.wav_of_size(100_000))
    assert response.status_code == 202, response.text


async def test_an_upload_of_unknown_length_is_stopped_at_the_limit(narrow_world: World) -> None:
    """A chunked body has no Content-Length; it is refused when the limit is passed, not when it ends."""
    owner = narrow_world.new_owner()
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 50_000_000:
            yield b"\0" * 50_000
            sent += 50_000

    async with narrow_world.leaving_nothing(owner):
        response = await narrow_world.http.post(
            "/api/audios", content=endless(), headers=narrow_world.bearer(owner)
        )
    assert response.status_code == 413


async def test_a_recording_that_is_too_long_is_422(narrow_world: World) -> None:
    owner = narrow_world.new_owner()
    async with narrow_world.leaving_nothing(owner):
        response = await narrow_world.post(owner, media.wav_of_ms(2_001))
    assert (response.status_code, response.json()["code"]) == (422, "too_long")
    assert (await narrow_world.post(owner, media.wav_of_ms(2_000))).status_code == 202


@pytest.mark.parametrize("how", ["raw", "chunked", "form"])
async def test_a_client_that_breaks_off_in_the_middle_leaves_nothing(idle_world: World, how: str) -> None:
    owner = idle_world.new_owner()
    url = urlsplit(idle_world.gateway.url)
    before = idle_world.stored()
    length = "Transfer-Encoding: chunked" if how == "chunked" else "Content-Length: 1000000"
    kind = "multipart/form-data; boundary=frontier" if how == "form" else "audio/wav"
    head = (
        f"POST /api/audios HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {idle_world.token(owner)}\r\n"
        f"Content-Type: {kind}\r\n{length}\r\n\r\n"
    )
    body = (
        FILE[:20_000]
        if how == "form"
        else b"4e20\r\n" + b"x" * 20_000 + b"\r\n"
        if how == "chunked"
        else b"x" * 20_000
    )
    async with idle_world.leaving_nothing(owner):
        _, writer = await asyncio.open_connection(url.hostname, url.port)
        writer.write(head.encode() + body)
        await writer.drain()
        await eventually(lambda: idle_world.stored() - before)  # its beginning is being written
        writer.transport.abort()


async def test_a_full_disk_is_507_and_leaves_nothing(
    idle_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: int, batch: list[bytes], *_: Any) -> int:
        os.write(file, batch[0][:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    owner = idle_world.new_owner()
    with monkeypatch.context() as patch:
        patch.setattr(pouring, "_write", full)
        for post in (idle_world.post, idle_world.post_form):
            async with idle_world.leaving_nothing(owner):
                response = await post(owner, media.wav())
            assert (response.status_code, response.json()["code"]) == (507, "storage_full")
    await idle_world.still_works()


HOSTILE_NAMES: dict[str, tuple[str, str]] = {
    "path traversal": ("../../../etc/passwd", "passwd"),
    "a Windows path": ("C:\\Users\\ann\\talk.wav", "talk.wav"),
    "an absolute path": ("/etc/cron.d/x", "x"),
    "only dots": ("..", "recording"),
    "a line break": ("a\r\nSet-Cookie: x=1.wav", "aSet-Cookie: x=1.wav"),
    "a NUL": ("a\0b.wav", "ab.wav"),
    "an escape sequence": ("\x1b[31mred.wav", "[31mred.wav"),
    "nothing": ("", "recording"),
    "blanks": ("   ", "recording"),
    "another script": ("会议录音 №5 — ü.mp3", "会议录音 №5 — ü.mp3"),
}


@pytest.mark.parametrize("what", HOSTILE_NAMES)
async def test_a_hostile_file_name_becomes_a_harmless_one(idle_world: World, what: str) -> None:
    owner = idle_world.new_owner()
    given, kept = HOSTILE_NAMES[what]
    body = await idle_world.accepted(owner, filename=given)
    assert (await idle_world.get(owner, f"/api/runs/{body['runId']}")).json()["filename"] == kept
    blob = await idle_world.database.pool.fetchval("SELECT blob FROM audio WHERE owner = $1", owner)
    assert blob == f"audio/{body['audioId']}"


async def test_a_long_file_name_is_cut(idle_world: World) -> None:
    for post in (idle_world.post, idle_world.post_form):
        owner = idle_world.new_owner()
        response = await post(owner, media.wav(), filename="x" * 296 + ".wav")
        assert response.status_code == 202, response.text
        name = await idle_world.database.pool.fetchval("SELECT filename FROM audio WHERE owner = $1", owner)
        assert name == "x" * 251 + ".wav"


@pytest.mark.parametrize(
    "name", [b"\xff\xfe.wav", b"../x\xc3\xa9.wav", b'a\\"b.wav', b"a%0d%0ab.wav", b"\xed\xa0\x80.wav"]
)
async def test_a_file_name_of_any_bytes_harms_nothing(idle_world: World, name: bytes) -> None:
    owner = idle_world.new_owner()
    head = b'--frontier\r\nContent-Disposition: form-data; name="file"; filename="' + name + b'"\r\n\r\n'
    response = await idle_world.post_body(owner, head + media.wav() + b"\r\n" + END)
    assert response.status_code in (202, 400), response.text
    if response.status_code == 202:
        run = await idle_world.get(owner, f"/api/runs/{response.json()['runId']}")
        assert "/" not in run.json()["filename"]


@pytest.mark.parametrize(
    "kind", ["text/html", "a" * 5_000, "audio/wav\xff", "nonsense", "audio/ogg; codecs=opus"]
)
async def test_a_content_type_is_kept_only_if_it_is_one(idle_world: World, kind: str) -> None:
    owner = idle_world.new_owner()
    headers = {**idle_world.bearer(owner), "Content-Type": kind.encode("latin-1")}
    response = await idle_world.http.post("/api/audios", content=media.wav(), headers=headers)  # type: ignore[arg-type]
    assert response.status_code == 202, response.text
    stored = await idle_world.database.pool.fetchval("SELECT content_type FROM audio WHERE owner = $1", owner)
    assert stored in ("text/html", "application/octet-stream", "audio/ogg")
