"""What Google's errors mean for the work."""

import contextlib
import re
from collections.abc import Iterator

from google.api_core.exceptions import GoogleAPICallError, RetryError, from_grpc_status
from google.auth.exceptions import GoogleAuthError
from google.rpc import error_details_pb2, status_pb2
from requests.exceptions import RequestException

from lingoloop_transcriber.engines import EngineError, Refused, ServerBusy

TOO_MANY = 429
PASSING = {408, 409, 499}
"""Of the 400s those that may be otherwise the next time: timed out, aborted, cancelled."""

BUSY_PAUSE, BUSY_LONGEST = 30.0, 3600.0
"""Seconds to wait where Google does not say how long; and at most."""

LONGEST_TEXT = 500
_ADDRESS = re.compile(r"(gs|https?)://\S+|\S*/o/\S+")


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn errors of Google's clients into the engine's."""
    try:
        yield
    except GoogleAPICallError as error:
        raise engine_error(error) from error
    except GoogleAuthError as error:
        raise EngineError(f"Google's credentials cannot be used: {type(error).__name__}") from error
    except (RetryError, RequestException, ConnectionError, TimeoutError) as error:
        raise EngineError(f"Google cannot be reached: {type(error).__name__}") from error


def engine_error(error: GoogleAPICallError) -> EngineError:
    """Return what an error of a call means: wait, never, or try again."""
    text = words_of(error.message)
    code = int(error.code or 500)
    if code == TOO_MANY:
        return ServerBusy(f"Google: {text}", min(BUSY_LONGEST, _delay(error)))
    if 400 <= code < 500 and code not in PASSING:
        return Refused(f"Google: {text}")
    return EngineError(f"Google: {text}")


def error_of_status(status: status_pb2.Status) -> EngineError:
    """Return what the error of an operation, or of a file in it, means."""
    info = error_details_pb2.RetryInfo()
    details = [info for detail in status.details if detail.Unpack(info)]
    error: GoogleAPICallError = from_grpc_status(status.code, status.message, details=details)  # type: ignore[no-untyped-call]
    return engine_error(error)


def words_of(message: str) -> str:
    """Return Google's words without addresses of objects, which name recordings."""
    return _ADDRESS.sub("(an object)", message)[:LONGEST_TEXT] or "it gave no reason"


def _delay(error: GoogleAPICallError) -> float:
    """Return the seconds after which Google wants to be asked again (RetryInfo)."""
    for detail in error.details or ():
        if isinstance(detail, error_details_pb2.RetryInfo):
            return max(0.1, float(detail.retry_delay.ToTimedelta().total_seconds()))
    return BUSY_PAUSE
