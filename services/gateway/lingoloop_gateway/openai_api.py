"""OpenAI's audio API for its unmodified clients: an upload like any other, answered when its run has ended."""

import socket
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from aiohttp import web

from lingoloop_common.auth import READ, WRITE, Callers
from lingoloop_common.contracts.states import RunStatus
from lingoloop_common.errors import Problem
from lingoloop_common.http import json_response, name_run
from lingoloop_common.store.database import BROKEN
from lingoloop_common.store.runs import Row
from lingoloop_gateway.accepted import Accepted
from lingoloop_gateway.bodies import Fields, read_form
from lingoloop_gateway.idempotency import REPLAYED, once, read_key, replayed
from lingoloop_gateway.lanes import Lanes
from lingoloop_gateway.openai_answers import (
    STREAM,
    Kind,
    delta_event,
    error_event,
    kind_of,
    write_done,
    write_transcript,
)
from lingoloop_gateway.openai_errors import RUN_FAILED, error_body, error_response
from lingoloop_gateway.openai_options import (
    DEFAULT_MODEL,
    TranscriptionOptions,
    read_transcription_options,
    upload_options,
)
from lingoloop_gateway.options import UploadOptions
from lingoloop_gateway.paragraphs import RunningText
from lingoloop_gateway.quotas import Quotas
from lingoloop_gateway.runs import PAGE, Runs
from lingoloop_gateway.upload_count import UploadCount, counted
from lingoloop_gateway.uploads import Uploads
from lingoloop_gateway.waiting import DoneWaiter

log = structlog.get_logger(__name__)

PATIENCE = 30.0
"""Seconds in which a run may fail with a status of its own, before an answer begins; proxies wait for 60."""

HEARTBEAT = 15.0
"""Seconds between two signs of life after that."""

PROBE_SECONDS = 30
"""Seconds of silence after which the system probes a connection, and between two probes."""

RUN_ID = "Lingoloop-Run-Id"


class Answer:
    """An answer whose head goes out with its first byte: until then a failure still has a status of its own."""

    def __init__(self, request: web.Request, kind: Kind, accepted: Accepted) -> None:
        headers = {"Content-Type": kind.content_type, "Cache-Control": "no-store"}
        headers[RUN_ID] = str(accepted.run_id)
        if accepted.replayed:
            headers[REPLAYED] = "true"
        if kind is STREAM:
            headers["X-Accel-Buffering"] = "no"
        self._request, self._kind = request, kind
        self._response = web.StreamResponse(headers=headers)

    @property
    def begun(self) -> bool:
        """Whether the head is out."""
        return self._response.prepared

    @property
    def pause(self) -> float:
        """Seconds until the next sign of life is due."""
        return HEARTBEAT if self.begun else PATIENCE

    async def write(self, data: bytes) -> None:
        """Send bytes, the head before the first of them."""
        if not self.begun:
            await self._response.prepare(self._request)
        await self._response.write(data)

    async def show_life(self) -> None:
        """Send what readers of this kind of answer skip; nothing where there is no such thing."""
        if self._kind.filler:
            await self.write(self._kind.filler)

    async def fail(self, problem: Problem) -> None:
        """Tell a problem in the answer that has begun."""
        body = error_body(problem)
        await self.write(error_event(body) if self._kind is STREAM else body)

    def break_off(self) -> web.StreamResponse:
        """Break the connection, which their clients take for a reason to ask again."""
        if self._request.transport:
            self._request.transport.abort()
        return self._response

    async def end(self) -> web.StreamResponse:
        """Send the end."""
        await self._response.write_eof()
        return self._response


@dataclass(slots=True)
class Seen:
    """What a request has seen of its run: the row when it had ended, segments to tell, the last index that was told."""

    end: Row | None = None
    fresh: list[dict[str, Any]] = field(default_factory=list)
    last: int = -1


