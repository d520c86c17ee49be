"""The gateway's HTTP face: routes, who may, and the shapes of requests and answers."""

from functools import partial
from pathlib import PurePath
from typing import Any
from uuid import UUID

from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware

from lingoloop_common.auth import READ, WRITE, Callers
from lingoloop_common.blobs import Blobs
from lingoloop_common.contracts.states import RunStatus
from lingoloop_common.errors import Problem
from lingoloop_common.http import json_response, name_run, problem_response, public_app
from lingoloop_common.keys import digest
from lingoloop_common.names import content_disposition
from lingoloop_common.store.runs import total_ms
from lingoloop_gateway.accepted import Accepted
from lingoloop_gateway.admin import Admin
from lingoloop_gateway.audios import Audios, describe_audio
from lingoloop_gateway.bodies import read_upload
from lingoloop_gateway.content import answer_content
from lingoloop_gateway.control import Control
from lingoloop_gateway.deletions import Deletions, describe_receipt
from lingoloop_gateway.description.page import description_routes
from lingoloop_gateway.edits import Edits
from lingoloop_gateway.engines import Engines
from lingoloop_gateway.exports import FORMATS
from lingoloop_gateway.idempotency import IdempotencyKeys, once, read_key, replayed
from lingoloop_gateway.imports import Imports
from lingoloop_gateway.more_runs import MoreRuns
from lingoloop_gateway.openai_api import OpenAiApi
from lingoloop_gateway.openai_errors import error_response
from lingoloop_gateway.options import read_again_options, read_import_options
from lingoloop_gateway.paragraphs import RunningText
from lingoloop_gateway.parameters import (
    INDEX_MOST,
    LIST_LIMIT,
    SEGMENTS_LIMIT,
    choices_in_query,
    flag_in_query,
    id_in_path,
    number_in_query,
)
from lingoloop_gateway.passing import EventStreams
from lingoloop_gateway.peaks import Peaks
from lingoloop_gateway.quotas import Quotas
from lingoloop_gateway.runs import Runs
from lingoloop_gateway.search import Search
from lingoloop_gateway.sign_in import SignIn
from lingoloop_gateway.tickets import make_ticket, read_wish, tell_ticket
from lingoloop_gateway.tus_api import TusApi
from lingoloop_gateway.upload_count import UploadCount, counted
from lingoloop_gateway.uploads import Uploads
from lingoloop_gateway.waiting import DoneWaiter
from lingoloop_gateway.web_app import WebApp
from lingoloop_gateway.webhooks_api import WebhooksApi

SYNC_SEGMENTS = 10_000
"""Segments in the answer to a small upload; a minute of speech has a few dozen."""


