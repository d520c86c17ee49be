"""Some two hundred files that are broken, lie, or are something else: each has one end, which its sender understands.

A real gateway, and a real transcriber that decodes. What is refused leaves nothing; what is taken ends; neither harms
the next one. Over what the processes that read files die or hang is in test_hostile_files.py.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from lingoloop_common.errors import WORK_ERRORS
from tests import media
from tests.gateway.bad_files import FAILED, PLAYED, REFUSED, TABLE, TOO_LONG
from tests.gateway.broken_media import good, mp4_elsewhere
from tests.gateway.listening import listening_world
from tests.gateway.no_media import picture, playlists
from tests.gateway.world import World
from tests.inotify import Watch
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECONDS = 20.0
"""In which each has its end, on the slowest machine: the probe's own limit is 10."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def listening(
    module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """Everything, with an engine that needs the sound: recordings are decoded."""
    async with listening_world(module_database_url, tmp_path_factory) as world:
        yield world


async def end_of(world: World, owner: str, response: httpx.Response) -> str:
    """Return what became of an upload, in the table's words."""
    assert str(world.folder) not in response.text
    body = response.json()
    if response.status_code == 422 and body["code"] != "run_failed":
        assert body["detail"]
        return f"422 {body['code']}"
    assert response.status_code in (200, 202, 422), response.text
    run = await world.finished(owner, body["runId"])
    if run["status"] == "succeeded":
        return PLAYED
    assert run["error"]["code"] in WORK_ERRORS
    assert run["error"]["message"]
    return f"run_failed: {run['error']['code']}"


async def leaves_nothing(world: World, owner: str) -> None:
    """Delete what was taken, if anything was; then neither a file nor a row of it is left."""
    for audio in (await world.get(owner, "/api/audios")).json()["items"]:
        target = f"/api/audios/{audio['id']}"
        response = await world.http.delete(target, headers=world.bearer(owner))
        assert response.status_code == 200, response.text
    await eventually(
        lambda: not [path for path in world.folder.rglob("*") if path.is_file()], seconds=SECONDS / 4
    )
    for table in ("audio", "transcript_run", "unit"):
        assert await world.count(table, owner) == 0


async def still_listens(world: World) -> None:
    """Take a good recording; its words are how loud it is."""
    owner = world.new_owner()
    response = await world.post(owner, media.wav())
    assert (response.status_code, response.json()["text"]) == (200, "0.24"), response.text
    await leaves_nothing(world, owner)


def probes(world: World) -> list[int | None]:
    return [child.pid for child in world.probe._children]


@pytest.mark.parametrize("name", TABLE)
async def test_a_bad_file_has_an_end_and_harms_nothing(listening: World, name: str) -> None:
    make, outcome = TABLE[name]
    owner, before = listening.new_owner(), probes(listening)
    async with asyncio.timeout(SECONDS):
        response = await listening.post(owner, make())
        assert await end_of(listening, owner, response) == outcome, response.text
    if outcome in (REFUSED, TOO_LONG):
        assert await listening.count("audio", owner) == 0
    await leaves_nothing(listening, owner)
    assert probes(listening) == before  # it was understood, not survived
    if outcome == FAILED:
        await still_listens(listening)


WRONGLY_NAMED = {
    "an MP3 as a WAV": ("mp3", "talk.wav", "audio/wav", PLAYED),
    "a WAV as an MP3": ("wav", "talk.mp3", "audio/mpeg", PLAYED),
    "a FLAC as a program": ("flac", "talk.exe", "application/x-msdownload", PLAYED),
    "an Ogg as a page": ("ogg", "index.html", "text/html", PLAYED),
    "an M4A as a picture": ("m4a", "talk.png", "image/png", PLAYED),
    "a WebM as lines of JSON": ("webm", "talk.json", "application/x-ndjson", PLAYED),
    "a Matroska as a playlist": ("mkv", "talk.m3u8", "application/vnd.apple.mpegurl", PLAYED),
    "a WAV as nothing": ("wav", "talk", "", PLAYED),
    "a WAV as two things": ("wav", "talk.mp3.exe", "audio/wav, text/html", PLAYED),
    "a picture as an MP3": ("png", "talk.mp3", "audio/mpeg", REFUSED),
}


