"""A server that speaks OpenAI's API: one request, one answer of bounded size in bounded time, and what its refusals mean."""

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import httpx
import orjson

from lingoloop_transcriber.engines import EngineError, Refused, ServerBusy, UnknownLanguage
from lingoloop_transcriber.engines.retry_after import seconds_to_wait

LARGEST = 2**20
"""Bytes of an answer; that about half a minute of speech has a hundredth of."""

WORDS_MOST = 300
"""Letters that are kept of what a server says of an error."""

CONNECT = 10.0
"""Seconds to reach the server."""

BUSY = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
PASSING = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_EARLY, *BUSY}
"""Of the statuses below 500, and busy ones, those that a repeat may mend."""

NO_CREDIT = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
"""Codes that come as 429, and that no wait mends."""

_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f]+")


class Server:
    """Asks one server with one key. It repeats nothing: a unit's failures are counted and retried by the worker.

    Args:
        url: the API's, with its version: `https://api.openai.com/v1`.
        key: empty for a server that wants none.
        timeout: seconds for a whole request.
    """

    def __init__(self, url: str, key: str, timeout: float) -> None:
        headers = {"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {key}"} if key else {})
        limits = httpx.Timeout(timeout, connect=min(CONNECT, timeout))
        self._http = httpx.Client(base_url=url, headers=headers, timeout=limits)
        self._key, self._timeout = key, timeout

    def ask(self, path: str, fields: Mapping[str, str | list[str]], flac: bytes) -> bytes:
        """Send sound and return the answer's body.

        Raises:
            ServerBusy: it takes no more for now.
            Refused: it does not want this, and will not.
            UnknownLanguage: it does not know the language.
            EngineError: it cannot be reached, or failed, or answered too late or too much.
        """
        file = {"file": ("chunk.flac", flac, "audio/flac")}
        end = time.monotonic() + self._timeout
        try:
            with self._http.stream("POST", path, data=fields, files=file) as answer:
                body = self._read(answer, end)
        except httpx.TimeoutException:
            raise self._too_slow() from None
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise EngineError(f"the engine's server cannot be reached: {reason}") from error
        if answer.status_code != HTTPStatus.OK:
            raise self._error(answer, body)
        return body

    def _read(self, answer: httpx.Response, end: float) -> bytes:
        body = b""
        for part in answer.iter_bytes():
            body += part
            if len(body) > LARGEST:
                raise EngineError(f"the engine's server answered more than {LARGEST} bytes")
            if time.monotonic() > end:
                raise self._too_slow()
        return body

    def _too_slow(self) -> EngineError:
        return EngineError(f"the engine's server took longer than {self._timeout:.0f} s")

    def _error(self, answer: httpx.Response, body: bytes) -> EngineError:
        status, error = answer.status_code, _error_in(body)
        said = self._readable(error.get("message")) or answer.reason_phrase
        text = f"the engine's server answered {status}: {said}"
        if NO_CREDIT & {error.get("code"), error.get("type")}:
            return Refused(text)
        if status in BUSY and (status == HTTPStatus.TOO_MANY_REQUESTS or "retry-after" in answer.headers):
            return ServerBusy(text, seconds_to_wait(answer.headers, datetime.now(UTC)))
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in PASSING:
            return EngineError(text)
        if error.get("param") == "language":
            return UnknownLanguage(text)
        return Refused(text)

    def _readable(self, message: object) -> str:
        """Return what a server says of an error, in one line, without the key: some repeat it."""
        if not isinstance(message, str):
            return ""
        if self._key:
            message = message.replace(self._key, "…")
        return _UNPRINTABLE.sub(" ", message).strip()[:WORDS_MOST]


def _error_in(body: bytes) -> dict[str, Any]:
    """Return the error that a body tells: OpenAI's, or what others write in its place."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    error = found.get("error", found) if isinstance(found, dict) else found
    if isinstance(error, str):
        return {"message": error}
    if not isinstance(error, dict):
        return {}
    known = {name: value for name in ("code", "type", "param") if isinstance(value := error.get(name), str)}
    return {**known, "message": error.get("message", error.get("detail"))}