class Server:
    """Handles the public API."""

    def __init__(
        self,
        *,
        callers: Callers,
        uploads: Uploads,
        imports: Imports,
        more_runs: MoreRuns,
        audios: Audios,
        deletions: Deletions,
        runs: Runs,
        search: Search,
        control: Control,
        edits: Edits,
        peaks: Peaks,
        admin: Admin,
        engines: Engines,
        sign_in: SignIn,
        web_app: WebApp,
        openai: OpenAiApi,
        tus: TusApi,
        webhooks: WebhooksApi,
        waiter: DoneWaiter,
        streams: EventStreams,
        blobs: Blobs,
        quotas: Quotas,
        keys: IdempotencyKeys,
        gate: Middleware,
        sync_timeout: float | None,
        inline: bool,
    ) -> None:
        self._callers, self._uploads, self._audios, self._runs = callers, uploads, audios, runs
        self._deletions, self._control, self._admin, self._openai = deletions, control, admin, openai
        self._waiter, self._streams, self._blobs = waiter, streams, blobs
        self._quotas, self._keys, self._gate = quotas, keys, gate
        self._edits, self._search, self._peaks = edits, search, peaks
        self._tus, self._imports, self._more_runs = tus, imports, more_runs
        self._webhooks, self._engines, self._sign_in, self._web_app = webhooks, engines, sign_in, web_app
        self._sync_timeout, self._inline = sync_timeout, inline

    def app(self, cors_allowed_origins: tuple[str, ...]) -> web.Application:
        """Return the application."""
        app = public_app(cors_allowed_origins, {"/v1/": error_response})
        app.middlewares.append(self._gate)
        app.on_response_prepare.append(self._tus.mark)
        app.on_shutdown.extend([self._streams.say_goodbye, self._openai.say_goodbye])
        app.add_routes(
            [
                web.post("/api/audios", self.post_audio),
                web.get("/api/audios", self.get_audios),
                web.get("/api/audios/{audio_id}", self.get_audio),
                web.delete("/api/audios/{audio_id}", self.delete_audio),
                web.get("/api/audios/{audio_id}/content", self.get_content),
                web.post("/api/audios/{audio_id}/transcribe", self.transcribe_audio),
                web.get("/api/runs", self.get_runs),
                web.get("/api/runs/events", self._streams.pass_on, allow_head=False),
                web.get("/api/runs/{run_id}", self.get_run),
                web.get("/api/runs/{run_id}/progress", self.get_progress),
                web.get("/api/runs/{run_id}/segments", self.get_segments),
                web.get("/api/runs/{run_id}/export", self.get_export),
                web.get("/api/runs/{run_id}/events", self._streams.pass_on, allow_head=False),
                web.post("/api/tickets", self.post_ticket),
                web.post("/api/runs/{run_id}/cancel", self.cancel_run),
                web.post("/api/runs/{run_id}/retry", self.retry_run),
                *self._edits.routes(),
                *self._peaks.routes(),
                *self._admin.routes(),
                *self._openai.routes(),
                *self._tus.routes(),
                *self._webhooks.routes(),
                *self._engines.routes(),
                *self._sign_in.routes(),
                *description_routes(),
                *self._web_app.routes(),
            ]
        )
        return app

    async def post_audio(self, request: web.Request) -> web.Response:
        """Take an upload, or where one is to be fetched; a small one is answered with its words, a large one with 202."""
        caller = await self._callers.caller(request, WRITE)
        key = read_key(request)
        # Held before there is anything to lose, and before the run can end.
        async with self._waiter.feed.hold(caller.owner):
            with counted(_way(request)) as upload:
                take = self._import if request.content_type == "application/json" else self._take
                accepted = await take(request, caller.owner, key, upload)
                upload.reused = accepted.reused or accepted.replayed
            return await self._accepted(accepted, caller.owner)

    async def _import(
        self, request: web.Request, owner: str, key: str | None, upload: UploadCount
    ) -> Accepted:
        wanted = read_import_options(request.query, await request.read())
        return await self._imports.expect(owner, wanted, once(request, owner, key, wanted))

    async def _take(self, request: web.Request, owner: str, key: str | None, upload: UploadCount) -> Accepted:
        async with self._quotas.room(owner, request.content_length, key) as room:
            received, options = await read_upload(
                request,
                lambda parts, name, kind: self._uploads.receive(
                    upload.watch(room.watch(parts)), filename=name, content_type=kind, owner=owner
                ),
                self._uploads.drop,
            )
            wish = once(request, owner, key, options, sha256=received.stored.sha256)
            return await self._uploads.accept(owner, received, options, wish)

    async def transcribe_audio(self, request: web.Request) -> web.Response:
        """Let a recording be transcribed with other options, or find the run with the same; answered as an upload is."""
        caller = await self._callers.caller(request, WRITE)
        key = read_key(request)
        audio = await self._audios.get(id_in_path(request, "audio_id", "audio"), caller.owner)
        options = read_again_options(request.query, await request.read())
        async with self._waiter.feed.hold(caller.owner):
            wish = once(request, caller.owner, key, options)
            accepted = await self._more_runs.transcribe(caller.owner, audio, options, wish)
            return await self._accepted(accepted, caller.owner)

    async def get_audios(self, request: web.Request) -> web.Response:
        """Answer with a page of the caller's recordings, the newest first."""
        caller = await self._callers.caller(request, READ)
        items, cursor = await self._audios.page(
            caller.owner,
            cursor=request.query.get("cursor"),
            limit=number_in_query(request, "limit", default=50, least=1, most=LIST_LIMIT),
        )
        return json_response({"items": items, "nextCursor": cursor})

    async def get_audio(self, request: web.Request) -> web.Response:
        """Answer with a recording: what is known of it, and its runs."""
        caller = await self._callers.caller(request, READ)
        audio = await self._audios.get(id_in_path(request, "audio_id", "audio"), caller.owner)
        return json_response(describe_audio(audio))

    async def delete_audio(self, request: web.Request) -> web.Response:
        """Delete a recording and all that came of it; answer with the receipt."""
        caller = await self._callers.caller(request, WRITE)
        receipt = await self._deletions.delete(id_in_path(request, "audio_id", "audio"), caller.owner)
        return json_response(describe_receipt(receipt))

    async def get_content(self, request: web.Request) -> web.StreamResponse:
        """Answer with a recording's original bytes."""
        caller = await self._callers.caller(request, READ, in_query=True)
        audio = await self._audios.get(id_in_path(request, "audio_id", "audio"), caller.owner)
        return await answer_content(request, audio, self._blobs)

    async def get_runs(self, request: web.Request) -> web.Response:
        """Answer with a page of the caller's runs, the newest first; with `q`, of those in which that is said."""
        caller = await self._callers.caller(request, READ)
        query = request.query.get("q", "").strip()
        find = (
            partial(self._search.page, caller.owner, query)
            if query
            else partial(self._runs.page, caller.owner)
        )
        items, cursor = await find(
            statuses=choices_in_query(request, "status", RunStatus),
            cursor=request.query.get("cursor"),
            limit=number_in_query(request, "limit", default=50, least=1, most=LIST_LIMIT),
        )
        return json_response({"items": items, "nextCursor": cursor})

    async def get_run(self, request: web.Request) -> web.Response:
        """Answer with a run."""
        caller = await self._callers.caller(request, READ)
        run = await self._runs.get(id_in_path(request, "run_id", "run"), caller.owner)
        return json_response(await self._runs.describe(run))

    async def get_progress(self, request: web.Request) -> web.Response:
        """Answer with the document's progress shape."""
        caller = await self._callers.caller(request, READ)
        return json_response(await self._runs.progress(id_in_path(request, "run_id", "run"), caller.owner))

    async def get_segments(self, request: web.Request) -> web.Response:
        """Answer with a page of the segments so far."""
        caller = await self._callers.caller(request, READ)
        run = await self._runs.get(id_in_path(request, "run_id", "run"), caller.owner)
        limit = number_in_query(request, "limit", default=100, least=1, most=SEGMENTS_LIMIT)
        after = number_in_query(request, "cursor", default=-1, least=-1, most=INDEX_MOST)
        original = flag_in_query(request, "original")
        found = await self._runs.segments(
            run["id"], caller.owner, after=after, limit=limit + 1, original=original
        )
        items = found[:limit]
        more = len(found) > limit
        return json_response({"items": items, "nextCursor": str(items[-1]["index"]) if more else None})

    async def get_export(self, request: web.Request) -> web.StreamResponse:
        """Answer with the transcript as a file."""
        caller = await self._callers.caller(request, READ, in_query=True)
        run = await self._runs.get(id_in_path(request, "run_id", "run"), caller.owner)
        name = request.query.get("fmt", "txt")
        if name not in FORMATS:
            raise Problem("invalid_value", f"fmt must be one of {', '.join(FORMATS)}")
        original = flag_in_query(request, "original")
        description = await self._runs.describe({**run, "speakers": {}, "edited": False} if original else run)
        headers = {
            "Content-Type": FORMATS[name].content_type,
            "Content-Disposition": content_disposition(f"{PurePath(description['filename']).stem}.{name}"),
            "X-Content-Type-Options": "nosniff",
        }
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        segments = self._runs.all_segments(run["id"], caller.owner, original=original)
        async for part in FORMATS[name].write(description, segments):
            await response.write(part)
        await response.write_eof()
        return response

    async def post_ticket(self, request: web.Request) -> web.Response:
        """Make a ticket for a stream or a file, which stands in for the token in its address."""
        caller = await self._callers.caller(request, READ)
        key = read_key(request)
        wish, token = read_wish(await request.read()), request.headers[hdrs.AUTHORIZATION]
        # The token counts: what is kept of the answer is of use only together with it.
        asked = once(request, caller.owner, key, wish, sha256=digest(token))
        made = await self._keys.answered_once(
            asked, lambda database: make_ticket(database, caller, token, wish)
        )
        return tell_ticket(made, token)

    async def cancel_run(self, request: web.Request) -> web.Response:
        """End a run now."""
        caller = await self._callers.caller(request, WRITE)
        run_id = id_in_path(request, "run_id", "run")
        await self._control.cancel(run_id, caller.owner)
        return await self._changed(run_id, caller.owner)

    async def retry_run(self, request: web.Request) -> web.Response:
        """Try a failed run again."""
        caller = await self._callers.caller(request, WRITE)
        run_id = id_in_path(request, "run_id", "run")
        await self._control.retry(run_id, caller.owner)
        return await self._changed(run_id, caller.owner)

    async def _changed(self, run_id: UUID, owner: str) -> web.Response:
        return json_response(await self._runs.describe(await self._runs.get(run_id, owner)), status=202)

    async def _accepted(self, accepted: Accepted, owner: str) -> web.Response:
        """Answer as the first time, where that is kept, and else with what became of the run."""
        name_run(accepted.run_id)
        if not accepted.replayed:
            return await self._outcome(accepted, owner)
        return replayed(await self._keys.kept(accepted.once) or await self._outcome(accepted, owner))

    async def _outcome(self, accepted: Accepted, owner: str) -> web.Response:
        """Answer with a small run's words, if they come in time, else with where the run is."""
        if not accepted.large or self._inline:
            timeout = None if self._inline else self._sync_timeout
            run_id = accepted.run_id
            if await self._waiter.until(run_id, lambda: self._runs.has_ended(run_id), seconds=timeout):
                return await self._finished(accepted, owner)
        return await self._queued(accepted, owner)

    async def _queued(self, accepted: Accepted, owner: str) -> web.Response:
        run = await self._runs.get(accepted.run_id, owner)
        # A run that was there already may have ended; 202 is for what was begun.
        queued = not accepted.reused or run["status"] == RunStatus.QUEUED
        body = {**_ids(accepted), "status": run["status"], "queued": queued}
        headers = {"Location": f"/api/runs/{accepted.run_id}"}
        response = json_response(body, status=200 if accepted.reused else 202, headers=headers)
        return await self._keys.keep(accepted.once, response)

    async def _finished(self, accepted: Accepted, owner: str) -> web.Response:
        run = await self._runs.get(accepted.run_id, owner)
        if not RunStatus(run["status"]).is_final:  # somebody has just let it be tried again
            return await self._queued(accepted, owner)
        if run["status"] == RunStatus.FAILED:
            cause = {"code": run["error_code"], "message": run["error_message"]}
            problem = Problem("run_failed", run["error_message"], **_ids(accepted), cause=cause)
            return await self._keys.keep(accepted.once, problem_response(problem))
        # Words are not kept beside the key: they go when the recording is deleted, and until then are the run's to tell.
        segments = await self._runs.segments(run["id"], owner, after=-1, limit=SYNC_SEGMENTS)
        text = RunningText()
        return json_response(
            {
                **_ids(accepted),
                "status": run["status"],
                "text": "".join(text.added(segment["text"]) for segment in segments),
                "language": run["language"],
                "durationMs": total_ms(run),
                "segments": segments,
            }
        )


def _way(request: web.Request) -> str:
    """Return how an upload comes."""
    if request.content_type == "application/json":
        return "url"
    return "multipart" if request.content_type.startswith("multipart/") else "raw"


def _ids(accepted: Accepted) -> dict[str, Any]:
    ids = {"audioId": str(accepted.audio_id), "runId": str(accepted.run_id), "jobId": str(accepted.job_id)}
    return {**ids, "reused": True} if accepted.reused else ids
