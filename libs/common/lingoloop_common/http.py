"""What the HTTP servers share: problems as RFC 9457, CORS, a request id in answer and log, a server part."""

import asyncio
import logging
import os
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any
from uuid import UUID

import orjson
import structlog
from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage, LineTooLong
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from lingoloop_common import metrics, tracing
from lingoloop_common.errors import PROBLEMS, Problem
from lingoloop_common.faults import told
from lingoloop_common.store.database import BROKEN
from lingoloop_common.tracing import Kind, read_traceparent

log = structlog.get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
READ_BUFFER = 2**18
"""Bytes of a body that wait for their handler; with fewer, uploads stop and go."""

_PATH_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9]{1,9}")
_ID = web.RequestKey("request_id", str)
_STARTED = web.RequestKey("started", web.StreamResponse)
_STREAMING = web.RequestKey("streaming", float)
"""When a stream of events began: what it lasts is not the time that an answer takes, and clients end it as they like."""
_REFUSALS = web.AppKey("refusals", dict[str, Callable[[Problem], web.Response]])
_CODES = {status: code for code, status in reversed(PROBLEMS.items())}


def json_response(
    body: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Answer with JSON; numbers, times and ids are encoded as the contract says."""
    return web.Response(
        body=orjson.dumps(body), status=status, headers=headers, content_type="application/json"
    )


def problem_response(problem: Problem) -> web.Response:
    """Answer with a problem document; `error` repeats `detail` for older clients."""
    body = {
        "type": "about:blank",
        "title": problem.http_status.phrase,
        "status": problem.http_status.value,
        "detail": problem.detail,
        "code": problem.code,
        "error": problem.detail,
        **problem.extra,
    }
    headers = problem.headers
    if problem.http_status == web.HTTPUnauthorized.status_code:
        headers["WWW-Authenticate"] = "Bearer"
    return web.Response(
        body=orjson.dumps(body),
        status=problem.http_status,
        headers=headers,
        content_type="application/problem+json",
    )


def _new_request_id() -> str:
    return os.urandom(8).hex()


@web.middleware
async def edge(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give each request an id, a step of its trace, a log line, a metric, and an answer whatever happens."""
    request_id = request[_ID] = _new_request_id()
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=request_id)
    method, route = _named(request)
    begin = time.perf_counter()
    metrics.HTTP_IN_FLIGHT.labels("request").inc()
    status = 499  # the client went away
    with tracing.span(
        f"{method} {route}",
        kind=Kind.SERVER,
        parent=read_traceparent(request.headers.get("traceparent")),
        attributes={"http.request.method": method, "http.route": route, "lingoloop.request_id": request_id},
    ) as step:
        try:
            response = await _answer(request, handler)
            status = response.status
            return response
        finally:
            seconds = time.perf_counter() - begin
            _count(request, method, route, status, begin)
            step.note({"http.response.status_code": status})
            if status >= 500:
                step.fail(str(status))
            path = _shown_path(request, route)
            log.info("request", method=method, path=path, status=status, ms=round(seconds * 1000))


def _count(request: web.Request, method: str, route: str, status: int, begin: float) -> None:
    """Let the metrics count an answer: of a stream, the time until it began."""
    if streaming := request.get(_STREAMING):
        metrics.HTTP_IN_FLIGHT.labels("stream").dec()
        begun = str(request[_STARTED].status)
        metrics.HTTP_SECONDS.labels(method, route, begun).observe(streaming - begin)
    else:
        metrics.HTTP_IN_FLIGHT.labels("request").dec()
        metrics.HTTP_SECONDS.labels(method, route, str(status)).observe(time.perf_counter() - begin)


def _named(request: web.Request) -> tuple[str, str]:
    """Return a request's method and route: from short lists, and nothing that a client made up."""
    resource = request.match_info.route.resource
    return (
        request.method if request.method in metrics.METHODS else metrics.OTHER,
        resource.canonical if resource else "unmatched",
    )


def _shown_path(request: web.Request, route: str) -> str:
    """Return a request's path where it holds ids and numbers alone, else its route: a client may write anything there."""
    ids = request.match_info.values()
    return request.path if route != "unmatched" and all(map(_PATH_ID.fullmatch, ids)) else route


