"""A recording's original bytes: all or a range, fresh or known already, under a name that harms nobody."""

import hashlib
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime

import httpx
import pytest
import pytest_asyncio

from tests import media
from tests.gateway.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

DATA = media.wav_of_ms(61_000)
ETAG = f'"{hashlib.sha256(DATA).hexdigest()}"'
OTHER = f'"{"0" * 64}"'


class Recording:
    """An uploaded recording and requests for its bytes."""

    def __init__(self, world: World, owner: str, audio_id: str) -> None:
        self.world, self.owner, self.audio_id = world, owner, audio_id

    async def ask(self, method: str = "GET", **headers: str) -> httpx.Response:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        target = f"/api/audios/{self.audio_id}/content"
        return await self.world.http.request(
            method, target, headers={**self.world.bearer(self.owner), **given}
        )


@pytest_asyncio.fixture(loop_scope="module")
async def recording(idle_world: World) -> Recording:
    owner = idle_world.new_owner()
    response = await idle_world.post(owner, DATA, kind="audio/wav", filename="talk.wav")
    return Recording(idle_world, owner, response.json()["audioId"])


async def test_the_bytes_come_as_they_were_sent(recording: Recording) -> None:
    answer = await recording.ask()
    assert (answer.status_code, answer.content) == (200, DATA)
    wanted = {
        "Content-Type": "audio/wav",
        "Content-Length": str(len(DATA)),
        "Content-Disposition": "attachment; filename=\"talk.wav\"; filename*=UTF-8''talk.wav",
        "ETag": ETAG,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private",
        "X-Content-Type-Options": "nosniff",
    }
    assert {name: answer.headers[name] for name in wanted} == wanted
    audio = (await recording.world.get(recording.owner, f"/api/audios/{recording.audio_id}")).json()
    modified = parsedate_to_datetime(answer.headers["Last-Modified"])
    assert audio["createdAt"].startswith(modified.strftime("%Y-%m-%dT%H:%M:%S"))


async def test_head_tells_all_but_the_bytes(recording: Recording) -> None:
    head, answer = await recording.ask("HEAD", Range="bytes=0-9"), await recording.ask()
    assert (head.status_code, head.content) == (200, b"")
    ignored = {"date", "x-request-id"}
    assert {k: v for k, v in head.headers.items() if k not in ignored} == {
        k: v for k, v in answer.headers.items() if k not in ignored
    }
    assert (await recording.ask()).content == DATA  # over the same connection: nothing is left in it


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-300099", 100, 300_100),
        ("bytes=1000-", 1000, len(DATA)),
        ("bytes=-10", len(DATA) - 10, len(DATA)),
        (f"bytes=5-{10**17}", 5, len(DATA)),
    ],
)
async def test_a_range_is_answered_with_just_its_bytes(
    recording: Recording, asked: str, start: int, stop: int
) -> None:
    answer = await recording.ask(Range=asked)
    assert (answer.status_code, answer.content) == (206, DATA[start:stop])
    assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(DATA)}"
    assert (answer.headers["Content-Length"], answer.headers["ETag"]) == (str(stop - start), ETAG)


@pytest.mark.parametrize("asked", [f"bytes={len(DATA)}-", "bytes=-0"])
async def test_a_range_beyond_the_end_is_416_and_says_where_that_is(recording: Recording, asked: str) -> None:
    answer = await recording.ask(Range=asked)
    assert (answer.status_code, answer.json()["code"]) == (416, "range_not_satisfiable")
    assert answer.headers["Content-Range"] == f"bytes */{len(DATA)}"
    assert answer.headers["Content-Type"] == "application/problem+json"


async def test_if_range_gives_a_range_of_these_bytes_and_all_where_they_are_others(
    recording: Recording,
) -> None:
    modified = (await recording.ask("HEAD")).headers["Last-Modified"]
    older = format_datetime(parsedate_to_datetime(modified) - timedelta(seconds=1), usegmt=True)
    newer = format_datetime(parsedate_to_datetime(modified) + timedelta(seconds=1), usegmt=True)
    for condition, status in (
        (ETAG, 206), (modified, 206), (OTHER, 200), (f"W/{ETAG}", 200), (older, 200), (newer, 200), ("x", 200),
    ):  # fmt: skip
        answer = await recording.ask(Range="bytes=0-9", If_Range=condition)
        assert answer.status_code == status, condition
        assert answer.content == (DATA[:10] if status == 206 else DATA)


async def test_who_has_the_bytes_already_gets_304(recording: Recording) -> None:
    modified = (await recording.ask("HEAD")).headers["Last-Modified"]
    older = format_datetime(parsedate_to_datetime(modified) - timedelta(seconds=1), usegmt=True)
    for headers, status in (
        ({"If-None-Match": ETAG}, 304), ({"If-None-Match": f"{OTHER}, W/{ETAG}"}, 304), ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": OTHER}, 200), ({"If-None-Match": OTHER, "If-Modified-Since": modified}, 200),
        ({"If-Modified-Since": modified}, 304), ({"If-Modified-Since": older}, 200), ({"If-Modified-Since": "x"}, 200),
        ({"If-Match": ETAG}, 200), ({"If-Match": "*"}, 200), ({"If-Match": OTHER}, 412), ({"If-Match": f"W/{ETAG}"}, 412),
        ({"If-Unmodified-Since": modified}, 200), ({"If-Unmodified-Since": older}, 412),
    ):  # fmt: skip
        answer = await recording.ask(**headers)
        assert answer.status_code == status, headers
        assert (answer.headers.get("ETag") == ETAG) == (status != 412)
        assert answer.content or status == 304


async def test_a_token_in_the_query_will_do_for_a_range_too(recording: Recording) -> None:
    token = recording.world.token(recording.owner, "runs:read")
    answer = await recording.world.http.get(
        f"/api/audios/{recording.audio_id}/content?access_token={token}", headers={"Range": "bytes=0-3"}
    )
    assert (answer.status_code, answer.content) == (206, b"RIFF")


async def test_a_page_sent_as_a_recording_is_saved_and_not_shown(idle_world: World) -> None:
    owner = idle_world.new_owner()
    response = await idle_world.post(owner, media.wav(), kind="text/html", filename="a.html", model="long")
    answer = await idle_world.get(owner, f"/api/audios/{response.json()['audioId']}/content")
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_bytes_that_are_gone_are_404_and_a_file_that_breaks_off_does_not_look_whole(
    idle_world: World,
) -> None:
    owner = idle_world.new_owner()
    body = await idle_world.accepted(owner, DATA)
    file, target = idle_world.folder / "audio" / body["audioId"], f"/api/audios/{body['audioId']}/content"
    file.write_bytes(DATA[:300_000])
    with pytest.raises(httpx.RemoteProtocolError):
        await idle_world.get(owner, target)
    file.unlink()
    answer = await idle_world.get(owner, target)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
