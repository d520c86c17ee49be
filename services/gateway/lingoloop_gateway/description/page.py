"""Serves the descriptions, and a page to try the calls that asks no other host."""

from collections.abc import Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from lingoloop_common.asyncapi import asyncapi
from lingoloop_common.errors import Problem
from lingoloop_common.http import Handler
from lingoloop_gateway.description.document import openapi
from lingoloop_gateway.description.table import ROUTES

OURS = Path(__file__).parent.parent / "static" / "docs"

TYPES = {".js": "text/javascript", ".css": "text/css"}

HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Swagger UI writes styles into its elements, and its pictures are `data:` addresses."""

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>LingoLoop API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/api/docs/swagger-ui.css">
<link rel="stylesheet" href="/api/docs/page.css">
<main id="page"></main>
<script src="/api/docs/swagger-ui-bundle.js"></script>
<script src="/api/docs/page.js"></script>
</html>
"""


def swagger_ui() -> Path:
    """Return the folder of Swagger UI's own files, which a package carries; its code, for other servers, is not run."""
    found = find_spec("swagger_ui")
    assert found is not None  # a dependency
    assert found.submodule_search_locations  # a package
    return Path(found.submodule_search_locations[0]) / "static"


def description_routes() -> list[web.RouteDef]:
    """Return the routes; the documents are made once."""
    here, theirs = version("lingoloop-gateway"), swagger_ui()
    files = [OURS / "page.js", OURS / "page.css", theirs / "swagger-ui-bundle.js", theirs / "swagger-ui.css"]
    return [
        web.get("/api/openapi.json", _document(openapi(ROUTES, version=here))),
        web.get("/api/asyncapi.json", _document(asyncapi(version=here))),
        web.get("/api/docs", get_page),
        web.get("/api/docs/{file}", _one_of({path.name: path for path in files})),
    ]


def _document(document: Mapping[str, Any]) -> Handler:
    body = orjson.dumps(document)

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json", headers=HEADERS)

    return answer


async def get_page(request: web.Request) -> web.Response:
    """Answer with the page."""
    return web.Response(
        text=PAGE,
        content_type="text/html",
        headers={**HEADERS, "Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"},
    )


def _one_of(files: Mapping[str, Path]) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        path = files.get(request.match_info["file"])
        if path is None:
            raise Problem("not_found", "there is no such file")
        return web.FileResponse(path, headers={**HEADERS, "Content-Type": TYPES[path.suffix]})

    return answer
