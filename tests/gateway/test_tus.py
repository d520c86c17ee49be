"""tus 1.0.0: each "MUST" of the protocol and its extensions, header by header."""

import asyncio
import base64
import hashlib
import itertools
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from lingoloop_gateway import tus_bodies
from tests import media
from tests.gateway.tus_client import BYTES, TusClient, metadata
from tests.gateway.world import World
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

TALK = media.wav()


@pytest.fixture
def tus(idle_world: World) -> TusClient:
    return TusClient(idle_world)


async def test_options_tell_what_can_be_done_without_a_token_or_a_version(idle_world: World) -> None:
    for path in ("/api/uploads", "/api/uploads/x"):
        response = await idle_world.http.options(path, headers={"Tus-Resumable": "0.2.2"})
        assert response.status_code == 204
        assert response.headers["Tus-Version"] == response.headers["Tus-Resumable"] == "1.0.0"
        assert set(response.headers["Tus-Extension"].split(",")) == {
            "creation",
            "creation-with-upload",
            "creation-defer-length",
            "termination",
            "checksum",
            "expiration",
            "concatenation",
        }
        assert response.headers["Tus-Max-Size"] == str(10 * 2**30)
        assert {"sha1", "md5", "sha256"} <= set(response.headers["Tus-Checksum-Algorithm"].split(","))


async def test_an_upload_grows_patch_by_patch_and_its_last_one_names_the_run(tus: TusClient) -> None:
    url = await tus.create(len(TALK), Upload_Metadata=metadata(filename="talk.wav", filetype="audio/wav"))
    assert urlsplit(url).netloc == urlsplit(tus.world.gateway.url).netloc
    response = await tus.patch(url, TALK[:1000], 0)
    assert (response.status_code, response.headers["Upload-Offset"]) == (204, "1000")
    assert "Upload-Expires" in response.headers
    assert "Lingoloop-Run-Id" not in response.headers
    head = await tus.head(url)
    assert head.headers["Upload-Offset"] == "1000"
    assert head.headers["Upload-Length"] == str(len(TALK))
    assert head.headers["Upload-Metadata"] == metadata(filename="talk.wav", filetype="audio/wav")
    assert head.headers["Cache-Control"] == "no-store"
    response = await tus.patch(url, TALK[1000:], 1000)
    assert (response.status_code, response.headers["Upload-Offset"]) == (204, str(len(TALK)))
    run_id = response.headers["Lingoloop-Run-Id"]
    for again in (await tus.head(url), await tus.patch(url, b"", len(TALK))):
        assert again.headers["Lingoloop-Run-Id"] == run_id
        assert again.headers["Upload-Offset"] == str(len(TALK))
    run = (await tus.world.get(tus.owner, f"/api/runs/{run_id}")).json()
    assert run["filename"] == "talk.wav"
    audio = (await tus.world.get(tus.owner, f"/api/audios/{run['audioId']}")).json()
    assert audio["sha256"] == hashlib.sha256(TALK).hexdigest()
    assert (audio["contentType"], audio["sizeBytes"]) == ("audio/wav", len(TALK))
    content = await tus.world.get(tus.owner, f"/api/audios/{run['audioId']}/content")
    assert content.content == TALK


async def test_a_run_is_told_what_the_metadata_ask_for(tus: TusClient) -> None:
    asked = metadata(name="a.wav", type="audio/wav", relativePath="null", language="de", priority="5")
    url = await tus.create(len(TALK), Upload_Metadata=asked)
    run_id = (await tus.patch(url, TALK, 0)).headers["Lingoloop-Run-Id"]
    row = await tus.world.database.pool.fetchrow(
        "SELECT language, priority FROM transcript_run WHERE id::text = $1", run_id
    )
    assert row is not None
    assert tuple(row) == ("de", 5)


async def test_an_upload_may_come_with_its_creation(tus: TusClient) -> None:
    headers = {"Upload-Length": str(len(TALK)), "Content-Type": BYTES}
    part = await tus.send("POST", "/api/uploads", headers, content=TALK[:77])
    assert (part.status_code, part.headers["Upload-Offset"]) == (201, "77")
    assert (await tus.patch(part.headers["Location"], TALK[77:], 77)).headers["Lingoloop-Run-Id"]
    whole = await tus.send("POST", "/api/uploads", headers, content=TALK)
    assert (whole.status_code, whole.headers["Upload-Offset"]) == (201, str(len(TALK)))
    assert whole.headers["Location"]
    assert whole.headers["Lingoloop-Run-Id"]