def name_run(run_id: UUID) -> None:
    """Let the request's log line and its step of the trace say which run they are about."""
    structlog.contextvars.bind_contextvars(run_id=str(run_id))
    tracing.current().note({"lingoloop.run_id": str(run_id)})


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
        return web.Response(status=204)  # a CORS preflight: the headers are added where the origin may
    try:
        return await handler(request)
    except Problem as problem:
        if started := request.get(_STARTED):
            log.warning("an answer was broken off", code=problem.code)
            return _cut_off(request, started)
        return _refuse(request, problem)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        code = _CODES.get(error.status, "bad_request" if error.status < 500 else "internal_error")  # type: ignore[call-overload]
        response = _refuse(request, Problem(code, error.reason))
        if allow := error.headers.get("Allow"):
            response.headers["Allow"] = allow
        return response
    except (web.RequestPayloadError, BadHttpMessage):
        return _refuse(request, Problem("bad_request", "the request's body cannot be read"))
    except (asyncio.CancelledError, ConnectionResetError):
        raise
    except Exception as error:
        away = isinstance(error, BROKEN)
        log.error("request failed", route=_named(request)[1], error=type(error).__name__, exc_info=not away)
        if started := request.get(_STARTED):
            return _cut_off(request, started)
        if away:
            return _refuse(request, Problem("unavailable", "the service cannot answer right now; try again"))
        return _refuse(
            request, Problem("internal_error", "something went wrong here; the log has the details")
        )


def _refuse(request: web.Request, problem: Problem) -> web.Response:
    """Answer with a problem, as is done below the request's path."""
    refusals = request.app.get(_REFUSALS, {}).items()
    refuse = next((refuse for path, refuse in refusals if request.path.startswith(path)), problem_response)
    return refuse(problem)


def _cut_off(request: web.Request, started: web.StreamResponse) -> web.StreamResponse:
    """Break the connection: what was begun must not look whole, nor be followed by another answer's bytes."""
    if request.transport is not None:
        request.transport.abort()
    return started


async def _note(request: web.Request, response: web.StreamResponse) -> None:
    request[_STARTED] = response
    if response.headers.get("Content-Type", "").startswith("text/event-stream") and _ID in request:
        request[_STREAMING] = time.perf_counter()
        metrics.HTTP_IN_FLIGHT.labels("request").dec()
        metrics.HTTP_IN_FLIGHT.labels("stream").inc()
    # What cannot be read is refused before there is an id.
    response.headers.setdefault("X-Request-Id", request.get(_ID) or _new_request_id())


async def _mind_expect(handle: Handler, request: web.Request) -> web.StreamResponse:
    """Handle a request; refuse an `Expect` that is none like all else, which aiohttp does before any middleware."""

    async def refuse(request: web.Request) -> web.StreamResponse:
        raise Problem("expectation_failed", "Expect may ask for 100-continue, and nothing else")

    try:
        return await handle(request)
    except web.HTTPExpectationFailed:
        return await edge(request, refuse)


def public_app(
    cors_allowed_origins: tuple[str, ...],
    refusals: Mapping[str, Callable[[Problem], web.Response]] | None = None,
) -> web.Application:
    """Return an application whose answers have what all answers have.

    `refusals` says how problems are answered below a path, where not by `problem_response`.
    """
    app = web.Application(middlewares=[edge])
    app[_REFUSALS] = dict(refusals or {})
    app.on_response_prepare.extend([_note, cors(cors_allowed_origins)])
    return app


def cors(allowed: tuple[str, ...]) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """Return a signal handler that lets the pages of `allowed` origins (or `*`) read answers."""

    async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
        origin = request.headers.get("Origin")
        if origin and ("*" in allowed or origin in allowed):
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers.add("Vary", "Origin")
            # The wildcards hold because no answer allows credentials; they do not cover Authorization.
            response.headers["Access-Control-Expose-Headers"] = "*"
            if request.method == "OPTIONS":
                response.headers["Access-Control-Allow-Methods"] = (
                    "GET, POST, PUT, PATCH, DELETE, OPTIONS, HEAD"
                )
                response.headers["Access-Control-Allow-Headers"] = "*, Authorization"
                response.headers["Access-Control-Max-Age"] = "600"

    return add_headers


