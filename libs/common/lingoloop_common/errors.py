"""The one table of errors: what clients are answered (RFC 9457) and whether work is worth a repeat."""

from enum import IntEnum
from http import HTTPStatus
from typing import Any


class Problem(Exception):
    """A request that cannot be served; the edge turns it into `application/problem+json`.

    Args:
        code: a key of `PROBLEMS`.
        detail: what is wrong and what to do, for the person who reads it.
        extra: further members of the answer; `retryAfter` (whole seconds) is also its header `Retry-After`.
    """

    def __init__(self, code: str, detail: str, **extra: Any) -> None:
        super().__init__(detail)
        self.code, self.detail, self.extra = code, detail, extra
        self.http_status = PROBLEMS[code]

    @property
    def headers(self) -> dict[str, str]:
        """What the answer's head says about it."""
        seconds = self.extra.get("retryAfter")
        return {} if seconds is None else {"Retry-After": str(seconds)}


class TusStatus(IntEnum):
    """What tus adds to HTTP's own statuses."""

    CHECKSUM_MISMATCH = 460

    @property
    def phrase(self) -> str:
        """What stands beside the number."""
        return self.name.replace("_", " ").title()


PROBLEMS: dict[str, HTTPStatus | TusStatus] = {
    "bad_request": HTTPStatus.BAD_REQUEST,
    "unauthorized": HTTPStatus.UNAUTHORIZED,
    "forbidden": HTTPStatus.FORBIDDEN,
    "not_found": HTTPStatus.NOT_FOUND,
    "method_not_allowed": HTTPStatus.METHOD_NOT_ALLOWED,
    "conflict": HTTPStatus.CONFLICT,
    "gone": HTTPStatus.GONE,
    "precondition_failed": HTTPStatus.PRECONDITION_FAILED,
    "too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "storage_quota": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "unsupported_media_type": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "range_not_satisfiable": HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
    "expectation_failed": HTTPStatus.EXPECTATION_FAILED,
    "invalid_value": HTTPStatus.UNPROCESSABLE_ENTITY,
    "not_audio": HTTPStatus.UNPROCESSABLE_ENTITY,
    "too_long": HTTPStatus.UNPROCESSABLE_ENTITY,
    "unknown_lane": HTTPStatus.UNPROCESSABLE_ENTITY,
    "unsupported": HTTPStatus.UNPROCESSABLE_ENTITY,
    "run_failed": HTTPStatus.UNPROCESSABLE_ENTITY,
    "locked": HTTPStatus.LOCKED,
    "too_many_requests": HTTPStatus.TOO_MANY_REQUESTS,
    "queue_quota": HTTPStatus.TOO_MANY_REQUESTS,
    "checksum_mismatch": TusStatus.CHECKSUM_MISMATCH,
    "internal_error": HTTPStatus.INTERNAL_SERVER_ERROR,
    "unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
    "storage_full": HTTPStatus.INSUFFICIENT_STORAGE,
}


class WorkError(Exception):
    """Why a unit of work failed, as its holder reports it.

    Args:
        code: a key of `WORK_ERRORS`.
        message: for the owner of the recording; holds no path, secret or transcript text.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message

    @property
    def is_permanent(self) -> bool:
        """Whether a repeat cannot mend it."""
        return WORK_ERRORS[self.code]


class Busy(WorkError):
    """The engine's server takes no more for now: nothing is wrong with the work.

    Args:
        message: as for any WorkError.
        seconds: after which the server may be asked again.
    """

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__("engine_busy", message)
        self.seconds = seconds


WORK_ERRORS: dict[str, bool] = {
    # code: a repeat cannot mend it
    "not_audio": True,
    "unfit_audio": True,
    "too_long": True,
    "audio_missing": True,
    "unknown_language": True,
    "too_large": True,
    "storage_quota": True,
    "import_refused": True,
    "canceled": True,
    "worker_lost": True,
    "engine_refused": True,
    "engine_busy": True,
    "slot_died": False,
    "deadline": False,
    "engine_failed": False,
    "storage_failed": False,
    "import_failed": False,
    "internal_error": False,
}