async def test_a_length_may_be_told_later_and_once(tus: TusClient) -> None:
    url = await tus.create(Upload_Defer_Length="1")
    head = await tus.head(url)
    assert head.headers["Upload-Defer-Length"] == "1"
    assert "Upload-Length" not in head.headers
    assert (await tus.patch(url, TALK[:50], 0)).headers["Upload-Offset"] == "50"
    assert (await tus.patch(url, b"", 50, Upload_Length="49")).status_code == 400
    response = await tus.patch(url, TALK[50:90], 50, Upload_Length=str(len(TALK)))
    assert response.headers["Upload-Offset"] == "90"
    head = await tus.head(url)
    assert head.headers["Upload-Length"] == str(len(TALK))
    assert "Upload-Defer-Length" not in head.headers
    assert (await tus.patch(url, b"", 90, Upload_Length="100000")).status_code == 400
    assert (await tus.patch(url, TALK[90:], 90)).headers["Lingoloop-Run-Id"]


async def test_a_post_may_say_that_it_is_another_request(tus: TusClient) -> None:
    url = await tus.create(10)
    headers = {"X-HTTP-Method-Override": "PATCH", "Content-Type": BYTES, "Upload-Offset": "0"}
    assert (await tus.send("POST", url, headers, content=b"abc")).status_code == 204
    assert (await tus.send("POST", url, {"X-HTTP-Method-Override": "HEAD"})).headers["Upload-Offset"] == "3"
    assert (await tus.send("POST", url, {"X-HTTP-Method-Override": "DELETE"})).status_code == 204
    assert (await tus.head(url)).status_code == 404


CREATIONS = {
    "neither length": ({}, 400),
    "both lengths": ({"Upload-Length": "5", "Upload-Defer-Length": "1"}, 400),
    "deferred otherwise": ({"Upload-Defer-Length": "2"}, 400),
    "negative": ({"Upload-Length": "-1"}, 400),
    "no number": ({"Upload-Length": "5.0"}, 400),
    "huge": ({"Upload-Length": "9" * 19}, 400),
    "too large": ({"Upload-Length": str(10 * 2**30 + 1)}, 413),
    "no version": ({"Upload-Length": "5", "Tus-Resumable": ""}, 412),
    "another version": ({"Upload-Length": "5", "Tus-Resumable": "0.2.2"}, 412),
    "no token": ({"Upload-Length": "5", "Authorization": ""}, 401),
    "metadata without key": ({"Upload-Length": "5", "Upload-Metadata": "a YQ==,"}, 400),
    "metadata with a key twice": ({"Upload-Length": "5", "Upload-Metadata": "a YQ==,a YQ=="}, 400),
    "metadata not in Base64": ({"Upload-Length": "5", "Upload-Metadata": "filename y$"}, 400),
    "metadata not in UTF-8": ({"Upload-Length": "5", "Upload-Metadata": "filename /w=="}, 422),
    "no such option": ({"Upload-Length": "5", "Upload-Metadata": metadata(langauge="de")}, 422),
    "wrong option": ({"Upload-Length": "5", "Upload-Metadata": metadata(priority="high")}, 422),
    "no such model": ({"Upload-Length": "5", "Upload-Metadata": metadata(model="none")}, 422),
    "concat otherwise": ({"Upload-Length": "5", "Upload-Concat": "parts"}, 400),
    "final of nothing": ({"Upload-Concat": "final;"}, 400),
    "final of no upload": ({"Upload-Concat": "final;/api/uploads/x"}, 400),
    "final of another's": (
        {"Upload-Concat": "final;/api/uploads/01900000-0000-7000-8000-000000000000"},
        404,
    ),
    "final with a length": (
        {"Upload-Length": "5", "Upload-Concat": "final;/api/uploads/01900000-0000-7000-8000-000000000000"},
        400,
    ),
}


