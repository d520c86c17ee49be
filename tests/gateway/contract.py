"""Holds each answer of a gateway against its description: the status, the media type, the headers, the body."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson
from aiohttp import web
from jsonschema_rs import Draft202012Validator

from lingoloop_common.http import Handler
from lingoloop_gateway.description.document import openapi
from lingoloop_gateway.description.routes import OPENAI
from lingoloop_gateway.description.table import ROUTES

LONGEST = 2**21
"""Bytes of a streamed body that are held against a schema."""


SEEN = web.RequestKey("seen", bool)
"""Of a request that has come to the middlewares: one with an `Expect` that is none has not."""


class Contract:
    """A description, read strictly: an answer may hold nothing that is not described."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._components = {"schemas": _closed(document["components"]["schemas"])}
        self._validator = lru_cache(maxsize=None)(self._make_validator)

    def describes(self, method: str, path: str | None) -> bool:
        """Whether a call is described."""
        return method.lower() in self._document["paths"].get(path, {})

    def disagreement(
        self, method: str, path: str | None, status: int, headers: Mapping[str, str], body: bytes | None
    ) -> str | None:
        """Return how an answer differs from what is described, None where it does not.

        `path` is the route's, None where none was found; `body` is None where it is not known.
        """
        if path is None:
            return None if status in (404, 405, 429) else f"{status} without a route"
        if not self.describes(method, path):
            return "it is not described"
        operation = self._document["paths"][path][method.lower()]
        answer = operation["responses"].get(str(status))
        if answer is None:
            return f"its status {status} is not described"
        missing = [
            name
            for name, told in answer["headers"].items()
            if told["required"] and name not in headers and name != "X-Request-Id"
        ]
        if missing:
            return f"with {status} it has no {', '.join(missing)}"
        if "content" not in answer:
            return f"with {status} it has a body" if body else None
        kind = headers.get("Content-Type", "").partition(";")[0]
        known = kind if kind in answer["content"] else "*/*"
        if known not in answer["content"]:
            return f"with {status} it is {kind}, not {' or '.join(answer['content'])}"
        if body is None or not kind.endswith("json"):
            return None
        return self.wrong(answer["content"][known]["schema"], body)

    def refusal(self, path: str, body: bytes) -> str | None:
        """Return how a refusal where no route was found differs from the shape of problems."""
        name = "OpenAiProblem" if path.startswith(OPENAI) else "Problem"
        return self.wrong({"$ref": f"#/components/schemas/{name}"}, body)

    def wrong(self, schema: Mapping[str, Any], body: bytes) -> str | None:
        """Return what is wrong with a body of JSON, None if it has the schema."""
        for error in self._validator(orjson.dumps(schema)).iter_errors(orjson.loads(body)):
            return f"{'.'.join(map(str, error.instance_path))}: {error.message}"[:500]
        return None

    def _make_validator(self, schema: bytes) -> Draft202012Validator:
        return Draft202012Validator(
            {**orjson.loads(schema), "components": self._components}, validate_formats=True
        )


def _closed(schema: Any) -> Any:
    """Return a schema whose objects have no other members than those that are described."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(value) for name, value in schema.items()}
    if isinstance(schema.get("properties"), dict):
        closed.setdefault("additionalProperties", False)
    return closed


class Witness:
    """Sees all answers of an application, of whatever client, and notes how they disagree with the description."""

    def __init__(self) -> None:
        self.disagreements: list[str] = []
        self._contract = Contract(openapi(ROUTES, version="0"))
        self._bodies: dict[web.StreamResponse, bytearray] = {}

    def watch(self, app: web.Application) -> None:
        """See an application's answers from now on; call it before the application starts."""
        app.middlewares.insert(0, self._see)
        app.on_response_prepare.append(self._listen)

    @web.middleware
    async def _see(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        request[SEEN] = True
        response = await handler(request)
        if not isinstance(response, web.Response):
            self._look(request, response)
        return response

    async def _listen(self, request: web.Request, response: web.StreamResponse) -> None:
        """Look at an answer that has its last headers; of a stream of JSON, keep what is written until its end."""
        if SEEN not in request:
            return
        if isinstance(response, web.Response):
            self._look(request, response)
            return
        if response.content_type != "application/json":
            return
        body, write = bytearray(), response.write

        async def listening(data: bytes) -> None:
            body.extend(data[: LONGEST - len(body)])
            await write(data)

        response.write = listening  # type: ignore[method-assign,assignment]
        self._bodies[response] = body

    def _look(self, request: web.Request, response: web.StreamResponse) -> None:
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            return
        resource = request.match_info.route.resource
        path = resource.canonical if resource else None
        method = request.method
        if method == "HEAD" and not self._contract.describes(method, path):
            method = "GET"
        headers = dict(response.headers)
        found = self._contract.disagreement(
            method, path, response.status, headers, self._body(request, response)
        )
        if path is None and isinstance(response, web.Response) and isinstance(response.body, bytes):
            found = found or self._contract.refusal(request.path, response.body)
        if found:
            self.disagreements.append(f"{request.method} {path or request.path}: {found}")

    def _body(self, request: web.Request, response: web.StreamResponse) -> bytes | None:
        """Return the whole body; None for one that was too long, or broken off, or is not sent."""
        if request.method == "HEAD":
            return None
        if isinstance(response, web.Response):
            return response.body if isinstance(response.body, bytes) else None
        body = self._bodies.pop(response, None)
        broken = request.transport is None or request.transport.is_closing()
        return None if body is None or broken or len(body) >= LONGEST else bytes(body)
