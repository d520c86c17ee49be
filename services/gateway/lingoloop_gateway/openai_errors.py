"""Problems in the shape of OpenAI's API: `{"error": {"message", "type", "param", "code"}}`. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

import orjson
from aiohttp import web

from lingoloop_common.errors import Problem

WRONG_REQUEST = "invalid_request_error"
SERVER_ERROR = "server_error"


@dataclass(frozen=True, slots=True)
class Told:
    """How OpenAI tells a problem, where it differs from ours; None for our own code, and for no parameter."""

    status: int
    code: str | None = None
    param: str | None = None
    type: str = WRONG_REQUEST


PROBLEMS_TOLD: Mapping[str, Told] = {
    "unauthorized": Told(HTTPStatus.UNAUTHORIZED, "invalid_api_key"),
    "forbidden": Told(HTTPStatus.FORBIDDEN, "insufficient_permissions"),
    "method_not_allowed": Told(HTTPStatus.METHOD_NOT_ALLOWED, "method_not_supported"),
    "too_large": Told(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, param="file"),
    "invalid_value": Told(HTTPStatus.BAD_REQUEST),
    "not_audio": Told(HTTPStatus.BAD_REQUEST, param="file"),
    "too_long": Told(HTTPStatus.BAD_REQUEST, param="file"),
    "unknown_lane": Told(HTTPStatus.NOT_FOUND, "model_not_found", "model"),
    "storage_quota": Told(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, param="file"),
    "queue_quota": Told(HTTPStatus.TOO_MANY_REQUESTS, type="requests"),
    "too_many_requests": Told(HTTPStatus.TOO_MANY_REQUESTS, "rate_limit_exceeded", type="requests"),
}

FAILURES_TOLD: Mapping[str, Told] = {
    "not_audio": Told(HTTPStatus.BAD_REQUEST, param="file"),
    "too_long": Told(HTTPStatus.BAD_REQUEST, param="file"),
    "unknown_language": Told(HTTPStatus.BAD_REQUEST, param="language"),
    "canceled": Told(HTTPStatus.CONFLICT),
}
"""Causes of a run's failure that are not the server's fault."""

RUN_FAILED = "run_failed"


def error_body(problem: Problem) -> bytes:
    """Return a problem as their JSON."""
    code, told = _told(problem)
    param = problem.extra.get("param") or told.param or next(iter(problem.extra.get("fields", ())), None)
    error = {"message": problem.detail, "type": told.type, "param": param, "code": told.code or code}
    return orjson.dumps({"error": error})


def error_response(problem: Problem) -> web.Response:
    """Answer with a problem in their shape."""
    _, told = _told(problem)
    return web.Response(
        body=error_body(problem),
        status=told.status,
        headers=_headers(problem, told),
        content_type="application/json",
    )


def _told(problem: Problem) -> tuple[str, Told]:
    """Return our code of what is wrong, and how they tell it."""
    if problem.code == RUN_FAILED:
        code = problem.extra["cause"]["code"]
        return code, FAILURES_TOLD.get(code) or Told(HTTPStatus.INTERNAL_SERVER_ERROR, type=SERVER_ERROR)
    kind = SERVER_ERROR if problem.http_status >= HTTPStatus.INTERNAL_SERVER_ERROR else WRONG_REQUEST
    return problem.code, PROBLEMS_TOLD.get(problem.code) or Told(problem.http_status, type=kind)


def _headers(problem: Problem, told: Told) -> dict[str, str]:
    headers = problem.headers
    if told.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if problem.code == RUN_FAILED:
        # Their clients repeat a 409 and a 500 by themselves. What can be mended by a repeat has been repeated here, and
        # it would be uploaded again.
        headers["x-should-retry"] = "false"
    return headers