@pytest.mark.parametrize("case", CREATIONS)
async def test_a_wrong_creation_is_refused_and_makes_nothing(tus: TusClient, case: str) -> None:
    headers, status = CREATIONS[case]
    response = await tus.send("POST", "/api/uploads", headers)
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["Tus-Resumable"] == "1.0.0"
    assert ("Tus-Version" in response.headers) == (status == 412)
    assert await tus.world.count("upload", tus.owner) == 0


PATCHES = {
    "no offset": ({"Upload-Offset": ""}, 400),
    "wrong offset": ({"Upload-Offset": "2"}, 409),
    "an offset before": ({"Upload-Offset": "0"}, 409),
    "negative": ({"Upload-Offset": "-1"}, 400),
    "no type": ({"Content-Type": ""}, 415),
    "another type": ({"Content-Type": "application/octet-stream"}, 415),
    "no version": ({"Tus-Resumable": ""}, 412),
    "another version": ({"Tus-Resumable": "2.0.0"}, 412),
    "checksum of an unknown kind": ({"Upload-Checksum": "crc1 YQ=="}, 400),
    "checksum not in Base64": ({"Upload-Checksum": "sha1 $"}, 400),
    "checksum that is too short": ({"Upload-Checksum": "sha1 YQ=="}, 400),
    "checksum of other bytes": (
        {"Upload-Checksum": "sha1 " + base64.b64encode(b"0" * 20).decode()},
        460,
    ),
    "no token": ({"Authorization": ""}, 401),
}


@pytest.mark.parametrize("case", PATCHES)
async def test_a_wrong_patch_is_refused_and_changes_nothing(tus: TusClient, case: str) -> None:
    url = await tus.create(10)
    await tus.patch(url, b"abc", 0)
    headers, status = PATCHES[case]
    given = {"Upload-Offset": "3", "Content-Type": BYTES, **headers}
    response = await tus.send("PATCH", url, given, content=b"de")
    assert response.status_code == status, response.text
    assert response.headers["Tus-Resumable"] == "1.0.0"
    assert await tus.offset(url) == 3
    folder = tus.world.folder / "uploads" / url.rpartition("/")[2]
    assert [path.read_bytes() for path in folder.iterdir()] == [b"abc"]


async def test_more_bytes_than_were_said_are_refused(tus: TusClient) -> None:
    url = await tus.create(10)
    assert (await tus.patch(url, b"x" * 11, 0)).status_code == 413
    assert await tus.offset(url) == 0

    async def unannounced() -> AsyncIterator[bytes]:
        for _ in range(4):
            yield b"abc"

    assert (await tus.patch(url, unannounced(), 0)).status_code == 413
    assert await tus.offset(url) <= 10


@pytest.mark.parametrize("algorithm", ["sha1", "md5", "sha256", "sha512"])
async def test_bytes_that_match_their_checksum_count(tus: TusClient, algorithm: str) -> None:
    url = await tus.create(len(TALK))
    for start, end in ((0, 10_000), (10_000, len(TALK))):
        value = base64.b64encode(hashlib.new(algorithm, TALK[start:end]).digest()).decode()
        response = await tus.patch(url, TALK[start:end], start, Upload_Checksum=f"{algorithm} {value}")
        assert (response.status_code, response.headers["Upload-Offset"]) == (204, str(end))
    run = (await tus.world.get(tus.owner, f"/api/runs/{response.headers['Lingoloop-Run-Id']}")).json()
    audio = (await tus.world.get(tus.owner, f"/api/audios/{run['audioId']}")).json()
    assert audio["sha256"] == hashlib.sha256(TALK).hexdigest()


async def test_another_owner_finds_no_upload(tus: TusClient) -> None:
    url, other = await tus.create(10), TusClient(tus.world)
    assert (await other.head(url)).status_code == 404
    assert (await other.patch(url, b"abc", 0)).status_code == 404
    assert (await other.send("DELETE", url)).status_code == 404
    part = await tus.create(3, Upload_Concat="partial")
    await tus.patch(part, b"abc", 0)
    assert (await other.post(Upload_Concat=f"final;{part}")).status_code == 404
    assert await tus.offset(url) == 0


