"""Traces without OpenTelemetry: contexts are read, handed on and named in the log; nothing is imported."""

import os
import subprocess
import sys
from typing import Any

import pytest
from structlog.testing import capture_logs

from lingoloop_common import tracing
from lingoloop_common.lifecycle import running
from lingoloop_common.tracing import Tracing, is_wanted, read_traceparent, why_not

TRACE, STEP = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GIVEN = f"00-{TRACE}-{STEP}-01"
ON = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


@pytest.mark.parametrize(
    ("text", "context"),
    [
        (GIVEN, GIVEN),
        (f"00-{TRACE}-{STEP}-00", f"00-{TRACE}-{STEP}-00"),
        (f"cc-{TRACE}-{STEP}-01", GIVEN),
        (f"cc-{TRACE}-{STEP}-01-what-the-future-will-be", GIVEN),
        (f"{GIVEN}-more", None),
        (f"ff-{TRACE}-{STEP}-01", None),
        (GIVEN.upper(), None),
        (f"00-{'0' * 32}-{STEP}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE}-{STEP}", None),
        (f"{GIVEN}, {GIVEN}", None),
        ("", None),
        (None, None),
    ],
)
def test_a_context_is_read_as_the_standard_has_it(text: str | None, context: str | None) -> None:
    assert read_traceparent(text) == context


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        (ON, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        (ON | {"OTEL_SDK_DISABLED": "True"}, False),
        (ON | {"OTEL_TRACES_EXPORTER": "none"}, False),
        (ON | {"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://127.0.0.1:4318"}, False),
    ],
)
def test_opentelemetry_s_own_variables_switch_it_on(environment: dict[str, str], wanted: bool) -> None:
    assert is_wanted(environment) == wanted


def test_what_stands_in_the_way_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert why_not({}) is None
    assert why_not(ON) is None
    assert "4318" in str(why_not(ON | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "lingoloop-common[otel]" in str(why_not(ON))


async def test_a_value_that_opentelemetry_refuses_is_said_and_keeps_no_service_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", ON["OTEL_EXPORTER_OTLP_ENDPOINT"])
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "0")
    with capture_logs() as said:
        async with running([Tracing("gateway")]):
            assert not tracing.is_on()
    assert [line["event"] for line in said] == ["no traces are sent"]


def test_without_a_collector_nothing_of_opentelemetry_is_imported() -> None:
    code = """
import asyncio, sys
import lingoloop_gateway.__main__, lingoloop_notifier.__main__, lingoloop_transcriber.__main__
from lingoloop_common.tracing import Tracing
asyncio.run(Tracing("up").start())
print([name for name in sys.modules if name.startswith("opentelemetry")])
"""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=100, env=bare
    )
    assert done.stdout == "[]\n"


def test_a_step_hands_on_what_it_was_given_and_the_log_names_its_trace() -> None:
    def named() -> Any:
        return tracing.name_trace(None, "info", {"event": "hello"})

    assert tracing.headers() == {}
    with tracing.span("outer", parent=GIVEN):
        with tracing.span("inner") as inner:
            inner.note({"anything": 1})
            inner.fail("code")
            assert tracing.headers() == {"traceparent": GIVEN}
            assert named() == {"event": "hello", "trace_id": TRACE}
        with tracing.span("of another", parent=GIVEN.replace("4bf9", "5bf9")):
            assert named()["trace_id"] == TRACE.replace("4bf9", "5bf9")
        assert named()["trace_id"] == TRACE
    assert named() == {"event": "hello"}