class _Connection(web.RequestHandler):
    """A connection on which what is not HTTP is answered like every other error."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer with a problem. Neither it nor the log shows what could not be read: it may hold a token."""
        request_id = _new_request_id()
        # aiohttp reads some headers before any code of ours, and trips over bytes that are no text.
        fault = status >= 500 and not isinstance(exc, UnicodeError)
        log.log(
            logging.ERROR if fault else logging.INFO,
            "request",
            method="unreadable",
            status=status if fault else 400,
            error=type(exc).__name__,
            request_id=request_id,
            exc_info=exc if fault else None,
        )
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was begun already")
        if isinstance(exc, LineTooLong):
            problem = Problem("bad_request", "the request's first line or a header is too long")
        elif not fault:
            problem = Problem("bad_request", "the request is not HTTP/1.1 as it should be: see RFC 9112")
        else:
            problem = Problem("internal_error", "something went wrong here; the log has the details")
        response = problem_response(problem)
        response.headers["X-Request-Id"] = request_id
        response.force_close()
        return response


class HttpServer:
    """An aiohttp application as a part; port 0 takes a free one, `url` says which."""

    def __init__(self, app: web.Application, *, host: str, port: int, grace: float = 5) -> None:
        self.app, self._host, self._port, self._grace = app, host, port, grace
        self._runner: web.AppRunner | None = None
        self._listener: asyncio.Server | None = None
        self.url = ""

    async def start(self) -> None:
        """Listen; raise OSError when the port is taken."""
        self._runner = web.AppRunner(self.app, handler_cancellation=True, shutdown_timeout=self._grace)
        await self._runner.setup()
        server, loop = self._runner.server, asyncio.get_running_loop()
        assert server is not None  # set up just now
        server.request_handler = partial(_mind_expect, server.request_handler)
        no_log: Any = None  # which the type does not say may be
        connection = partial(_Connection, server, loop=loop, access_log=no_log, read_bufsize=READ_BUFFER)
        self._listener = await loop.create_server(connection, self._host, self._port, backlog=1024)
        host, port = self._listener.sockets[0].getsockname()[:2]
        self.url = f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else host}:{port}"  # noqa: S104

    async def stop(self) -> None:
        """Close the door, give open requests the grace period, then cut them."""
        if self._listener:
            self._listener.close()
        if self._runner:
            await self._runner.cleanup()


Check = Callable[[], Awaitable[Any]]
"""Raises when what a service needs does not answer."""


def ops_app(
    service: str, checks: Mapping[str, Check], state: Callable[[], Awaitable[bytes]] | None = None
) -> web.Application:
    """Return the operators' endpoints: `/healthz`, `/readyz` (names what is missing), `/metrics`.

    `state` returns metrics beside those of this process.
    """

    async def healthz(request: web.Request) -> web.Response:
        return json_response({"service": service, "status": "ok"})

    async def readyz(request: web.Request) -> web.Response:
        missing = await _missing(checks)
        return json_response({"service": service, "missing": missing}, status=503 if missing else 200)

    async def metrics_page(request: web.Request) -> web.Response:
        told, _ = await asyncio.gather(_nothing() if state is None else state(), _missing(checks))
        return web.Response(body=generate_latest() + told, headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes(
        [web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics_page)]
    )
    return app


async def _missing(checks: Mapping[str, Check]) -> dict[str, str]:
    """Return which checks fail, and why."""
    errors = await asyncio.gather(*(_error(check) for check in checks.values()))
    for name, error in zip(checks, errors, strict=True):
        metrics.DEPENDENCY_UP.labels(name).set(error is None)
    return {name: error for name, error in zip(checks, errors, strict=True) if error is not None}


async def _error(check: Check) -> str | None:
    try:
        await asyncio.wait_for(check(), 3)
    except Exception as error:
        return told(error)
    return None


async def _nothing() -> bytes:
    return b""
