"""A recording becomes operations at Google: begun once whatever happens, looked at until they end, and nothing is left."""

import asyncio
import shutil
import tempfile
import threading
import wave
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from google.cloud.speech_v2.types import cloud_speech
from google.rpc import code_pb2

from lingoloop_common.lifecycle import running
from lingoloop_common.store.ids import new_id
from lingoloop_common.store.runs import Fenced
from lingoloop_gateway.control import Control
from lingoloop_gateway.deletions import Deletions
from lingoloop_gateway.removals import Removals
from lingoloop_transcriber import attempts
from lingoloop_transcriber import elsewhere as elsewhere_module
from lingoloop_transcriber.claims import Claim, Claims, Result
from lingoloop_transcriber.decode import decode_range
from lingoloop_transcriber.elsewhere import Elsewhere, look_pause
from lingoloop_transcriber.engines import EngineError
from lingoloop_transcriber.engines.google import batch, staging
from lingoloop_transcriber.engines.google.batch import Batch
from lingoloop_transcriber.engines.google.short import Short
from lingoloop_transcriber.operations import OperationRows, Pending
from tests.google.answers import HELLO, result, results, word
from tests.google.fake import BUCKET, FakeGoogle, FakeOperation, left_objects, status
from tests.rows import AddedRun
from tests.rules.workshop import LANE, EchoSlots, HandDelivery, Transcriber, Workshop, claimed, settled
from tests.speech import RATE, write_wav
from tests.storage.fake_gcs import BUCKET as VERSIONED
from tests.storage.fake_gcs import FakeGcs
from tests.waiting import eventually

SECONDS = 90


