"""A recording becomes operations at Google, which are looked at until they end; what they heard becomes its words."""

import asyncio
import wave
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from google.cloud.speech_v2.types import cloud_speech

from lingoloop_transcriber.decode import decode_range
from lingoloop_transcriber.elsewhere import look_pause
from lingoloop_transcriber.engines.google import batch
from lingoloop_transcriber.engines.google.short import Short
from tests.google.answers import HELLO, result, results, word
from tests.google.fake import FakeGoogle, left_objects
from tests.google.rig import SECONDS, Rig
from tests.speech import RATE, write_wav


async def test_a_recording_is_begun_looked_at_and_comes_back_as_words(rig: Rig, google: FakeGoogle) -> None:
    assert (await rig.step())["planned"]
    row = await rig.step()
    assert (row["status"], row["done_samples"]) == ("processing", 0)
    unit = await rig.unit()
    assert unit["state"] == "waiting"
    assert unit["due_at"] is not None
    [operation] = google.operations
    assert await rig.shop.value("SELECT name FROM operation") == operation.name
    row = await rig.step()
    assert row["status"] == "processing"
    operation.words = HELLO
    row = await rig.step()
    assert (row["status"], row["done_samples"]) == ("succeeded", SECONDS * RATE)
    segments = await rig.shop.database.pool.fetch("SELECT * FROM segment ORDER BY index")
    assert [(s["text"], s["start_s"], s["end_s"]) for s in segments] == [
        ("Hello there.", 0.4, 1.2),
        ("Bye.", 2.5, 3.0),
    ]
    assert google.calls["BatchRecognize"] == 1
    await rig.nothing_left()


async def test_google_hears_the_very_samples(rig: Rig, google: FakeGoogle, tmp_path: Path) -> None:
    await rig.steps(2)
    path = tmp_path / "sent.flac"
    path.write_bytes(google.objects[0])
    with av.open(str(path)) as container:
        heard = np.concatenate([frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)])
    with av.open(str(tmp_path / "sound.wav")) as container:
        said = np.concatenate([frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)])
    assert heard.size == said.size
    assert np.abs(heard.astype(int) - said).max() < 20  # but for the offset of each piece


async def test_google_hears_quiet_speech_louder(rig: Rig, google: FakeGoogle, tmp_path: Path) -> None:
    luck = np.random.default_rng(4)
    write_wav(tmp_path / "quiet.wav", luck.normal(0, 30, SECONDS * RATE).astype(np.int16))
    await rig.shop.blobs.write(f"audio/{rig.run.audio_id}", (tmp_path / "quiet.wav").read_bytes())
    await rig.steps(2)
    (tmp_path / "sent.flac").write_bytes(google.objects[0])
    heard = decode_range(tmp_path / "sent.flac", 0, SECONDS * RATE)
    assert heard.size == SECONDS * RATE
    assert np.abs(heard).max() > 5_000


async def test_one_past_the_models_limit_is_cut_into_several_on_the_exact_ledger(
    rig: Rig, google: FakeGoogle
) -> None:
    rig.engine.longest = 40.0
    await rig.step()
    chunks = await rig.shop.database.pool.fetch("SELECT * FROM chunk ORDER BY index")
    assert len(chunks) >= 3
    assert [chunk["start_sample"] for chunk in chunks[1:]] == [chunk["end_sample"] for chunk in chunks[:-1]]
    assert (chunks[0]["start_sample"], chunks[-1]["end_sample"]) == (0, SECONDS * RATE)
    assert all(chunk["end_sample"] - chunk["start_sample"] <= 40 * RATE for chunk in chunks)
    await rig.each(len(chunks))
    assert len(google.operations) == len(chunks)
    for operation in google.operations:
        operation.words = HELLO
    row = await rig.each(len(chunks))
    assert row["status"] == "succeeded"
    starts = [
        r["start_s"] for r in await rig.shop.database.pool.fetch("SELECT * FROM segment ORDER BY index")
    ]
    assert starts == [round(chunk["start_sample"] / RATE + at, 3) for chunk in chunks for at in (0.4, 2.5)]
    pairs = await rig.shop.value("SELECT sum(length(pairs)) FROM waveform")
    assert pairs == 2 * SECONDS * 50
    await rig.nothing_left()


async def test_progress_is_googles_and_never_runs_backwards(rig: Rig, google: FakeGoogle) -> None:
    await rig.steps(2)
    done = []
    for percent in (0, 10, 40, 30, 40, 90):
        google.operations[0].percent = percent
        done.append((await rig.step())["done_samples"])
    assert done == [int(SECONDS * RATE * share) for share in (0, 0.1, 0.4, 0.4, 0.4, 0.9)]
    google.operations[0].words = HELLO
    assert (await rig.step())["done_samples"] == SECONDS * RATE


async def test_a_long_result_comes_from_the_bucket(
    rig: Rig, google: FakeGoogle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "INLINE_MOST", 0)
    await rig.steps(2)
    google.operations[0].words = HELLO
    assert (await rig.step())["status"] == "succeeded"
    assert await rig.shop.value("SELECT count(*) FROM segment") == 2
    assert len(await asyncio.to_thread(left_objects)) == 2
    await rig.nothing_left()


async def test_the_language_that_google_finds_is_the_runs(rig: Rig, google: FakeGoogle) -> None:
    await rig.steps(2)
    google.operations[0].words = HELLO
    assert (await rig.step())["language"] == "en"


