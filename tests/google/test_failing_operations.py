"""Operations that fail: what is begun again, what waits, and what ends at once."""

from datetime import timedelta

import pytest
from google.cloud.speech_v2.types import cloud_speech
from google.rpc import code_pb2

from lingoloop_transcriber import attempts
from lingoloop_transcriber.engines import EngineError
from lingoloop_transcriber.engines.google import batch, staging
from lingoloop_transcriber.engines.google.batch import Batch
from tests.google.answers import HELLO
from tests.google.fake import BUCKET, FakeGoogle, FakeOperation, status
from tests.google.rig import SECONDS, Rig


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


async def test_without_a_bucket_it_does_not_start(
    google: FakeGoogle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GOOGLE_STAGING_BUCKET")
    with pytest.raises(EngineError, match="GOOGLE_STAGING_BUCKET"):
        Batch("chirp_3", None)
    Batch("chirp_3", "gs://the-fleets-own/operations")
