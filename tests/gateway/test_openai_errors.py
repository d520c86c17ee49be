"""Problems as OpenAI's API tells them."""

from typing import Any

import orjson
import pytest

from lingoloop_common.errors import PROBLEMS, WORK_ERRORS, Problem
from lingoloop_gateway.openai_errors import error_response

WRONG = "invalid_request_error"


def told(problem: Problem) -> tuple[int, dict[str, Any]]:
    response = error_response(problem)
    assert response.content_type == "application/json"
    body = response.body
    assert isinstance(body, bytes)
    [(key, error)] = orjson.loads(body).items()
    assert key == "error"
    assert set(error) == {"message", "type", "param", "code"}
    return response.status, error


@pytest.mark.parametrize(("code", "status", "kind", "theirs", "param"), [
    ("bad_request", 400, WRONG, "bad_request", None),
    ("unauthorized", 401, WRONG, "invalid_api_key", None),
    ("forbidden", 403, WRONG, "insufficient_permissions", None),
    ("not_found", 404, WRONG, "not_found", None),
    ("unknown_lane", 404, WRONG, "model_not_found", "model"),
    ("method_not_allowed", 405, WRONG, "method_not_supported", None),
    ("too_large", 413, WRONG, "too_large", "file"),
    ("unsupported_media_type", 415, WRONG, "unsupported_media_type", None),
    ("invalid_value", 400, WRONG, "invalid_value", None),
    ("not_audio", 400, WRONG, "not_audio", "file"),
    ("too_long", 400, WRONG, "too_long", "file"),
    ("too_many_requests", 429, "requests", "rate_limit_exceeded", None),
    ("internal_error", 500, "server_error", "internal_error", None),
    ("unavailable", 503, "server_error", "unavailable", None),
    ("storage_full", 507, "server_error", "storage_full", None),
])  # fmt: skip
def test_a_problem_has_their_status_type_code_and_parameter(
    code: str, status: int, kind: str, theirs: str, param: str | None
) -> None:
    assert told(Problem(code, "what is wrong")) == (
        status,
        {"message": "what is wrong", "type": kind, "param": param, "code": theirs},
    )


@pytest.mark.parametrize("code", [code for code in PROBLEMS if code != "run_failed"])
def test_no_problem_is_told_as_a_success(code: str) -> None:
    assert told(Problem(code, "x"))[0] >= 400


@pytest.mark.parametrize("extra", [{"param": "language"}, {"fields": {"language": "a code", "engine": "no"}}])
def test_the_first_wrong_field_is_named(extra: dict[str, Any]) -> None:
    assert told(Problem("invalid_value", "x", **extra))[1]["param"] == "language"


@pytest.mark.parametrize("cause", WORK_ERRORS)
def test_a_failed_run_is_told_by_its_cause_and_never_worth_a_repeat(cause: str) -> None:
    status, param = {
        "not_audio": (400, "file"),
        "too_long": (400, "file"),
        "unknown_language": (400, "language"),
        "canceled": (409, None),
    }.get(cause, (500, None))
    problem = Problem("run_failed", "it broke", cause={"code": cause, "message": "it broke"})
    assert told(problem) == (
        status,
        {
            "message": "it broke",
            "type": WRONG if status < 500 else "server_error",
            "param": param,
            "code": cause,
        },
    )
    assert error_response(problem).headers["x-should-retry"] == "false"


def test_what_may_be_better_the_next_time_is_left_to_the_client() -> None:
    assert "x-should-retry" not in error_response(Problem("unavailable", "x")).headers


def test_who_is_unknown_is_told_how_to_say_it() -> None:
    assert error_response(Problem("unauthorized", "x")).headers["WWW-Authenticate"] == "Bearer"
