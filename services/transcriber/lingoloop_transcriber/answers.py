"""What a server's answer means for an import that has some of the bytes already (RFC 9110, sections 13 to 15). Pure."""

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus

from aiohttp.multipart import content_disposition_filename, parse_content_disposition

from lingoloop_common.errors import WorkError

_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")
_NUMBER = re.compile(r"\d{1,18}")
_PASSING = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_EARLY,
    HTTPStatus.TOO_MANY_REQUESTS,
}
"""Of the statuses below 500 those that a server takes back by itself."""


class Body(StrEnum):
    """What the answer's body is."""

    REST = "rest"
    """The bytes after those that are there."""

    WHOLE = "whole"
    """The file from its first byte."""

    OTHER = "other"
    """Nothing that fits what is there: the file is another by now."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, as far as an import cares.

    Attributes:
        total: the file's bytes, None where the server does not say.
        validator: the server's name for these very bytes, for `If-Range`; None where it has none that is good for that.
        has_ranges: the server says that it can go on in the middle.
    """

    body: Body
    total: int | None
    validator: str | None
    has_ranges: bool


def conditions(position: int, validator: str | None) -> dict[str, str]:
    """Return the headers that ask for what comes after `position`, or for the whole file if it is another by now."""
    if not position or validator is None:
        return {}
    return {"Range": f"bytes={position}-", "If-Range": validator}


def read_answer(status: int, headers: Mapping[str, str], *, position: int, validator: str | None) -> Answer:
    """Read an answer to a request with `conditions`.

    Raises:
        WorkError: the server refuses (`import_refused`), or cannot now (`import_failed`).
    """
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _PASSING:
        raise WorkError("import_failed", f"the server answered {status}")
    new_validator = _validator(headers)
    has_ranges = new_validator is not None and headers.get("Accept-Ranges", "").strip().lower() == "bytes"
    if status == HTTPStatus.OK:
        _check_coding(headers)
        length = headers.get("Content-Length", "")
        total = int(length) if _NUMBER.fullmatch(length) else None
        return Answer(Body.WHOLE, total, new_validator, has_ranges)
    if position and status == HTTPStatus.PARTIAL_CONTENT:
        _check_coding(headers)
        part = _RANGE.fullmatch(headers.get("Content-Range", "").strip())
        fits = part is not None and int(part[1]) == position and new_validator in (None, validator)
        total = int(part[3]) if part and part[3] != "*" else None
        return Answer(Body.REST if fits else Body.OTHER, total, validator, has_ranges=True)
    if position and status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return Answer(Body.OTHER, None, None, has_ranges=False)
    raise WorkError("import_refused", f"the server answered {status}")


def name_in(headers: Mapping[str, str]) -> str | None:
    """Return what the server calls the file, None if it does not (RFC 6266)."""
    disposition = headers.get("Content-Disposition")
    if not disposition:
        return None
    with warnings.catch_warnings(action="ignore"):  # of what servers write, nobody here is to blame
        _, parameters = parse_content_disposition(disposition)
        return content_disposition_filename(parameters)


def _check_coding(headers: Mapping[str, str]) -> None:
    coding = headers.get("Content-Encoding", "identity").strip().lower()
    if coding != "identity":
        raise WorkError("import_refused", "the server sends the file packed, though it was asked not to")


def _validator(headers: Mapping[str, str]) -> str | None:
    """Return the ETag if it is a strong one, else the time of the last change: a weak ETag says nothing of bytes."""
    etag = headers.get("ETag", "").strip()
    if etag.startswith('"'):
        return etag
    return headers.get("Last-Modified", "").strip() or None
