"""A recording's original bytes, all of them or a range.

aiohttp's FileResponse would make its ETag of the file's time, which a restored folder changes, and does not compare one in
If-Range: a player would put bytes of two files together.
"""

import contextlib
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from email.utils import format_datetime
from http import HTTPStatus

from aiohttp import ETag, web

from lingoloop_common.blobs import BlobMissing, Blobs
from lingoloop_common.errors import Problem
from lingoloop_common.http import problem_response
from lingoloop_common.names import content_disposition
from lingoloop_common.store.runs import Row
from lingoloop_gateway.parameters import flag_in_query
from lingoloop_gateway.ranges import Unsatisfiable, wanted_bytes

NOT_FETCHED = "the recording has not been fetched yet from where it is; see its run"
NOT_THERE = "the recording is not in the storage any more"


async def answer_content(request: web.Request, audio: Row, blobs: Blobs) -> web.StreamResponse:
    """Answer with the bytes of an audio, as far as the request's conditions and range want them.

    Raises:
        Problem: `conflict` when they are still to be fetched, `not_found` when they are not in the storage, or
            `precondition_failed`.
        OSError: the file broke off; what was sent must not look whole.
    """
    if audio["sha256"] is None:
        raise Problem("conflict", NOT_FETCHED)
    etag: str = audio["sha256"].hex()
    modified: datetime = audio["created_at"].astimezone(UTC).replace(microsecond=0)
    headers = {
        "ETag": f'"{etag}"',
        "Last-Modified": format_datetime(modified, usegmt=True),
        "Accept-Ranges": "bytes",
        "Cache-Control": "private",
    }
    if _is_unchanged(request, etag, modified):
        return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
    shown = {"content_type": audio["content_type"], "disposition": content_disposition(audio["filename"])}
    if (
        flag_in_query(request, "redirect")
        and request.method != "HEAD"  # a signature holds for one method
        and (url := await blobs.signed_url(audio["blob"], **shown))
    ):
        given = {"Location": url, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
        return web.Response(status=HTTPStatus.TEMPORARY_REDIRECT, headers=given)
    size: int = audio["size_bytes"]
    try:
        part = wanted_bytes(_range_header(request, etag, modified), size)
    except Unsatisfiable as error:
        refusal = problem_response(Problem("range_not_satisfiable", str(error)))
        refusal.headers["Content-Range"] = f"bytes */{size}"
        return refusal
    headers["Content-Type"] = shown["content_type"]
    headers["Content-Disposition"] = shown["disposition"]
    headers["X-Content-Type-Options"] = "nosniff"
    if part is not None:
        headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
    wanted = range(size) if part is None else part
    headers["Content-Length"] = str(len(wanted))
    response = web.StreamResponse(
        status=HTTPStatus.OK if part is None else HTTPStatus.PARTIAL_CONTENT, headers=headers
    )
    parts = blobs.read(audio["blob"], start=wanted.start, end=wanted.stop)
    async with contextlib.aclosing(parts):
        data = await _begun(parts) if request.method != "HEAD" else await _is_there(blobs, audio["blob"])
        await response.prepare(request)
        sent = 0
        while data:
            await response.write(data)
            sent += len(data)
            data = await anext(parts, b"")
        if sent < len(wanted) and request.method != "HEAD":
            raise OSError("a recording is shorter than it was")
    await response.write_eof()
    return response


def _is_unchanged(request: web.Request, etag: str, modified: datetime) -> bool:
    """Whether the client has the bytes already; raise Problem when it asks only for others (RFC 9110, 13.2.2)."""
    if request.if_match is not None:
        holds = _names(request.if_match, etag, weak=False)
    else:
        holds = request.if_unmodified_since is None or modified <= request.if_unmodified_since
    if not holds:
        raise Problem("precondition_failed", "the recording is not the one that was asked for")
    if request.if_none_match is not None:
        return _names(request.if_none_match, etag, weak=True)
    return request.if_modified_since is not None and modified <= request.if_modified_since


def _names(etags: tuple[ETag, ...], etag: str, *, weak: bool) -> bool:
    return any(given.value in ("*", etag) and (weak or not given.is_weak) for given in etags)


def _range_header(request: web.Request, etag: str, modified: datetime) -> str:
    """Return the range that is asked for, nothing where it was meant for other bytes, or for no bytes at all."""
    condition = request.headers.get("If-Range")
    if request.method == "HEAD" or (
        condition is not None and condition.strip() != f'"{etag}"' and request.if_range != modified
    ):
        return ""
    return request.headers.get("Range", "")


async def _begun(parts: AsyncGenerator[bytes, None]) -> bytes:
    """Return the first bytes, so that what is missing is told before an answer begins."""
    try:
        return await anext(parts, b"")
    except (BlobMissing, FileNotFoundError):
        raise Problem("not_found", NOT_THERE) from None


async def _is_there(blobs: Blobs, name: str) -> bytes:
    """Return no bytes of a blob that is there."""
    try:
        await blobs.length(name)
    except BlobMissing:
        raise Problem("not_found", NOT_THERE) from None
    return b""
