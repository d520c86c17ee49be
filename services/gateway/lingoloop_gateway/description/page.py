"""Serves the descriptions, and a page to try the calls that asks no other host."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from lingoloop_common.asyncapi import asyncapi
from lingoloop_common.errors import Problem
from lingoloop_common.http import Handler
from lingoloop_gateway.description.document import openapi
from lingoloop_gateway.description.table import ROUTES

FOLDER = Path(__file__).parent.parent / "static" / "docs"

FILES = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "page.js": "text/javascript",
    "page.css": "text/css",
}

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


def description_routes() -> list[web.RouteDef]:
    """Return the routes; the documents are made once."""
    here = version("lingoloop-gateway")
    return [
        web.get("/api/openapi.json", _document(openapi(ROUTES, version=here))),
        web.get("/api/asyncapi.json", _document(asyncapi(version=here))),
        web.get("/api/docs", get_page),
        web.get("/api/docs/{file}", get_file),
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


async def get_file(request: web.Request) -> web.StreamResponse:
    """Answer with a script or a style of the page."""
    name = request.match_info["file"]
    if name not in FILES:
        raise Problem("not_found", "there is no such file")
    return web.FileResponse(FOLDER / name, headers={**HEADERS, "Content-Type": FILES[name]})
