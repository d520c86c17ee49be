"""The body of an upload: multipart with one file, or the bytes themselves. Read as a stream, never as a whole."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeVar

from aiohttp import BodyPartReader, hdrs, web
from aiohttp.http_exceptions import HttpProcessingError

from lingoloop_common.errors import Problem
from lingoloop_gateway.options import UploadOptions, read_options
from lingoloop_gateway.uploads import Received

PART = 2**18
FIELD_LIMIT = 64 * 1024
PARTS_LIMIT = 50

Receive = Callable[[AsyncIterator[bytes], str, str], Awaitable[Received]]
Drop = Callable[[Received], Awaitable[None]]
Fields = Sequence[tuple[str, str]]
"""The names and values of a form's fields, in their order; a name may come more than once."""

T = TypeVar("T")


async def read_upload(request: web.Request, receive: Receive, drop: Drop) -> tuple[Received, UploadOptions]:
    """Read an upload; `receive` stores the file, `drop` forgets it if the rest is wrong.

    Raises:
        Problem: the body or an option is wrong; nothing is kept.
    """
    if request.content_type.startswith("multipart/"):
        if request.content_type != "multipart/form-data":
            raise Problem(
                "unsupported_media_type", "send multipart/form-data, or the recording's bytes themselves"
            )
        return await read_form(request, receive, drop, _upload_options)
    options = read_options(request.query)
    received = await receive(
        _body(request),
        options.filename or "recording",
        request.headers.get("Content-Type", "application/octet-stream"),
    )
    return received, options


async def _upload_options(fields: Fields) -> UploadOptions:
    return read_options(dict(fields))


async def _body(request: web.Request) -> AsyncIterator[bytes]:
    async for part in request.content.iter_chunked(PART):
        yield part


async def read_form(
    request: web.Request, receive: Receive, drop: Drop, read: Callable[[Fields], Awaitable[T]]
) -> tuple[Received, T]:
    """Read a form with one file, its parts in any order; `read` makes of the fields what they ask for.

    The query's fields come first. `receive` and `drop` as for `read_upload`.

    Raises:
        Problem: the form is wrong, or `read` finds the fields so; nothing is kept.
    """
    fields: list[tuple[str, str]] = list(dict(request.query).items())
    received: Received | None = None
    try:
        try:
            reader = await request.multipart()
            count = 0
            async for part in reader:
                count += 1
                if not isinstance(part, BodyPartReader):
                    raise Problem("bad_request", "a part of the form is itself multipart")
                if count > PARTS_LIMIT:
                    raise Problem("bad_request", f"a form may have {PARTS_LIMIT} parts")
                if part.name == "file":
                    if received is not None:
                        raise Problem("bad_request", "send one file at a time")
                    content_type = part.headers.get(hdrs.CONTENT_TYPE, "application/octet-stream")
                    received = await receive(_file(part), part.filename or "recording", content_type)
                elif part.name:
                    if not _is_text(part.name):
                        raise Problem("bad_request", "the name of a part is not UTF-8")
                    fields.append((part.name, await _field(part)))
        except (ValueError, AssertionError) as error:
            raise Problem("bad_request", f"the form cannot be read: {error}") from error
        except HttpProcessingError as error:
            raise Problem(
                "bad_request", "the form cannot be read: the headers of a part are wrong"
            ) from error
        if received is None:
            raise Problem("bad_request", "the form has no part named file")
        return received, await read(fields)
    except BaseException:
        if received is not None:
            await drop(received)
        raise


def _is_text(name: str) -> bool:
    """Whether a header's bytes were UTF-8: aiohttp reads others as lone surrogates, which no answer could repeat."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


async def _file(part: BodyPartReader) -> AsyncIterator[bytes]:
    while data := await part.read_chunk(PART):
        yield data


async def _field(part: BodyPartReader) -> str:
    data = bytearray()
    while chunk := await part.read_chunk():
        data += chunk
        if len(data) > FIELD_LIMIT:
            raise Problem("bad_request", f"the field {part.name} is too long")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Problem("bad_request", f"the field {part.name} is not UTF-8") from None