class OpenAiApi:
    """Handles `/v1/…`."""

    def __init__(
        self,
        *,
        callers: Callers,
        uploads: Uploads,
        lanes: Lanes,
        quotas: Quotas,
        runs: Runs,
        waiter: DoneWaiter,
    ) -> None:
        self._callers, self._uploads, self._lanes, self._quotas = callers, uploads, lanes, quotas
        self._runs, self._waiter = runs, waiter
        self._stopping = False

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.post("/v1/audio/transcriptions", self.post_transcription),
            web.get("/v1/models", self.get_models),
            web.get("/v1/models/{model:.+}", self.get_model),
        ]

    async def say_goodbye(self, app: web.Application) -> None:
        """End all waits, so that the server can stop; the runs go on."""
        self._stopping = True
        self._waiter.hint_all()

    async def get_models(self, request: web.Request) -> web.Response:
        """Answer with the models that an upload can name."""
        await self._callers.caller(request, READ)
        return json_response({"object": "list", "data": list((await self._models()).values())})

    async def get_model(self, request: web.Request) -> web.Response:
        """Answer with one of them."""
        await self._callers.caller(request, READ)
        name = request.match_info["model"]
        try:
            return json_response((await self._models())[name])
        except KeyError:
            raise Problem("unknown_lane", f"The model `{name}` does not exist") from None

    async def _models(self) -> dict[str, dict[str, Any]]:
        since = dict(await self._lanes.known())
        if default := since.get(self._lanes.default):
            since = {DEFAULT_MODEL: default, **since}
        return {
            name: {
                "id": name,
                "object": "model",
                "created": int(moment.timestamp()),
                "owned_by": "lingoloop",
            }
            for name, moment in since.items()
        }

    async def post_transcription(self, request: web.Request) -> web.StreamResponse:
        """Take an upload, and answer with its words when all of them are there, or as they come."""
        caller = await self._callers.caller(request, WRITE)
        if request.content_type != "multipart/form-data":
            raise Problem("unsupported_media_type", "send multipart/form-data")
        key = read_key(request)
        # Held before there is anything to lose, and before the run can end.
        async with self._waiter.feed.hold(caller.owner):
            with counted("openai") as upload:
                options, accepted = await self._take(request, caller.owner, key, upload)
                upload.reused = accepted.reused or accepted.replayed
            name_run(accepted.run_id)
            keep_connection(request)
            answer = Answer(request, kind_of(options), accepted)
            try:
                return await self._answer(answer, options, accepted.run_id, caller.owner)
            except Problem as problem:
                if accepted.replayed:
                    return replayed(error_response(problem))
                raise

    async def _take(
        self, request: web.Request, owner: str, key: str | None, upload: UploadCount
    ) -> tuple[TranscriptionOptions, Accepted]:
        async with self._quotas.room(owner, request.content_length, key) as room:
            received, (options, wanted) = await read_form(
                request,
                lambda parts, name, kind: self._uploads.receive(
                    upload.watch(room.watch(parts)), filename=name, content_type=kind, owner=owner
                ),
                self._uploads.drop,
                self._read,
            )
            wish = once(request, owner, key, options, sha256=received.stored.sha256)
            return options, await self._uploads.accept(owner, received, wanted, wish)

    async def _read(self, fields: Fields) -> tuple[TranscriptionOptions, UploadOptions]:
        options = read_transcription_options(fields)
        lanes = await self._lanes.known()
        return options, upload_options(options, lanes=lanes, default_lane=self._lanes.default)

    async def _answer(
        self, answer: Answer, options: TranscriptionOptions, run_id: UUID, owner: str
    ) -> web.StreamResponse:
        try:
            run = await self._follow(answer, run_id, owner, words=options.stream)
            if run["status"] == RunStatus.FAILED:
                cause = {"code": run["error_code"], "message": run["error_message"]}
                raise Problem(RUN_FAILED, run["error_message"], cause=cause)
        except Problem as problem:
            if not answer.begun:
                raise
            if self._stopping:
                return answer.break_off()
            await answer.fail(problem)
            return await answer.end()
        read = partial(self._runs.all_segments, run_id, owner)
        async for part in write_done(read) if options.stream else write_transcript(options, run, read):
            await answer.write(part)
        return await answer.end()

    async def _follow(self, answer: Answer, run_id: UUID, owner: str, *, words: bool) -> Row:
        """Return the run when it has ended; with `words`, tell each of them when all before it are there."""
        seen, text = Seen(), RunningText()
        while True:
            look = partial(self._look, seen, run_id, owner, words=words)
            if not await self._waiter.until(run_id, look, seconds=answer.pause, each_event=words):
                await answer.show_life()
                continue
            for segment in seen.fresh:
                if delta := text.added(segment["text"]):
                    await answer.write(delta_event(delta))
                seen.last = segment["index"]
            if seen.end and len(seen.fresh) < PAGE:
                return seen.end

    async def _look(self, seen: Seen, run_id: UUID, owner: str, *, words: bool) -> bool:
        """Look whether there is news; no while nobody can say, so that a wait outlives a restart of the database."""
        if self._stopping:
            raise Problem("unavailable", "the service is stopping; the run goes on")
        seen.fresh = []
        try:
            run = await self._runs.get(run_id, owner)  # first: if it has ended, what is read then is all
            if words:
                seen.fresh = await self._runs.segments_in_order(run_id, owner, after=seen.last)
        except BROKEN as error:
            log.warning("will look again", run_id=str(run_id), error=type(error).__name__)
            return False
        seen.end = run if RunStatus(run["status"]).is_final else None
        return seen.end is not None or bool(seen.fresh)


def keep_connection(request: web.Request) -> None:
    """Let the system probe a connection on which nothing may be sent for long, where it can."""
    transport = request.transport
    if transport and hasattr(socket, "TCP_KEEPIDLE"):
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, PROBE_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, PROBE_SECONDS)
