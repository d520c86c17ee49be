"""What each code of a problem means, for the description; the codes and their statuses are `errors.PROBLEMS`."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from http import HTTPStatus

from lingoloop_common.errors import PROBLEMS, WORK_ERRORS
from lingoloop_gateway.description.routes import Route
from lingoloop_gateway.openai_errors import FAILURES_TOLD, PROBLEMS_TOLD

MEANINGS: Mapping[str, str] = {
    "bad_request": "The request cannot be read: malformed HTTP, JSON or multipart, or the file is missing.",
    "unauthorized": "There is no token, or it does not count: expired, wrongly signed, revoked, for others.",
    "forbidden": "The token lacks the scope.",
    "not_found": "There is no such thing, or it is somebody else's.",
    "method_not_allowed": "The path has no such method; `Allow` names those that it has.",
    "conflict": "The state does not allow it.",
    "gone": "The upload has expired, was made part of another, or its recording was deleted.",
    "precondition_failed": "The recording is not the one that `If-Match` or `If-Unmodified-Since` names; of uploads: `Tus-Resumable` is missing or another version.",
    "too_large": "The body is larger than the server takes.",
    "unsupported_media_type": "The body's `Content-Type` is not one of those that the call takes.",
    "range_not_satisfiable": "The range lies outside the recording; `Content-Range` tells its size.",
    "expectation_failed": "`Expect` asks for something else than `100-continue`.",
    "invalid_value": "A value is wrong; `fields` or `detail` names it.",
    "not_audio": "The file is empty or holds no sound that can be decoded.",
    "too_long": "The recording is longer than the server takes.",
    "unknown_lane": "No worker has ever offered this engine or model.",
    "unsupported": "The engine cannot do what `fields` names; `detail` tells which can.",
    "locked": "Another request brings bytes of this upload right now.",
    "checksum_mismatch": "The bytes have another checksum than `Upload-Checksum` says; none of them were kept.",
    "storage_quota": "Your recordings have no more room; delete some, or ask for more.",
    "queue_quota": "Too much of your audio waits; come back after `Retry-After` seconds.",
    "run_failed": "The run has failed while the client waited; `cause` says why.",
    "too_many_requests": "Too many requests; come back after `Retry-After` seconds.",
    "internal_error": "Something went wrong in the server; its log has the details under the `X-Request-Id`.",
    "unavailable": "The service cannot answer right now; try again.",
    "storage_full": "The recording cannot be stored.",
}

CAUSES: Mapping[str, str] = {
    "not_audio": "The file holds no sound that can be decoded.",
    "too_long": "The recording is longer than the server takes.",
    "unfit_audio": "The file has no such sound track, or too many channels to take them one by one.",
    "audio_missing": "The recording is not in the storage any more.",
    "unknown_language": "The engine does not know the language.",
    "too_large": "The file to import is larger than the server takes.",
    "storage_quota": "The file to import finds no room beside your other recordings; delete some, or ask for more.",
    "import_refused": "The address of the import cannot be called, or holds no file.",
    "canceled": "It was cancelled, or its recording deleted.",
    "worker_lost": "Workers vanished again and again while they worked on it.",
    "engine_refused": "The server that does the engine's work refuses it; the text is its own.",
    "engine_busy": "The server that does the engine's work took no more for too long.",
    "slot_died": "The engine's process ended.",
    "deadline": "The work took too long.",
    "engine_failed": "The engine gave up.",
    "storage_failed": "The storage could not be read or written.",
    "import_failed": "The server that has the file did not answer, or broke off.",
    "internal_error": "Something went wrong in the server.",
}
"""Of `errors.WORK_ERRORS`: why a run failed."""

OF_EVERY_CALL = ("bad_request", "expectation_failed", "too_many_requests", "internal_error", "unavailable")
OF_CALLS_WITH_A_TOKEN = ("unauthorized", "forbidden")
OF_ONE = ("not_found",)
OF_A_BODY = ("too_large",)
OF_A_KEY = ("invalid_value",)


def problems_of(route: Route) -> Mapping[int, tuple[str, ...]]:
    """Return the codes of the problems that a call may answer, by status."""
    codes = {
        *route.problems,
        *OF_EVERY_CALL,
        *(OF_CALLS_WITH_A_TOKEN if route.scope else ()),
        *(OF_ONE if "{" in route.path else ()),
        *(OF_A_BODY if route.body else ()),
        *(OF_A_KEY if route.once else ()),
    }
    return _by_status((PROBLEMS[code], code) for code in PROBLEMS if code in codes)


def openai_problems_of(route: Route) -> Mapping[int, tuple[str, ...]]:
    """Return the same in the words of OpenAI's API; a run's failure has the status of its cause."""
    told: list[tuple[int, str]] = []
    for status, codes in problems_of(route).items():
        for code in codes:
            if code == "run_failed":
                told += [(_status_of(cause), cause) for cause in WORK_ERRORS]
            else:
                how = PROBLEMS_TOLD.get(code)
                told.append((how.status, how.code or code) if how else (status, code))
    return _by_status(dict.fromkeys(told))


def _status_of(cause: str) -> int:
    how = FAILURES_TOLD.get(cause)
    return how.status if how else HTTPStatus.INTERNAL_SERVER_ERROR


def _by_status(pairs: Iterable[tuple[int, str]]) -> Mapping[int, tuple[str, ...]]:
    codes: defaultdict[int, list[str]] = defaultdict(list)
    for status, code in pairs:
        codes[int(status)].append(code)
    return {status: tuple(codes[status]) for status in sorted(codes)}
