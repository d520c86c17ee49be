"""Files that mean harm, or are broken: a clear answer, nothing left where it is refused, and the next upload works."""

import asyncio
import os
import signal
import struct
import zipfile
from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest

from lingoloop_common.child import Child
from lingoloop_gateway import probe
from tests import media
from tests.gateway.world import World
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


def zipped() -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("talk.wav", media.wav())
    return out.getvalue()


REFUSED: dict[str, Callable[[], bytes]] = {
    "text": lambda: b"this is no recording\n" * 500,
    "zeros": lambda: bytes(100_000),
    "noise": lambda: np.random.default_rng(7).bytes(100_000),
    "one byte": lambda: b"R",
    "HTML": lambda: b"<!doctype html><html><body><audio src='x.wav'></body></html>" * 50,
    "JSON": lambda: b'{"audio": "no"}',
    "zip": zipped,
    "PNG": lambda: b"\x89PNG\r\n\x1a\n" + bytes(5_000),
    "video without sound": lambda: media.video("mp4", "mpeg4", None),
    "an MP4 cut off before its index": lambda: media.sound("ipod", "aac")[:-4_000],
    "the head of an MP3 only": lambda: media.sound("mp3", "libmp3lame")[:40],
    "a RIFF head only": lambda: media.wav()[:12],
    "a WAV without a rate": lambda: media.wav(media.tone(0.1, rate=16_000), rate=0),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_what_is_no_recording_is_422_with_a_reason(idle_world: World, what: str) -> None:
    owner = idle_world.new_owner()
    async with idle_world.leaving_nothing(owner):
        response = await idle_world.post(owner, REFUSED[what]())
    body = response.json()
    assert (response.status_code, body["code"]) == (422, "not_audio")
    assert len(body["detail"]) > 10
    assert str(idle_world.folder) not in response.text


TAKEN: dict[str, Callable[[], bytes]] = {
    "silence": lambda: media.wav(np.zeros(16_000, np.int16)),
    "a cut off WAV": lambda: media.wav(media.tone(2.0, rate=16_000))[:-30_000],
    "a cut off MP3": lambda: media.sound("mp3", "libmp3lame")[:-5_000],
    "a cut off FLAC": lambda: media.sound("flac", "flac")[:-5_000],
    "NaN samples": lambda: media.wav(np.full(16_000, np.nan, np.float32)),
    "infinite samples": lambda: media.wav(np.full(16_000, np.inf, np.float32)),
    "a WAV that claims 4 GiB": lambda: media.wav(claimed_bytes=media.SIZE_UNKNOWN),
    "a WAV that claims 2 GiB": lambda: media.wav(claimed_bytes=2**31),
    "a WAV that claims nothing": lambda: media.wav(claimed_bytes=0),
    "a rate of 1 Hz": lambda: media.wav(media.tone(1.0, rate=16_000), rate=1),
    "a rate of 4 GHz": lambda: media.wav(media.tone(1.0, rate=16_000), rate=2**32 - 1),
    "no samples": lambda: media.wav(np.zeros(0, np.int16)),
    "rubbish behind it": lambda: media.wav() + b"x" * 10_000,
    "a cover full of zeros": lambda: b"ID3\x03\0\0" + struct.pack(">I", 0x0F7F) + bytes(2_047) + media.sound("mp3", "libmp3lame"),
}  # fmt: skip


@pytest.mark.parametrize("what", TAKEN)
async def test_a_strange_recording_is_taken_or_refused_but_harms_nothing(world: World, what: str) -> None:
    owner = world.new_owner()
    response = await world.post(owner, TAKEN[what]())
    body = response.json()
    if response.status_code == 422 and body["code"] in ("not_audio", "too_long"):
        assert await world.count("audio", owner) == 0
    elif response.status_code == 422:
        assert body["code"] == "run_failed"
        assert body["cause"]["code"]
        assert body["cause"]["message"]
    else:
        assert response.status_code in (200, 202), body
        run = await world.finished(owner, body["runId"])
        assert run["status"] == "succeeded" or run["error"]["message"]
    await world.still_works()


async def test_a_playlist_makes_the_service_open_nothing_else(idle_world: World) -> None:
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    theirs = (await idle_world.accepted(idle_world.new_owner(), model="long"))["audioId"]
    secret = idle_world.folder / "audio" / theirs
    for address in (
        f"http://127.0.0.1:{port}/a.ts",
        f"tcp://127.0.0.1:{port}",
        str(secret),
        f"concat:{secret}|{secret}",
        theirs,  # beside the playlist's own blob
    ):
        playlists = [
            f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{address}\n#EXT-X-ENDLIST\n",
            f"ffconcat version 1.0\nfile '{address}'\n",
            f"v=0\nc=IN IP4 127.0.0.1\nm=audio {port} RTP/AVP 0\n",
            f"[playlist]\nFile1={address}\n",
            f'<?xml version="1.0"?><MPD><Period><BaseURL>{address}</BaseURL></Period></MPD>',
            f"RTSPtextRTSP://127.0.0.1:{port}/\r\n",
        ]
        for text in playlists:
            owner = idle_world.new_owner()
            async with idle_world.leaving_nothing(owner):
                response = await idle_world.post(
                    owner, text.encode(), filename="talk.m3u8", kind="audio/mpegurl"
                )
            assert response.status_code == 422, text
    server.close()
    assert asked == []


def probe_pids(world: World) -> list[int]:
    return [child.pid for child in world.probe._children if child.pid]


async def test_a_file_over_which_the_probe_dies_is_refused_and_the_next_one_is_taken(
    idle_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = Child.start

    async def start_and_stop(child: Child) -> None:
        await start(child)
        assert child.pid
        os.kill(child.pid, signal.SIGSTOP)

    for _ in range(3):  # more often than there are children
        owner = idle_world.new_owner()
        with monkeypatch.context() as patch:
            patch.setattr(Child, "start", start_and_stop)
            for pid in probe_pids(idle_world):
                os.kill(pid, signal.SIGSTOP)
            async with idle_world.leaving_nothing(owner):
                posting = asyncio.create_task(idle_world.post(owner, media.wav()))
                await eventually(lambda: idle_world.probe._free.qsize() == 1)  # one looks at the file
                while not posting.done():
                    for pid in probe_pids(idle_world):
                        os.kill(pid, signal.SIGKILL)
                    await asyncio.wait([posting], timeout=0.02)
        response = await posting
        assert (response.status_code, response.json()["code"]) == (422, "not_audio")
        await idle_world.still_works()


async def test_a_probe_that_is_killed_costs_no_upload(idle_world: World) -> None:
    """Neither over a file, nor just before the next one, when nobody has seen that it died."""
    await idle_world.still_works()
    for pid in probe_pids(idle_world):
        os.kill(pid, signal.SIGSTOP)
    posting = asyncio.create_task(idle_world.accepted(idle_world.new_owner()))
    await eventually(lambda: idle_world.probe._free.qsize() == 1)
    for pid in probe_pids(idle_world):
        os.kill(pid, signal.SIGKILL)
    await asyncio.gather(posting, *(idle_world.still_works() for _ in range(3)))


async def test_a_file_over_which_the_probe_hangs_is_refused_and_the_next_one_is_taken(
    idle_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await idle_world.still_works()
    owner = idle_world.new_owner()
    hanging = probe_pids(idle_world)
    with monkeypatch.context() as patch:
        patch.setattr(probe, "TIME_LIMIT", 0.2)
        for pid in hanging:
            os.kill(pid, signal.SIGSTOP)
        async with idle_world.leaving_nothing(owner):
            responses = [await idle_world.post(owner, media.wav()) for _ in hanging]
    assert [response.status_code for response in responses] == [422] * len(hanging)
    await idle_world.still_works()
    assert not set(hanging) & set(probe_pids(idle_world))


async def test_other_requests_are_answered_while_files_are_looked_at(idle_world: World) -> None:
    owner = idle_world.new_owner()
    body = await idle_world.accepted(owner, model="long")
    pids = probe_pids(idle_world)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    posting = [
        asyncio.create_task(idle_world.post(owner, media.unlike_others(), model="long")) for _ in range(4)
    ]
    await eventually(idle_world.probe._free.empty)
    response = await asyncio.wait_for(idle_world.get(owner, f"/api/runs/{body['runId']}"), 5)
    assert response.status_code == 200
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    assert [response.status_code for response in await asyncio.gather(*posting)] == [202] * 4


async def test_a_client_that_goes_while_its_file_is_looked_at_frees_the_probe(idle_world: World) -> None:
    owner = idle_world.new_owner()
    for pid in probe_pids(idle_world):
        os.kill(pid, signal.SIGSTOP)
    async with idle_world.leaving_nothing(owner):
        posting = [asyncio.create_task(idle_world.post(owner, media.wav())) for _ in range(2)]
        await eventually(idle_world.probe._free.empty)
        for task in posting:
            task.cancel()
        await asyncio.wait(posting)
    await idle_world.still_works()
