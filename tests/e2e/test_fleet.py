"""Three services as processes of their own, two transcribers, real speech, real words."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.fleet import Fleet, rest_of_run, running_fleet
from tests.ledger import check_ledger
from tests.speech import Clip, join, librivox_clips, shared_clips, word_error_rate, write_wav

pytestmark = pytest.mark.slow


async def transcribe(fleet: Fleet, path: Path) -> tuple[str, list[dict[str, object]], str]:
    """Upload a recording; return its run, its frames, and its text."""
    async with fleet.client() as client:
        run_id = await client.upload(path, lambda _: None)
        frames = await rest_of_run(client, run_id)
        text = b"".join([part async for part in client.export(run_id, "txt")]).decode()
    return run_id, frames, text


def check_stream(frames: list[dict[str, object]]) -> None:
    """The stream begins with the state, never goes backwards, and tells each segment once."""
    assert frames[0]["event"] == "init"
    assert [frame["event"] for frame in frames[1:]] == ["update"] * (len(frames) - 2) + ["done"]
    progress = [int(str(frame["progress"])) for frame in frames]
    assert progress == sorted(progress)
    assert progress[-1] == 100
    told = [segment["index"] for frame in frames for segment in frame.get("segments") or ()]  # type: ignore[attr-defined]
    assert len(told) == len(set(told))


async def clear_words(clips: list[Clip], seconds: float, folder: Path, fleet: Fleet) -> None:
    """Join clips, transcribe them, and check words and ledger."""
    clip = join(clips, least_seconds=seconds)
    run_id, frames, text = await transcribe(fleet, write_wav(folder / "speech.wav", clip.samples))
    check_stream(frames)
    await check_ledger(fleet.database_url, run_id)
    assert word_error_rate(clip.words, text) <= 0.12, text


async def test_real_speech_becomes_its_words(tmp_path: Path, database_url: str, rabbitmq_url: str) -> None:
    async with running_fleet(tmp_path, database_url, rabbitmq_url, MAX_CONCURRENT_JOBS="1") as fleet:
        await clear_words(librivox_clips(), 75, tmp_path, fleet)


async def test_more_voices_become_their_words(tmp_path: Path, database_url: str, rabbitmq_url: str) -> None:
    clear = {"jfk", "ss", "libri", "LJ002", "mfa"}
    clips = [clip for clip in shared_clips() if clip.name.split("-")[0].split(".")[0] in clear]
    async with running_fleet(tmp_path, database_url, rabbitmq_url, MAX_CONCURRENT_JOBS="1") as fleet:
        await clear_words(clips, 70, tmp_path, fleet)


async def test_a_killed_transcriber_costs_nothing_but_time(
    tmp_path: Path, database_url: str, rabbitmq_url: str
) -> None:
    clip = join(librivox_clips(), least_seconds=130)
    path = write_wav(tmp_path / "speech.wav", clip.samples)
    async with running_fleet(tmp_path, database_url, rabbitmq_url, MAX_CONCURRENT_JOBS="1") as fleet:
        async with fleet.client() as client:
            run_id = await client.upload(path, lambda _: None)
            frames = []
            victim = next(service for service in fleet.services if service.name == "transcriber")
            killed = False
            async for frame in client.events(run_id):
                frames.append(frame)
                if frame["chunksDone"] >= 1 and not killed:
                    # Its process and its slots' processes are separate groups; the slots end by their closed pipe.
                    os.kill(victim.process.pid, signal.SIGKILL)
                    killed = True
            text = b"".join([part async for part in client.export(run_id, "txt")]).decode()
        assert killed
        check_stream(frames)
        chunks = await check_ledger(database_url, run_id)
        assert len(chunks) >= 6
        assert word_error_rate(clip.words, text) <= 0.12, text


async def test_services_stop_cleanly_on_sigterm(tmp_path: Path, database_url: str, rabbitmq_url: str) -> None:
    async with running_fleet(tmp_path, database_url, rabbitmq_url, ENGINE="simulated") as fleet:
        for service in fleet.services:
            service.send(signal.SIGTERM)
        codes = await asyncio.gather(*(service.wait() for service in fleet.services))
    assert codes == [0] * len(codes)