async def test_what_is_not_audio_is_refused_with_its_last_bytes_and_is_gone(tus: TusClient) -> None:
    url = await tus.create(3)
    response = await tus.patch(url, b"abc", 0)
    assert (response.status_code, response.json()["code"]) == (422, "not_audio")
    assert (await tus.head(url)).status_code == 404
    assert not (tus.world.folder / "uploads" / url.rpartition("/")[2]).exists()
    assert not (tus.world.folder / "audio" / url.rpartition("/")[2]).exists()
    assert (await tus.post(0)).json()["code"] == "not_audio"
    assert await tus.world.count("upload", tus.owner) == 0


@pytest.mark.parametrize("whole", [False, True])
async def test_a_terminated_upload_is_gone_and_so_is_what_it_became(tus: TusClient, whole: bool) -> None:
    url = await tus.create(len(TALK))
    await tus.patch(url, TALK if whole else TALK[:5], 0)
    response = await tus.send("DELETE", url)
    assert response.status_code == 204, response.text
    for method in ("HEAD", "DELETE"):
        assert (await tus.send(method, url)).status_code == 404
    assert (await tus.patch(url, b"", 5)).status_code == 404
    name = url.rpartition("/")[2]
    await eventually(
        lambda: not any((tus.world.folder / kind / name).exists() for kind in ("uploads", "audio"))
    )
    assert await tus.world.count("audio", tus.owner) == 0


async def test_an_upload_whose_recording_was_deleted_is_gone(tus: TusClient) -> None:
    url = await tus.create(len(TALK))
    run_id = (await tus.patch(url, TALK, 0)).headers["Lingoloop-Run-Id"]
    run = (await tus.world.get(tus.owner, f"/api/runs/{run_id}")).json()
    await tus.world.http.delete(f"/api/audios/{run['audioId']}", headers=tus.world.bearer(tus.owner))
    assert (await tus.head(url)).status_code == 410


async def test_parts_make_one_upload_in_the_order_that_is_asked_for(tus: TusClient) -> None:
    cuts = [0, 9_000, 20_000, len(TALK)]
    urls = []
    for start, end in itertools.pairwise(cuts):
        urls.append(await tus.create(end - start, Upload_Concat="partial"))
        response = await tus.patch(urls[-1], TALK[start:end], 0)
        assert response.status_code == 204
        assert "Lingoloop-Run-Id" not in response.headers
        head = await tus.head(urls[-1])
        assert (head.headers["Upload-Concat"], head.headers["Upload-Offset"]) == ("partial", str(end - start))
    concat = f"final;{urls[0]} {urlsplit(urls[1]).path} {urls[2]}"
    final = await tus.post(Upload_Concat=concat, Upload_Metadata=metadata(filename="whole.wav"))
    assert final.status_code == 201, final.text
    head = await tus.head(final.headers["Location"])
    assert head.headers["Upload-Concat"] == concat
    assert head.headers["Upload-Offset"] == head.headers["Upload-Length"] == str(len(TALK))
    run_id = final.headers["Lingoloop-Run-Id"]
    assert head.headers["Lingoloop-Run-Id"] == run_id
    run = (await tus.world.get(tus.owner, f"/api/runs/{run_id}")).json()
    assert run["filename"] == "whole.wav"
    assert (await tus.world.get(tus.owner, f"/api/audios/{run['audioId']}/content")).content == TALK
    audio = (await tus.world.get(tus.owner, f"/api/audios/{run['audioId']}")).json()
    assert audio["sha256"] == hashlib.sha256(TALK).hexdigest()
    assert (await tus.patch(final.headers["Location"], b"x", len(TALK))).status_code == 403
    again = await tus.post(Upload_Concat=concat, Upload_Metadata=metadata(filename="whole.wav"))
    assert (again.status_code, again.headers["Location"]) == (201, final.headers["Location"])
    assert again.headers["Lingoloop-Run-Id"] == run_id
    assert (await tus.post(Upload_Concat=f"final;{urls[1]}")).status_code == 410
    assert await tus.offset(urls[0]) == cuts[1]
    await eventually(
        lambda: not any((tus.world.folder / "uploads" / url.rpartition("/")[2]).exists() for url in urls),
        seconds=15,
    )


