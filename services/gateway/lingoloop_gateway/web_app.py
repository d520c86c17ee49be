"""The web app: the page that `make web` builds, at all of its addresses, and its files."""

import asyncio
import hashlib
import re
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

from lingoloop_common.errors import Problem

APP = Path(__file__).parent / "static" / "app"
UNBUILT = Path(__file__).parent / "static" / "unbuilt"
"""Where the page lies once it was built, and what stands in for it until then. Both are looked at for each request: a page
that is built now is there now."""

TYPES = {
    ".css": "text/css",
    ".ico": "image/x-icon",
    ".js": "text/javascript",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
"""What is served, by the ends of names. Pages are not: they have addresses of their own."""

NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+")

ANEW = {"Cache-Control": "no-cache", "Vary": "Accept, Accept-Language"}
FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}
"""Of `/assets`, where another content has another name."""


class WebApp:
    """Serves the page and its files to everybody; what they show asks the API, with a token.

    Args:
        oidc_authority: the identity provider that the page may ask, too.
    """

    def __init__(self, oidc_authority: str | None) -> None:
        self._headers = {
            "Content-Security-Policy": content_policy(oidc_authority),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Permissions-Policy": "microphone=(self)",
        }

    def routes(self) -> list[web.RouteDef]:
        """Return the routes. The last one takes all that is neither the API's nor OpenAI's."""
        return [
            web.get("/", self.get_page),
            web.get("/assets/{file}", self.get_asset),
            web.get("/{page:(?!(?:api|v1)(?:/|$)).+}", self.get_page_or_file),
        ]

    async def get_page(self, request: web.Request) -> web.Response:
        """Answer with the page, which itself looks at its address."""
        body = await asyncio.to_thread(_read_page, request.headers.get("Accept-Language", ""))
        etag = hashlib.sha256(body).hexdigest()
        headers = {**self._headers, **ANEW, "ETag": f'"{etag}"'}
        if any(known.value in (etag, "*") for known in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        return web.Response(body=body, content_type="text/html", charset="utf-8", headers=headers)

    async def get_page_or_file(self, request: web.Request) -> web.StreamResponse:
        """Answer with a file that lies beside the page; to a browser that wants to show something, with the page."""
        name = request.match_info["page"]
        if "." in name:
            return await self._file(name, (APP, UNBUILT), ANEW)
        if "text/html" not in request.headers.get("Accept", ""):
            raise Problem("not_found", "there is nothing here; /api/docs shows what there is")
        return await self.get_page(request)

    async def get_asset(self, request: web.Request) -> web.StreamResponse:
        """Answer with a file whose name tells its content."""
        return await self._file(request.match_info["file"], (APP / "assets",), FOR_EVER)

    async def _file(
        self, name: str, folders: tuple[Path, ...], caching: dict[str, str]
    ) -> web.StreamResponse:
        """Answer with a file, in its compressed form where there is one that the client takes."""
        kind = TYPES.get(Path(name).suffix)
        path = await asyncio.to_thread(_find, name, folders) if kind and NAME.fullmatch(name) else None
        if path is None or kind is None:
            raise Problem("not_found", "there is no such file")
        return web.FileResponse(path, headers={**self._headers, **caching, "Content-Type": kind})


def content_policy(oidc_authority: str | None) -> str:
    """Return what the page may do (Content Security Policy, level 3): nothing but what it comes with, from here. Pure."""
    connect = "'self'"
    if oidc_authority:
        address = urlsplit(oidc_authority)
        connect += f" {address.scheme}://{address.netloc}"
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self'; "
        f"media-src 'self'; connect-src {connect}; manifest-src 'self'; worker-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _read_page(accept_language: str) -> bytes:
    """Return the page; where it was not built, one in the reader's language that says how to."""
    try:
        return (APP / "index.html").read_bytes()
    except FileNotFoundError:
        return (UNBUILT / ("page.zh.html" if prefers_chinese(accept_language) else "page.html")).read_bytes()


def prefers_chinese(accept_language: str) -> bool:
    """Whether Chinese comes before English in a list of languages, which browsers give in order. Pure."""
    codes = [part.strip()[:2].lower() for part in accept_language.split(",")]
    return next((code == "zh" for code in codes if code in ("zh", "en")), False)


def _find(name: str, folders: tuple[Path, ...]) -> Path | None:
    return next((folder / name for folder in folders if (folder / name).is_file()), None)