@pytest.mark.parametrize("how", ["raw", "form"])
@pytest.mark.parametrize("name", WRONGLY_NAMED)
async def test_a_file_is_what_it_holds_and_not_what_it_is_called(
    listening: World, name: str, how: str
) -> None:
    what, filename, kind, outcome = WRONGLY_NAMED[name]
    data, owner = picture(what) if what == "png" else good(what), listening.new_owner()
    post = listening.post if how == "raw" else listening.post_form
    response = await post(owner, data, filename=filename, kind=kind)
    assert await end_of(listening, owner, response) == outcome, response.text
    await leaves_nothing(listening, owner)


@pytest.fixture
def door() -> Iterator[socket.socket]:
    """A port at which somebody might knock."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        door.setblocking(False)
        yield door


def knocked(door: socket.socket) -> bool:
    try:
        door.accept()[0].close()
    except BlockingIOError:
        return False
    return True


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A good recording that is nobody's business."""
    path = tmp_path / "canary.wav"
    path.write_bytes(media.wav())
    return path


KINDS = list(playlists("", 0))


@pytest.mark.parametrize("kind", KINDS)
async def test_what_names_another_file_opens_neither_that_nor_a_connection(
    listening: World, door: socket.socket, canary: Path, kind: str
) -> None:
    port = door.getsockname()[1]
    watch = Watch(canary)
    for address in (
        str(canary),
        f"file://{canary}",
        f"file:{canary}",
        f"subfile,,start,0,end,9,,:{canary}",
        f"http://127.0.0.1:{port}/talk.ts",
        f"hls+http://127.0.0.1:{port}/talk.m3u8",
        f"tcp://127.0.0.1:{port}",
    ):
        owner = listening.new_owner()
        response = await listening.post(owner, playlists(address, port)[kind], filename=f"talk.{kind}")
        assert await end_of(listening, owner, response) == REFUSED, response.text
        await leaves_nothing(listening, owner)
    assert not watch.opened()
    assert not knocked(door)
    canary.read_bytes()
    assert watch.opened()  # it does see that
    watch.close()


async def test_a_recording_that_says_its_sound_lies_elsewhere_is_taken_for_itself(
    listening: World, door: socket.socket, canary: Path
) -> None:
    watch = Watch(canary)
    for address in (str(canary), f"file://{canary}", f"http://127.0.0.1:{door.getsockname()[1]}/talk.wav"):
        owner = listening.new_owner()
        response = await listening.post(owner, mp4_elsewhere(address))
        assert await end_of(listening, owner, response) == PLAYED
        await leaves_nothing(listening, owner)
    assert not watch.opened()
    assert not knocked(door)
    watch.close()


async def test_a_bad_file_is_answered_the_same_in_a_form(listening: World) -> None:
    for make, outcome in list(TABLE.values())[::9]:
        owner = listening.new_owner()
        response = await listening.post_form(owner, make())
        assert await end_of(listening, owner, response) == outcome
        await leaves_nothing(listening, owner)


async def test_bad_files_at_once_do_not_keep_good_ones_waiting(listening: World) -> None:
    owner = listening.new_owner()

    async def upload(make: object, outcome: str) -> None:
        data = make() if callable(make) else b""
        assert await end_of(listening, owner, await listening.post(owner, data)) == outcome

    some = list(TABLE.values())[::7]
    async with asyncio.TaskGroup() as group:
        for number, (make, outcome) in enumerate(some):
            group.create_task(upload(make, outcome))
            if number % 4 == 0:
                group.create_task(upload(media.wav, PLAYED))
    await leaves_nothing(listening, owner)
    assert FAILED in {outcome for _, outcome in some}
