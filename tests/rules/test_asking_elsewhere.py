"""Runs whose words come from a server elsewhere, by real slots: what it says decides what becomes of them."""

import io
import wave
from collections.abc import AsyncIterator

import pytest

from lingoloop_common.lifecycle import running
from lingoloop_common.sweep import Sweep
from lingoloop_transcriber.slots import Slots
from tests.openai_server import HELLO, FakeServer, Scripted, speaking
from tests.rows import AddedRun
from tests.rules.workshop import Workshop
from tests.speech import RATE, join, librivox_clips
from tests.waiting import eventually


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeServer]:
    async with speaking(FakeServer(HELLO)) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        yield server


@pytest.fixture
def recording() -> bytes:
    """Half a minute of speech, two chunks."""
    clip = join(librivox_clips(), least_seconds=30)
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(RATE)
        written.writeframes(clip.samples.tobytes())
    return file.getvalue()


async def done(plant: Workshop, recording: bytes) -> AddedRun:
    """Let a worker do a run from its plan to its end."""
    run = await plant.add_run(sound=recording, units=0, planned=False)
    slots = Slots(2, {"engine": "openai", "model": None})
    sweep = Sweep(plant.database, plant.broker, plant.relay)
    async with running([sweep, *plant.transcriber(slots).parts]):
        await plant.send_tokens(1)
        await eventually(lambda: plant.run_ended(run.run_id), seconds=60)
    return run


async def test_a_run_whose_server_was_busy_has_all_its_words_and_no_failure(
    plant: Workshop, server: FakeServer, recording: bytes
) -> None:
    busy = Scripted({"error": {"message": "slow down"}}, status=429, headers={"Retry-After": "1"})
    server.answers = [HELLO, busy, HELLO]
    run = await done(plant, recording)
    row = await plant.run(run.run_id)
    assert (row["status"], row["language"]) == ("succeeded", "en")
    assert await plant.value("SELECT count(*) FROM segment WHERE text = 'Hello.'") == 2
    assert await plant.value("SELECT retry_count FROM job") == 0
    languages = [asked.fields.get("language") for asked in server.asked]
    assert languages == [None, *[["en"]] * 3], "found once, then asked for"


async def test_a_run_that_the_server_refuses_fails_at_once_in_its_words(
    plant: Workshop, server: FakeServer, recording: bytes
) -> None:
    server.answers = [Scripted({"error": {"message": "You have no credit", "code": "insufficient_quota"}}, status=429)]  # fmt: skip
    run = await done(plant, recording)
    row = await plant.run(run.run_id)
    assert (row["status"], row["error_code"]) == ("failed", "engine_refused")
    assert row["error_message"] == "the engine's server answered 429: You have no credit"
    assert len(server.asked) == 1