async def test_a_part_may_come_twice_in_one_upload(tus: TusClient) -> None:
    half = media.wav_of_size(30_000)[:2]
    url = await tus.create(len(half), Upload_Concat="partial")
    await tus.patch(url, half, 0)
    rest = await tus.create(len(TALK), Upload_Concat="partial")
    await tus.patch(rest, TALK, 0)
    final = await tus.post(Upload_Concat=f"final;{rest} {url} {rest} {url}")
    assert final.status_code == 201, final.text
    name = final.headers["Location"].rpartition("/")[2]
    assert (tus.world.folder / "audio" / name).read_bytes() == TALK + half + TALK + half


async def test_parts_whose_bytes_have_not_all_come_make_nothing(tus: TusClient) -> None:
    part, whole = await tus.create(5, Upload_Concat="partial"), await tus.create(5)
    await tus.patch(part, b"abc", 0)
    assert (await tus.post(Upload_Concat=f"final;{part}")).status_code == 409
    assert (await tus.post(Upload_Concat=f"final;{whole}")).status_code == 400
    assert (await tus.patch(part, b"de", 3)).status_code == 204


async def test_of_two_patches_at_once_one_wins(tus: TusClient) -> None:
    url = await tus.create(6)
    came, goes_on = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"abc"
        came.set()
        await goes_on.wait()
        yield b"d"

    first = asyncio.create_task(tus.patch(url, slow(), 0))
    await came.wait()
    await eventually(lambda: _open_bodies(tus.world))
    second = await tus.patch(url, b"xyz", 0)
    assert second.status_code in (409, 423)
    goes_on.set()
    assert (await first).headers["Upload-Offset"] == "4"
    assert await tus.offset(url) == 4
    name = url.rpartition("/")[2]
    assert (tus.world.folder / "uploads" / name / "bytes").read_bytes() == b"abcd"


def _open_bodies(world: World) -> bool:
    import gc

    return any(body._open for body in gc.get_objects() if isinstance(body, tus_bodies.Bodies))


async def test_more_at_once_than_there_are_connections_to_the_database_are_all_created(
    tus: TusClient,
) -> None:
    answers = await asyncio.gather(*(tus.post(10) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.headers["Location"] for answer in answers}) == 50


async def test_the_same_bytes_again_are_given_the_run_that_is_there(tus: TusClient) -> None:
    runs, urls = [], []
    for reused in (None, "true"):
        urls.append(await tus.create(len(TALK), Upload_Metadata=metadata(filename="talk.wav")))
        for answer in (await tus.patch(urls[-1], TALK, 0), await tus.head(urls[-1])):
            runs.append(answer.headers["Lingoloop-Run-Id"])
            assert answer.headers.get("Lingoloop-Reused") == reused
    assert len(set(runs)) == 1
    assert await tus.world.count("audio", tus.owner) == 1
    assert (await tus.send("DELETE", urls[1])).status_code == 204
    assert await tus.world.count("audio", tus.owner) == 1, "the recording is the first upload's"
    assert (await tus.send("DELETE", urls[0])).status_code == 204
    assert await tus.world.count("audio", tus.owner) == 0


async def test_a_creation_that_comes_again_by_its_key_is_the_same_upload(tus: TusClient) -> None:
    key = {"Idempotency_Key": "one", "Upload_Metadata": metadata(filename="talk.wav")}
    first = await tus.post(len(TALK), **key)
    await tus.patch(first.headers["Location"], TALK[:10], 0)
    again = await tus.post(len(TALK), **key)
    assert (again.status_code, again.headers["Location"]) == (201, first.headers["Location"])
    assert again.headers["Idempotent-Replayed"] == "true"
    assert await tus.offset(again.headers["Location"]) == 10
    other = await tus.post(len(TALK) + 1, **key)
    assert (other.status_code, "Idempotency-Key" in other.json()["fields"]) == (422, True)
    assert await tus.world.count("upload", tus.owner) == 1


async def test_bytes_that_came_with_a_creation_are_not_taken_twice(tus: TusClient) -> None:
    given = {"Tus-Resumable": "1.0.0", "Upload-Length": "10", "Content-Type": BYTES, "Idempotency-Key": "two"}
    for _ in range(2):
        answer = await tus.send("POST", "/api/uploads", given, content=b"12345")
        assert (answer.status_code, answer.headers["Upload-Offset"]) == (201, "5")
    assert await tus.world.count("upload", tus.owner) == 1
