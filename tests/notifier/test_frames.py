"""Frames are what EventSource reads (HTML Living Standard, section 9.2)."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingoloop_common.contracts.events import StreamError, encode
from lingoloop_notifier.frames import HEARTBEAT, frame, retry


def test_a_frame_has_no_event_line_so_that_onmessage_gets_it() -> None:
    assert frame(b"{}", event_id=7) == b"id: 7\ndata: {}\n\n"


def test_a_named_frame_has_an_event_line() -> None:
    assert frame(b"{}", event_id=7, event="done") == b"id: 7\nevent: done\ndata: {}\n\n"


def test_a_frame_that_is_not_durable_has_no_id() -> None:
    assert frame(b"{}") == b"data: {}\n\n"


def test_the_first_event_of_an_owner_may_have_id_0() -> None:
    assert frame(b"{}", event_id=0).startswith(b"id: 0\n")


def test_retry_tells_milliseconds_and_is_no_event() -> None:
    assert retry(2000) == b"retry: 2000\n\n"


def test_a_heartbeat_is_a_comment() -> None:
    assert HEARTBEAT.startswith(b":")
    assert HEARTBEAT.endswith(b"\n\n")


@given(st.text())
def test_no_text_can_break_out_of_its_line(text: str) -> None:
    data = encode(StreamError(code="x", message=text))
    assert frame(data, event_id=1).split(b"\n") == [b"id: 1", b"data: " + data, b"", b""]
    assert orjson.loads(data)["message"] == text


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "a\rb", "data: x\n\nid: 9", "\u2028\u2029\x85"])
def test_line_ends_in_a_text_stay_inside_the_json(text: str) -> None:
    assert frame(encode(StreamError(code="x", message=text))).count(b"\n") == 2
