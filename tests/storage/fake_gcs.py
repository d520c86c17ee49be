"""A small Cloud Storage: what LingoLoop's client asks of its JSON API, with preconditions, versions and signed addresses.

The public emulators know some of it each: gcp-storage-emulator ignores preconditions and signatures.
"""

import asyncio
import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.parser import BytesParser
from typing import Any, Self
from urllib.parse import unquote

import orjson
from aiohttp import web

from lingoloop_common.http import HttpServer

BUCKET = "recordings"


@dataclass
class Object:
    """One generation of an object."""

    name: str
    data: bytes
    generation: int
    metadata: dict[str, str] = field(default_factory=dict)
    live: bool = True
    updated: datetime = field(default_factory=lambda: datetime.now(UTC))

    def shape(self) -> dict[str, Any]:
        return {
            "kind": "storage#object",
            "name": self.name,
            "bucket": BUCKET,
            "generation": str(self.generation),
            "size": str(len(self.data)),
            "metadata": self.metadata,
            "updated": self.updated.isoformat().replace("+00:00", "Z"),
        }


class FakeGcs:
    """One bucket; `versioning` keeps what is deleted or replaced. `lose` swallows answers to writes that were done."""

    def __init__(self) -> None:
        self.objects: list[Object] = []
        self.versioning = False
        self.lose = 0
        self._generations = itertools.count(1)
        app = web.Application(client_max_size=2**30)
        bucket = f"/storage/v1/b/{BUCKET}"
        one = bucket + r"/o/{name:[^/]+}"
        app.router.add_get(bucket, self._bucket)
        app.router.add_get(f"{bucket}/o", self._list)
        app.router.add_post(f"/upload{bucket}/o", self._upload)
        app.router.add_post(f"{one}/compose", self._compose)
        app.router.add_get(one, self._get)
        app.router.add_delete(one, self._delete)
        app.router.add_get("/download" + one, self._download)
        app.router.add_get(f"/{BUCKET}" + r"/{name:.+}", self._signed)
        self._server = HttpServer(app, host="127.0.0.1", port=0)

    @property
    def url(self) -> str:
        return self._server.url

    def names(self) -> list[str]:
        """Return the names of all generations that are there."""
        return sorted(one.name for one in self.objects)

    async def __aenter__(self) -> Self:
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop()

    def live(self, name: str) -> Object | None:
        return next((one for one in self.objects if one.name == name and one.live), None)

    async def _bucket(self, _: web.Request) -> web.Response:
        return web.json_response({"name": BUCKET, "versioning": {"enabled": self.versioning}})

    async def _list(self, request: web.Request) -> web.Response:
        query = request.query
        found = [
            one
            for one in sorted(self.objects, key=lambda one: (one.name, one.generation))
            if one.name.startswith(query.get("prefix", ""))
            and one.name >= query.get("startOffset", "")
            and (one.live or query.get("versions", "").lower() == "true")
        ]
        first, most = int(query.get("pageToken", 0)), int(query.get("maxResults", 1000))
        page: dict[str, Any] = {"items": [one.shape() for one in found[first : first + most]]}
        if first + most < len(found):
            page["nextPageToken"] = str(first + most)
        return web.json_response(page)

    async def _upload(self, request: web.Request) -> web.Response:
        assert request.query["uploadType"] == "multipart"
        head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
        parts: Any = BytesParser().parsebytes(head + await request.read()).get_payload()
        given, data = orjson.loads(parts[0].get_payload()), parts[1].get_payload(decode=True)
        return await self._write(request, given["name"], data, given.get("metadata", {}))

    async def _compose(self, request: web.Request) -> web.Response:
        given = await request.json()
        sources = [self.live(source["name"]) for source in given["sourceObjects"]]
        if None in sources:
            return _refused(404)
        if len(sources) > 32:
            return _refused(400)
        data = b"".join(source.data for source in sources if source)
        metadata = given.get("destination", {}).get("metadata", {})
        return await self._write(request, unquote(request.match_info["name"]), data, metadata)

    async def _write(
        self, request: web.Request, name: str, data: bytes, metadata: dict[str, str]
    ) -> web.Response:
        there = self.live(name)
        wanted = request.query.get("ifGenerationMatch")
        if wanted is not None and int(wanted) != (there.generation if there else 0):
            return _refused(412)
        if there:
            self._end(there)
        made = Object(name, data, next(self._generations), metadata)
        self.objects.append(made)
        if self.lose:
            self.lose -= 1
            assert request.transport is not None
            request.transport.abort()
            await asyncio.sleep(0)
        return web.json_response(made.shape())

    def _end(self, one: Object) -> None:
        one.live = False
        if not self.versioning:
            self.objects.remove(one)

    async def _get(self, request: web.Request) -> web.Response:
        if one := self.live(unquote(request.match_info["name"])):
            return web.json_response(one.shape())
        return _refused(404)

    async def _download(self, request: web.Request) -> web.Response:
        return _bytes(request, self.live(unquote(request.match_info["name"])))

    async def _delete(self, request: web.Request) -> web.Response:
        name, generation = unquote(request.match_info["name"]), request.query.get("generation")
        if generation is None:
            if (there := self.live(name)) is None:
                return _refused(404)
            self._end(there)
        else:
            self.objects = [
                one for one in self.objects if (one.name, one.generation) != (name, int(generation))
            ]
        return web.Response(status=204)

    async def _signed(self, request: web.Request) -> web.Response:
        """Answer whoever comes with an address: what it carries is looked at by the test."""
        answer = _bytes(request, self.live(unquote(request.match_info["name"])))
        answer.headers["Content-Disposition"] = request.query["response-content-disposition"]
        return answer


def _bytes(request: web.Request, one: Object | None) -> web.Response:
    if one is None:
        return _refused(404)
    wanted = request.http_range
    if wanted.start is None:
        return web.Response(body=one.data)
    stop = min(len(one.data), wanted.stop or len(one.data))
    part = {"Content-Range": f"bytes {wanted.start}-{stop - 1}/{len(one.data)}"}
    return web.Response(status=206, body=one.data[wanted.start : stop], headers=part)


def _refused(status: int) -> web.Response:
    return web.json_response({"error": {"code": status, "message": "refused"}}, status=status)
