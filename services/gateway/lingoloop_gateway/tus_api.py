"""`/api/uploads`: resumable uploads by tus 1.0.0, to the letter of https://tus.io/protocols/resumable-upload."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC
from email.utils import format_datetime
from uuid import UUID

from aiohttp import hdrs, web

from lingoloop_common import metrics
from lingoloop_common.addresses import origin
from lingoloop_common.auth import WRITE, Callers
from lingoloop_common.errors import Problem
from lingoloop_common.http import name_run
from lingoloop_common.lifecycle import to_its_end
from lingoloop_common.settings import Network
from lingoloop_common.store.database import Connection
from lingoloop_common.store.runs import Row
from lingoloop_gateway.deletions import Deletions
from lingoloop_gateway.idempotency import REPLAYED, IdempotencyKeys, once, read_key
from lingoloop_gateway.parameters import id_in_path
from lingoloop_gateway.resumable import Resumable
from lingoloop_gateway.tus import (
    ALGORITHMS,
    CONTENT_TYPE,
    EXTENSIONS,
    VERSION,
    Creation,
    read_checksum,
    read_creation,
    read_length,
    read_offset,
)
from lingoloop_gateway.tus_bodies import Bodies

PATH = "/api/uploads"
EXTEND_EVERY = 60.0
"""Seconds of one request's bytes after which the upload is told to live on."""

Handler = Callable[[web.Request, str], Awaitable[web.StreamResponse]]