def sound_of(folder: Path, seconds: int = SECONDS) -> bytes:
    """Return a WAV of noise in bursts of two seconds, with pauses of half a second."""
    luck = np.random.default_rng(9)
    samples = luck.normal(0, 3000, seconds * RATE).astype(np.int16)
    for at in range(2 * RATE, samples.size, 5 * RATE // 2):
        samples[at : at + RATE // 2] = 0
    path = folder / "sound.wav"
    write_wav(path, samples)
    return path.read_bytes()


class Rig:
    """A worker of the engine, whose tokens the test hands out, and the run that it works on."""

    def __init__(self, shop: Workshop, run: AddedRun) -> None:
        self.shop, self.run = shop, run
        self.engine = Batch("chirp_3", None)
        self.elsewhere = self.another_worker()
        self.slots = EchoSlots()
        self.transcriber: Transcriber = shop.transcriber(self.slots, elsewhere=self.elsewhere)

    def another_worker(self) -> Elsewhere:
        """Return what another worker has, over the same engine."""
        return Elsewhere(OperationRows(self.shop.database), self.engine, self.shop.blobs, lane=LANE, poll=2.0)

    async def step(self) -> dict[str, Any]:
        """Let the worker take one token to its end; what waits is made due first. Return the run's row."""
        return await self.each(1)

    async def each(self, count: int) -> dict[str, Any]:
        """Let the worker take as many tokens as there are units; return the run's row."""
        await self.shop.database.pool.execute(
            "UPDATE unit SET state = 'ready', due_at = NULL WHERE state = 'waiting'"
        )
        for _ in range(count):
            delivery = HandDelivery()
            self.transcriber.worker.receive(delivery)
            assert await settled(delivery) == "ack"
        return await self.shop.run(self.run.run_id)

    async def steps(self, count: int) -> dict[str, Any]:
        """Take several; return the run's row."""
        for _ in range(count):
            row = await self.step()
        return row

    async def unit(self) -> dict[str, Any]:
        """Return the only operation's unit."""
        rows = await self.shop.database.pool.fetch("SELECT * FROM unit WHERE kind = 'operation'")
        assert len(rows) == 1
        return dict(rows[0])

    async def claim(self) -> Claim:
        """Claim the unit that is ready, as some worker does."""
        await self.shop.database.pool.execute(
            "UPDATE unit SET state = 'ready', due_at = NULL WHERE state = 'waiting'"
        )
        return await claimed(Claims(self.shop.database, new_id(), LANE))

    async def carry_on(self, claim: Claim) -> Result | Pending:
        """Do an attempt's work, without the end that writes it down."""
        async with self.slots.borrow() as slot:
            return await self.elsewhere.carry_on(claim, slot)

    async def lose_holder(self) -> None:
        """Let the sweep take back what a dead worker held."""
        await self.shop.database.pool.execute(
            "UPDATE unit SET state = 'ready', lost = lost + 1, message_id = NULL, holder = NULL"
            " WHERE state = 'running'"
        )

    async def nothing_left(self) -> None:
        """Check that Google and the database keep nothing of what has ended."""
        await self.elsewhere.end_left()
        assert await self.shop.value("SELECT count(*) FROM operation") == 0
        assert await asyncio.to_thread(left_objects) == []


Make = Callable[..., Awaitable[Rig]]


@pytest.fixture
async def rig(shop: Workshop, google: FakeGoogle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A worker at work, on a run whose plan is still to be made. What is left over is ended when the test says so."""
    monkeypatch.setattr(elsewhere_module, "LEFT_PAUSE", 3600.0)
    run = await shop.add_run(
        sound=sound_of(tmp_path), units=0, planned=False, duration_ms=SECONDS * 1000, status="queued"
    )
    rig = Rig(shop, run)
    async with running([rig.elsewhere, *rig.transcriber.parts]):
        await asyncio.sleep(0)
        yield rig


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


@pytest.mark.parametrize(
    ("fault", "state", "code"),
    [
        ("gone", "waiting", "engine_failed"),
        ("broken", "waiting", "engine_failed"),
        ("too long", "failed", "engine_refused"),
    ],
)
async def test_one_whose_result_cannot_be_read_has_failed(
    rig: Rig, google: FakeGoogle, monkeypatch: pytest.MonkeyPatch, fault: str, state: str, code: str
) -> None:
    monkeypatch.setattr(batch, "INLINE_MOST", 0)
    await rig.steps(2)
    google.operations[0].words = HELLO
    match fault:
        case "gone":  # as a rule of the bucket deletes it that is shorter than the transcribers were away
            monkeypatch.setattr(FakeOperation, "write_down", lambda *_: f"gs://{BUCKET}/gone.json")
        case "broken":
            monkeypatch.setattr(cloud_speech.BatchRecognizeResults, "to_json", lambda _: '{"results": [{')
        case _:
            monkeypatch.setattr(staging, "RESULT_MOST", 10)
    await rig.step()
    unit = await rig.unit()
    assert (unit["state"], unit["failures"], unit["error_code"]) == (state, 1, code)
    await rig.elsewhere.end_left()
    assert await rig.shop.value("SELECT count(*) FROM operation") == 0


async def test_one_that_was_begun_and_not_stored_is_taken_over(rig: Rig, google: FakeGoogle) -> None:
    await rig.step()
    lost = await rig.carry_on(await rig.claim())  # and its worker dies before it writes that down
    assert isinstance(lost, Pending)
    await rig.lose_holder()
    await rig.step()
    assert google.calls["BatchRecognize"] == 1
    assert await rig.shop.value("SELECT name FROM operation") == google.operations[0].name
    with pytest.raises(Fenced):
        await rig.elsewhere.wait(lost)
    google.operations[0].words = HELLO
    assert (await rig.step())["status"] == "succeeded"
    await rig.nothing_left()


async def test_one_that_died_before_the_call_is_begun_by_the_next(rig: Rig, google: FakeGoogle) -> None:
    await rig.step()
    google.failing["BatchRecognize"].append(status(code_pb2.UNAVAILABLE, "the line is down"))
    await rig.step()
    unit = await rig.unit()
    assert (unit["state"], unit["failures"], unit["error_code"]) == ("waiting", 1, "engine_failed")
    await rig.step()
    assert len(google.operations) == 1


@pytest.mark.parametrize("can_list", [True, False])
async def test_of_two_that_were_begun_one_is_cancelled(rig: Rig, google: FakeGoogle, can_list: bool) -> None:
    await rig.step()
    google.call_held["BatchRecognize"] = held = asyncio.Event()
    first = asyncio.create_task(rig.carry_on(await rig.claim()))
    await eventually(lambda: google.calls["BatchRecognize"] == 1)
    await rig.lose_holder()  # frozen, and taken for dead
    del google.call_held["BatchRecognize"]
    await rig.step()
    held.set()  # it goes on
    pending = await first
    assert isinstance(pending, Pending)
    with pytest.raises(Fenced):
        await rig.elsewhere.wait(pending)
    assert len(google.operations) == 2
    if not can_list:
        google.failing["ListOperations"].append(status(code_pb2.UNAVAILABLE, "not now"))
        await rig.step()
    await rig.step()
    kept = await rig.shop.value("SELECT name FROM operation")
    assert [operation.canceled for operation in google.operations if operation.name != kept] == [True]
    google.operations[0].words = google.operations[1].words = HELLO
    assert (await rig.step())["status"] == "succeeded"
    await rig.nothing_left()


async def test_what_calls_after_the_end_finds_nothing_to_transcribe(rig: Rig, google: FakeGoogle) -> None:
    await rig.step()
    google.call_held["BatchRecognize"] = held = asyncio.Event()
    first = asyncio.create_task(rig.carry_on(await rig.claim()))
    await eventually(lambda: google.calls["BatchRecognize"] == 1)
    await rig.lose_holder()
    del google.call_held["BatchRecognize"]
    await rig.step()
    google.operations[0].words = HELLO
    await rig.step()
    await rig.nothing_left()
    held.set()
    with pytest.raises(Exception, match="no object"):
        await first
    assert len(google.operations) == 1


@pytest.mark.parametrize("looks", [0, 1, 3])
async def test_a_cancelled_run_is_cancelled_at_google(rig: Rig, google: FakeGoogle, looks: int) -> None:
    await rig.steps(2 + looks)
    await Control(rig.shop.database, rig.shop.relay).cancel(rig.run.run_id, rig.run.owner)
    await rig.nothing_left()
    assert [operation.canceled for operation in google.operations] == [True]


async def test_one_that_is_cancelled_between_call_and_store_is_found(rig: Rig, google: FakeGoogle) -> None:
    await rig.step()
    google.answer_held["BatchRecognize"] = asyncio.Event()
    delivery = HandDelivery()
    rig.transcriber.worker.receive(delivery)
    await eventually(lambda: google.operations)
    await Control(rig.shop.database, rig.shop.relay).cancel(rig.run.run_id, rig.run.owner)
    await rig.transcriber.heartbeat.beat()
    assert await settled(delivery) == "ack"
    await rig.nothing_left()
    assert [operation.canceled for operation in google.operations] == [True]


async def test_a_deleted_recording_leaves_nothing(rig: Rig, google: FakeGoogle) -> None:
    await rig.steps(3)
    removals = Removals(rig.shop.database, rig.shop.blobs)
    await Deletions(rig.shop.database, rig.shop.relay, removals).delete(rig.run.audio_id, rig.run.owner)
    await rig.nothing_left()
    assert [operation.canceled for operation in google.operations] == [True]


async def test_what_cannot_be_ended_now_is_ended_later(rig: Rig, google: FakeGoogle) -> None:
    await rig.steps(2)
    await Control(rig.shop.database, rig.shop.relay).cancel(rig.run.run_id, rig.run.owner)
    google.failing["CancelOperation"].append(status(code_pb2.UNAVAILABLE, "not now"))
    await rig.elsewhere.end_left()
    assert not google.operations[0].canceled
    await rig.elsewhere.end_left()
    assert not google.operations[0].canceled, "it is another's turn only after a while"
    await rig.shop.database.pool.execute("UPDATE operation SET due_at = now()")
    await rig.nothing_left()
    assert google.operations[0].canceled


async def test_a_retry_of_a_cancelled_run_begins_anew(rig: Rig, google: FakeGoogle) -> None:
    await rig.steps(2)
    control = Control(rig.shop.database, rig.shop.relay)
    await control.cancel(rig.run.run_id, rig.run.owner)
    await rig.elsewhere.end_left()
    await control.retry(rig.run.run_id, rig.run.owner)
    await rig.step()
    assert [operation.canceled for operation in google.operations] == [True, False]
    google.operations[1].words = HELLO
    assert (await rig.step())["status"] == "succeeded"
    await rig.nothing_left()


async def test_one_that_fails_at_google_is_begun_again_and_at_last_no_more(
    rig: Rig, google: FakeGoogle
) -> None:
    await rig.step()
    for tries in range(4):
        row = await rig.step()
        google.operations[tries].error = status(code_pb2.INTERNAL, "it broke")
        row = await rig.step()
    assert (row["status"], row["error_code"]) == ("failed", "engine_failed")
    assert "it broke" in row["error_message"]
    assert len({operation.uri for operation in google.operations}) == 4
    await rig.nothing_left()


async def test_who_begins_it_again_has_as_much_time(
    rig: Rig, google: FakeGoogle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looks cost nothing, and so does what comes after them; but another file has to be written and brought up."""
    expected: list[float] = []

    def told(seconds: float, *, ceiling: float) -> float:
        expected.append(seconds)
        return ceiling

    await rig.step()
    monkeypatch.setattr(attempts, "deadline", told)
    await rig.step()
    google.operations[0].error = status(code_pb2.INTERNAL, "it broke")
    await rig.steps(2)
    assert len(google.operations) == 2
    assert expected == [SECONDS] * 3


async def test_quota_is_waited_for_as_long_as_google_says(rig: Rig, google: FakeGoogle) -> None:
    await rig.step()
    google.failing["BatchRecognize"].append(
        status(code_pb2.RESOURCE_EXHAUSTED, "quota exceeded", retry_after=47)
    )
    await rig.step()
    unit = await rig.unit()
    wait = unit["due_at"] - await rig.shop.value("SELECT now()")
    assert timedelta(seconds=40) < wait <= timedelta(seconds=47)
    assert (unit["state"], unit["failures"]) == ("waiting", 0)
    await rig.step()
    assert len(google.operations) == 1


async def test_an_operation_without_room_is_begun_when_google_says(rig: Rig, google: FakeGoogle) -> None:
    full = status(code_pb2.RESOURCE_EXHAUSTED, "quota exceeded", retry_after=47)
    await rig.step()
    google.failing["BatchRecognize"].append(full)
    await rig.steps(2)
    # Hours later, and what was waited for before it was begun does not count any more.
    await rig.shop.database.pool.execute("UPDATE unit SET refused_at = refused_at - interval '2 hours'")
    google.operations[0].error = full
    await rig.step()
    unit = await rig.unit()
    assert (unit["state"], unit["failures"]) == ("waiting", 0)
    assert unit["due_at"] - await rig.shop.value("SELECT now()") > timedelta(seconds=40)
    await rig.step()
    assert len(google.operations) == 2


@pytest.mark.parametrize("code", [code_pb2.PERMISSION_DENIED, code_pb2.INVALID_ARGUMENT, code_pb2.NOT_FOUND])
async def test_what_google_refuses_fails_at_once_with_its_words(
    rig: Rig, google: FakeGoogle, code: int
) -> None:
    await rig.step()
    google.failing["BatchRecognize"].append(status(code, "the model does not know gs://talks/lingoloop/x"))
    row = await rig.step()
    assert (row["status"], row["error_code"]) == ("failed", "engine_refused")
    assert row["error_message"] == "Google: the model does not know (an object)"
    assert google.calls["BatchRecognize"] == 1
    await rig.nothing_left()


async def test_a_look_in_vain_counts_nothing(rig: Rig, google: FakeGoogle) -> None:
    await rig.steps(2)
    google.failing["GetOperation"] += [
        status(code_pb2.UNAVAILABLE, "not now"),
        status(code_pb2.RESOURCE_EXHAUSTED, "too many looks", retry_after=55),
    ]
    await rig.step()
    assert (await rig.unit())["failures"] == 0
    await rig.step()
    unit = await rig.unit()
    assert unit["failures"] == 0
    assert unit["due_at"] - await rig.shop.value("SELECT now()") > timedelta(seconds=45)
    google.operations[0].words = HELLO
    assert (await rig.step())["status"] == "succeeded"


async def test_one_that_google_forgot_is_begun_again(rig: Rig, google: FakeGoogle) -> None:
    await rig.steps(2)
    google.operations[0].name = "another"
    await rig.step()
    assert (await rig.unit())["failures"] == 1
    await rig.step()
    assert len(google.operations) == 2


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


async def test_an_owner_is_charged_once_for_all_looks(rig: Rig, google: FakeGoogle) -> None:
    await rig.steps(6)
    google.operations[0].words = HELLO
    await rig.step()
    served = await rig.shop.value("SELECT served FROM owner_service")
    assert served == pytest.approx(SECONDS + 1)  # and the plan


async def test_an_end_whose_answer_was_lost_is_written_once(rig: Rig, google: FakeGoogle) -> None:
    await rig.step()
    pending = await rig.carry_on(await rig.claim())
    assert isinstance(pending, Pending)
    await rig.elsewhere.wait(pending)
    await rig.elsewhere.wait(pending)
    assert await rig.shop.value("SELECT looks FROM operation") == 1


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


async def test_sound_that_a_killed_worker_wrote_is_removed(
    shop: Workshop, google: FakeGoogle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    run = await shop.add_run(
        sound=sound_of(tmp_path), units=0, planned=False, duration_ms=SECONDS * 1000, status="queued"
    )
    rig = Rig(shop, run)
    killed = "killed while its sound was brought up"

    async def upload(path: Path, _uri: str) -> int:
        assert path.stat().st_size > 1_000
        shutil.copytree(path.parent.parent, tmp_path / f"{elsewhere_module.PREFIX}left")
        raise EngineError(killed)

    async with running([rig.elsewhere, *rig.transcriber.parts]):
        await asyncio.sleep(0)
        monkeypatch.setattr(rig.engine._staging, "upload", upload)
        await rig.steps(2)
        assert len(list(tmp_path.glob("lingoloop-*"))) == 2
    async with running([rig.another_worker()]):
        assert len(list(tmp_path.glob("lingoloop-*"))) == 1
    assert not list(tmp_path.glob("lingoloop-*"))


async def test_an_upload_that_is_given_up_leaves_nothing(
    google: FakeGoogle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging, "SLICE", 2**18)
    (tmp_path / "long").write_bytes(bytes(2**21))
    begun, go_on = threading.Event(), threading.Event()
    read = staging._Stoppable.read

    def slow(self: Any, size: int = -1) -> bytes:
        begun.set()
        go_on.wait(10)
        return read(self, size)

    monkeypatch.setattr(staging._Stoppable, "read", slow)
    store = staging.Staging(f"gs://{BUCKET}/lingoloop")
    store.open()
    upload = asyncio.create_task(store.upload(tmp_path / "long", store.uri("long")))
    assert await asyncio.to_thread(begun.wait, 10)
    upload.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await upload
    assert await asyncio.to_thread(left_objects) == []


async def test_older_versions_of_what_google_heard_go_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sound").write_bytes(b"fLaC")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "proj")
    async with FakeGcs() as gcs:
        gcs.versioning = True
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.url)
        store = staging.Staging(f"gs://{VERSIONED}/operations")
        store.open()
        for name in ("1/0.flac", "1/0.flac", "2/0.flac"):  # an attempt after another brings it up again
            await store.upload(tmp_path / "sound", store.uri(name))
        await store.remove_below(store.uri("1"))
        assert gcs.names() == ["operations/2/0.flac"]


def test_looks_come_less_and_less_often() -> None:
    pauses = [look_pause(looks, 2.0) for looks in range(30)]
    assert all(0.8 * 2 <= pause <= 60 for pause in pauses)
    assert pauses[0] <= 2
    assert all(pause >= 48 for pause in pauses[10:])


async def test_without_a_bucket_it_does_not_start(
    google: FakeGoogle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GOOGLE_STAGING_BUCKET")
    with pytest.raises(EngineError, match="GOOGLE_STAGING_BUCKET"):
        Batch("chirp_3", None)
    Batch("chirp_3", "gs://the-fleets-own/operations")