async def test_the_language_of_a_small_runs_first_words_is_kept(rig: Rig, google: FakeGoogle) -> None:
    rig.slots._slot._served._engine = Short("chirp_3")
    google.short_words = cloud_speech.RecognizeResponse(results=HELLO.results)
    await rig.shop.database.pool.execute("UPDATE unit SET small = true")
    assert (await rig.steps(2))["language"] == "en"
    assert (await rig.step())["status"] == "succeeded"
    assert [one.config.language_codes[0] for one in google.recognized] == ["auto", "en-US"]


async def test_the_language_that_was_said_stays(rig: Rig, google: FakeGoogle) -> None:
    await rig.shop.database.pool.execute("UPDATE transcript_run SET language = 'de'")
    await rig.steps(2)
    google.operations[0].words = HELLO
    assert (await rig.step())["language"] == "de"


async def test_a_small_run_is_recognised_in_its_slot(rig: Rig, google: FakeGoogle) -> None:
    await rig.shop.database.pool.execute("UPDATE unit SET small = true")
    await rig.step()
    kinds = await rig.shop.database.pool.fetch("SELECT kind FROM unit WHERE kind <> 'plan'")
    assert {row["kind"] for row in kinds} == {"chunk"}
    row = await rig.steps(len(kinds))
    assert row["status"] == "succeeded"
    assert sum(len(heard) for heard in rig.slots.engine.heard) == SECONDS * RATE
    assert max(len(heard) for heard in rig.slots.engine.heard) <= 60 * RATE
    assert google.operations == []


async def separated(rig: Rig, tmp_path: Path) -> list[Any]:
    """Let the run's recording have two channels that differ, to be transcribed each alone; return their samples."""
    luck = np.random.default_rng(3)
    channels = [luck.normal(0, 3000, SECONDS * RATE).astype(np.int16) for _ in range(2)]
    with wave.open(str(tmp_path / "call.wav"), "wb") as file:
        file.setparams((2, 2, RATE, 0, "NONE", ""))
        file.writeframes(np.stack(channels, axis=1).tobytes())
    await rig.shop.blobs.write(f"audio/{rig.run.audio_id}", (tmp_path / "call.wav").read_bytes())
    await rig.shop.database.pool.execute("UPDATE transcript_run SET options = $1", {"channels": "separate"})
    return channels


async def test_channels_are_transcribed_each_alone_in_one_operation(
    rig: Rig, google: FakeGoogle, tmp_path: Path
) -> None:
    channels = await separated(rig, tmp_path)
    await rig.steps(2)
    [operation] = google.operations
    for sent, channel in zip(google.objects, channels, strict=True):
        (tmp_path / "sent.flac").write_bytes(sent)
        heard = decode_range(tmp_path / "sent.flac", 0, channel.size)
        assert np.abs(heard.astype(int) - channel).max() < 20
    operation.percent = 50
    assert (await rig.step())["done_samples"] == SECONDS * RATE // 2
    operation.words = HELLO
    assert (await rig.step())["status"] == "succeeded"
    rows = await rig.shop.database.pool.fetch("SELECT channel, start_s FROM segment ORDER BY index")
    assert [tuple(row) for row in rows] == [(0, 0.4), (1, 0.4), (0, 2.5), (1, 2.5)]
    await rig.nothing_left()


async def test_channels_of_a_small_run_go_to_its_slot(rig: Rig, google: FakeGoogle, tmp_path: Path) -> None:
    channels = await separated(rig, tmp_path)
    await rig.shop.database.pool.execute("UPDATE unit SET small = true")
    await rig.step()
    await rig.each(2)
    heard = rig.slots.engine.heard
    for place, channel in enumerate(channels):
        assert sum(len(sound) for sound in heard[place::2]) == channel.size
    assert (await rig.shop.run(rig.run.run_id))["status"] == "succeeded"


async def test_speakers_of_later_parts_have_names_of_their_own(rig: Rig, google: FakeGoogle) -> None:
    rig.engine.longest = 50.0
    await rig.shop.database.pool.execute("UPDATE transcript_run SET options = $1", {"diarize": True})
    await rig.step()
    await rig.each(2)
    said = [word("So.", 0, 0.4, speaker="1"), word("Oh.", 0.5, 0.9, speaker="2")]
    for operation in google.operations:
        assert operation.request.config.features.HasField("diarization_config")
        operation.words = results(result("So. Oh.", *said, end=1.0))
    await rig.each(2)
    rows = await rig.shop.database.pool.fetch("SELECT speaker FROM segment ORDER BY index")
    assert [row["speaker"] for row in rows] == ["1", "2", "2-1", "2-2"]


async def test_a_small_run_that_asks_who_speaks_is_an_operation_too(rig: Rig, google: FakeGoogle) -> None:
    await rig.shop.database.pool.execute("UPDATE unit SET small = true")
    await rig.shop.database.pool.execute("UPDATE transcript_run SET options = $1", {"diarize": True})
    await rig.steps(2)
    assert len(google.operations) == 1


def test_looks_come_less_and_less_often() -> None:
    pauses = [look_pause(looks, 2.0) for looks in range(30)]
    assert all(0.8 * 2 <= pause <= 60 for pause in pauses)
    assert pauses[0] <= 2
    assert all(pause >= 48 for pause in pauses[10:])
