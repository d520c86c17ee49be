"""Events: their JSON, their shard, and their CloudEvents attributes."""

import json
from datetime import UTC, datetime
from uuid import UUID

from cloudevents.core.bindings.amqp import AMQPMessage, from_binary
from cloudevents.core.formats.json import JSONFormat
from hypothesis import given
from hypothesis import strategies as st

from lingoloop_common.contracts.events import (
    SHARDS,
    UPDATED,
    ErrorCause,
    RunDone,
    RunUpdated,
    cloud_event_headers,
    encode,
    routing_key,
    shard,
)
from lingoloop_common.contracts.states import RunStatus
from lingoloop_common.contracts.transcript import Segment

RUN = UUID("0190d5a8-0000-7000-8000-000000000001")
AUDIO = UUID("0190d5a8-0000-7000-8000-000000000002")


def updated(segments: list[Segment] | None = None) -> RunUpdated:
    return RunUpdated(
        run_id=RUN,
        audio_id=AUDIO,
        status=RunStatus.PROCESSING,
        progress=42,
        time_elapsed=1500,
        chunks_done=3,
        segments=segments,
    )


def test_a_frame_is_camel_case_and_leaves_out_what_is_unknown() -> None:
    assert json.loads(encode(updated())) == {
        "event": "update",
        "runId": str(RUN),
        "audioId": str(AUDIO),
        "status": "processing",
        "progress": 42,
        "timeElapsed": 1500,
        "chunksDone": 3,
    }


def test_segments_without_words_have_none() -> None:
    spoken = Segment(index=3000, start=1.5, end=2.0, text="Grüße & <b>", confidence=0.9)
    assert json.loads(encode(updated([spoken])))["segments"] == [
        {"index": 3000, "start": 1.5, "end": 2.0, "text": "Grüße & <b>", "confidence": 0.9}
    ]


def test_a_failed_run_says_why() -> None:
    frame = RunDone(
        run_id=RUN,
        audio_id=AUDIO,
        status=RunStatus.FAILED,
        progress=0,
        time_elapsed=1,
        error=ErrorCause(code="not_audio", message="the file has no sound"),
    )
    data = json.loads(encode(frame))
    assert data["event"] == "done"
    assert data["error"] == {"code": "not_audio", "message": "the file has no sound"}


def test_a_frame_is_one_line() -> None:
    spoken = Segment(index=0, start=0, end=1, text="a\nb\r\u2028c", confidence=1)
    assert not {*b"\n\r"} & {*encode(updated([spoken]))}


@given(st.text())
def test_a_shard_is_one_of_64(owner: str) -> None:
    assert 0 <= shard(owner) < SHARDS == 64


def test_shards_are_the_same_in_every_process_and_release() -> None:
    assert [shard(owner) for owner in ("ann", "bob", "Zoë", "")] == [51, 0, 42, 0]


def test_the_routing_key_is_shard_run_and_type() -> None:
    assert routing_key("ann", RUN, UPDATED) == f"{shard('ann')}.{RUN}.lingoloop.run.updated.v1"


def test_headers_are_a_cloud_event_in_amqp_binary_mode() -> None:
    at = datetime(2026, 11, 24, 12, 30, 15, 250_000, tzinfo=UTC)
    headers = cloud_event_headers(
        event_id=AUDIO, event_type=UPDATED, run_id=RUN, owner="ann", seq=7, owner_seq=19, at=at
    )
    body = encode(updated())
    message = AMQPMessage(
        properties={"content-type": "application/json"},
        application_properties=dict(headers),
        application_data=body,
    )
    event = from_binary(message, JSONFormat())
    assert event.get_id() == str(AUDIO)
    assert event.get_type() == UPDATED
    assert event.get_source() == "/lingoloop"
    assert event.get_subject() == str(RUN)
    assert event.get_time() == at
    assert [event.get_extension(name) for name in ("owner", "seq", "ownerseq")] == ["ann", 7, 19]
    assert event.get_data() == json.loads(body)
