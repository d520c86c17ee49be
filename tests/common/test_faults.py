"""What the log says of exceptions: enough to find the place, and nothing that a caller gave."""

import errno

import asyncpg
import pytest
from pydantic import BaseModel, ValidationError

from lingoloop_common.broker import BrokerError
from lingoloop_common.errors import WorkError
from lingoloop_common.faults import told, trace, unquoted

GIVEN = "hunter2"


def postgres(kind: type[asyncpg.PostgresError], state: str) -> asyncpg.PostgresError:
    error = kind(GIVEN if state == "23505" else "said by the server")
    assert error.sqlstate == state
    error.message = error.args[0]
    error.detail = f"Failing row contains ({GIVEN})."
    return error


class Form(BaseModel):
    number: int


def refused() -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        Form.model_validate({"number": GIVEN})
    return caught.value


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (BrokerError("the queue does not answer"), "the queue does not answer"),
        (WorkError("slot_died", "slot 1 was killed"), "slot 1 was killed"),
        (TimeoutError(), "TimeoutError"),
        (TypeError("f() takes 1 positional argument"), "f() takes 1 positional argument"),
        (ConnectionRefusedError(111, "Connect call failed"), "[Errno 111] Connect call failed"),
        (
            FileNotFoundError(errno.ENOENT, "No such file or directory", f"/blobs/{GIVEN}"),
            "No such file or directory",
        ),
        (ValueError(f"invalid literal: {GIVEN}"), "ValueError"),
        (KeyError(GIVEN), "KeyError"),
        (UnicodeEncodeError("utf-8", GIVEN, 0, 1, "surrogates"), "UnicodeEncodeError"),
        (refused(), "ValidationError"),
        (postgres(asyncpg.AdminShutdownError, "57P01"), "said by the server"),
        (postgres(asyncpg.UniqueViolationError, "23505"), "UniqueViolationError (23505)"),
        (asyncpg.InterfaceError("connection is closed"), "connection is closed"),
        (asyncpg.DataError(f"invalid input: {GIVEN}"), "DataError (22000)"),
    ],
)
def test_a_message_is_shown_where_it_can_hold_no_value(error: Exception, says: str) -> None:
    assert told(error) == says


def test_a_trace_shows_the_lines_and_all_that_led_to_it() -> None:
    try:
        try:
            raise KeyError(GIVEN)
        except KeyError as error:
            raise BrokerError("it is away") from error
    except BrokerError as error:
        text = trace(ExceptionGroup("two", [error, ValueError(GIVEN)]))
    assert GIVEN not in text
    assert [line for line in text.splitlines() if line.endswith(("Error", "away", "Group"))] == [
        "ExceptionGroup",
        "KeyError",
        "BrokerError: it is away",
        "ValueError",
    ]
    assert "raise KeyError(GIVEN)" in text


def test_what_another_server_said_is_left_out() -> None:
    error = WorkError("engine_refused", f"the engine's server answered 400: no such word: {GIVEN}")
    assert unquoted(error) == "the engine's server answered 400"