class TusApi:
    """Answers tus clients."""

    def __init__(
        self,
        *,
        callers: Callers,
        resumable: Resumable,
        deletions: Deletions,
        keys: IdempotencyKeys,
        max_bytes: int,
        proxies: Sequence[Network],
    ) -> None:
        self._callers, self._resumable, self._deletions = callers, resumable, deletions
        self._keys, self._max_bytes, self._proxies = keys, max_bytes, proxies
        self._bodies = Bodies()

    def routes(self) -> list[web.RouteDef]:
        """Return the routes. Any may stand for another, by X-HTTP-Method-Override."""
        one = f"{PATH}/{{upload_id}}"
        return [
            web.post(PATH, self.answer_all, expect_handler=_not_yet),
            web.options(PATH, self.answer_all),
            web.head(one, self.answer_one),
            web.post(one, self.answer_one, expect_handler=_not_yet),
            web.patch(one, self.answer_one, expect_handler=_not_yet),
            web.delete(one, self.answer_one),
            web.options(one, self.answer_one),
        ]

    async def mark(self, request: web.Request, response: web.StreamResponse) -> None:
        """Give every answer here, also a refusal, the headers that each must have."""
        if not request.path.startswith(PATH):
            return
        response.headers["Tus-Resumable"] = VERSION
        response.headers.setdefault("Cache-Control", "no-store")
        if response.status == web.HTTPPreconditionFailed.status_code:
            response.headers["Tus-Version"] = VERSION

    async def answer_all(self, request: web.Request) -> web.StreamResponse:
        """Create an upload, or say what can be done here."""
        return await self._answer(request, {"POST": self._post})

    async def answer_one(self, request: web.Request) -> web.StreamResponse:
        """Say how far an upload is, take bytes of it, or end it."""
        return await self._answer(request, {"HEAD": self._head, "PATCH": self._patch, "DELETE": self._delete})

    async def _answer(self, request: web.Request, handlers: dict[str, Handler]) -> web.StreamResponse:
        method = request.headers.get("X-HTTP-Method-Override", request.method).upper()
        if method == "OPTIONS":
            return web.Response(
                status=204,
                headers={
                    "Tus-Version": VERSION,
                    "Tus-Extension": EXTENSIONS,
                    "Tus-Max-Size": str(self._max_bytes),
                    "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
                },
            )
        caller = await self._callers.caller(request, WRITE)
        if method not in handlers:
            raise web.HTTPMethodNotAllowed(method, [*handlers, "OPTIONS"])
        if request.headers.get("Tus-Resumable") != VERSION:
            raise Problem("precondition_failed", f"send Tus-Resumable: {VERSION}")
        return await handlers[method](request, caller.owner)

    async def _post(self, request: web.Request, owner: str) -> web.StreamResponse:
        creation = read_creation(request.headers, self._max_bytes)
        with_bytes = request.can_read_body and request.content_length != 0
        if with_bytes:
            _must_be_bytes(request)
            if creation.parts:
                raise Problem("bad_request", "an upload that is made of others takes no bytes")
            _must_fit(request, 0, creation.length, self._max_bytes)
        wish = once(request, owner, read_key(request), creation)
        await self._resumable.check(creation)
        made = await self._keys.answered_once(
            wish, lambda connection: self._created(connection, owner, creation)
        )
        upload = await self._resumable.get(UUID(made.headers["Location"]), owner)
        offset = await self._resumable.length(upload)
        headers = {"Location": f"{origin(request, self._proxies)}{PATH}/{upload['id']}"}
        if REPLAYED in made.headers:
            headers[REPLAYED] = made.headers[REPLAYED]
        elif with_bytes:
            try:
                offset = await self._take(request, upload, 0)
            except BaseException:
                if wish is None:  # nobody knows its address
                    await to_its_end(self._resumable.drop(upload))
                raise
        if with_bytes:
            headers["Upload-Offset"] = str(offset)
        whole = bool(creation.parts) or offset == upload["length"]
        headers |= await self._state(upload, whole=whole)
        return web.Response(status=201, headers=headers)

    async def _created(self, connection: Connection, owner: str, creation: Creation) -> web.Response:
        upload_id = await self._resumable.create(connection, owner, creation)
        return web.Response(status=201, headers={"Location": str(upload_id)})

    async def _head(self, request: web.Request, owner: str) -> web.StreamResponse:
        upload = await self._found(request, owner)
        offset = await self._resumable.length(upload)
        headers: dict[str, str] = {}
        whole = offset == upload["length"] or upload["parts"] is not None
        try:
            headers |= await self._state(upload, whole=whole)
        except Problem as problem:
            if problem.code != "locked":
                raise
        else:
            headers["Upload-Offset"] = str(upload["length"] if whole else offset)
        if upload["length"] is None:
            headers["Upload-Defer-Length"] = "1"
        else:
            headers["Upload-Length"] = str(upload["length"])
        if upload["metadata"]:
            headers["Upload-Metadata"] = upload["metadata"]
        if upload["concat"]:
            headers["Upload-Concat"] = upload["concat"]
        return web.Response(headers=headers)

    async def _patch(self, request: web.Request, owner: str) -> web.StreamResponse:
        _must_be_bytes(request)
        wanted = read_offset(request.headers)
        length = read_length(request.headers, self._max_bytes)
        upload = await self._found(request, owner)
        if upload["parts"] is not None:
            raise Problem("forbidden", "an upload that is made of others takes no bytes")
        offset = await self._resumable.length(upload)
        if wanted != offset:
            raise Problem("conflict", f"the upload ends at {offset}, not at {wanted}")
        if length is not None:
            await self._resumable.set_length(upload, length, offset)
            upload = {**upload, "length": length}
        _must_fit(request, offset, upload["length"], self._max_bytes)
        if upload["run_id"] is None and upload["final_id"] is None:
            offset = await self._take(request, upload, offset)
        headers = {"Upload-Offset": str(offset)}
        upload = {**upload, "expires_at": await self._resumable.extend(upload)}
        headers |= await self._state(upload, whole=offset == upload["length"])
        return web.Response(status=204, headers=headers)

    async def _delete(self, request: web.Request, owner: str) -> web.StreamResponse:
        upload_id = id_in_path(request, "upload_id", "upload")
        await self._bodies.free(upload_id, if_silent_for=0)
        upload = await self._resumable.get(upload_id, owner)
        if upload["run_id"] is not None and upload["audio_there"]:
            await self._deletions.delete(upload_id, owner)
        await self._resumable.drop(upload)
        return web.Response(status=204)

    async def _found(self, request: web.Request, owner: str) -> Row:
        """Return the upload that a request is for; if its bytes come by a connection that is dead, that one is cut."""
        upload = await self._resumable.get(id_in_path(request, "upload_id", "upload"), owner)
        await self._bodies.free(upload["id"])
        return upload

    async def _take(self, request: web.Request, upload: Row, offset: int) -> int:
        """Take a request's bytes, and return how many the upload has then."""
        checksum = read_checksum(request.headers)
        with self._bodies.open(upload["id"], request) as body:
            if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue" and request.transport:
                request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            return await self._resumable.append(
                upload,
                self._living_on(upload, body.parts()),
                offset=offset,
                length=upload["length"],
                checksum=checksum,
            )

    async def _living_on(self, upload: Row, parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield parts; meanwhile the upload does not expire."""
        loop = asyncio.get_running_loop()
        extended = loop.time()
        async for part in parts:
            if loop.time() - extended > EXTEND_EVERY:
                await self._resumable.extend(upload)
                extended = loop.time()
            metrics.UPLOAD_BYTES.labels("tus").inc(len(part))
            yield part

    async def _state(self, upload: Row, *, whole: bool) -> dict[str, str]:
        """Return the headers that say what becomes of an upload; if all of it has come, see that it becomes a run."""
        if whole and (became := await self._resumable.finish(upload)):
            name_run(became.run_id)
            reused = {"Lingoloop-Reused": "true"} if became.reused else {}
            return {"Lingoloop-Run-Id": str(became.run_id), **reused}
        return {"Upload-Expires": format_datetime(upload["expires_at"].astimezone(UTC), usegmt=True)}


async def _not_yet(request: web.Request) -> None:
    """Let the client wait with its body until it is known that it is wanted."""


def _must_be_bytes(request: web.Request) -> None:
    if request.headers.get("Content-Type") != CONTENT_TYPE:
        raise Problem("unsupported_media_type", f"send Content-Type: {CONTENT_TYPE}")


def _must_fit(request: web.Request, offset: int, length: int | None, max_bytes: int) -> None:
    """Refuse a body that is too long before it comes; raise Problem `too_large`."""
    limit = max_bytes if length is None else length
    if offset + (request.content_length or 0) > limit:
        raise Problem("too_large", f"the upload may have {limit} bytes")
