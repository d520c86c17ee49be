"""The server that a command talks to: one that is named, one that runs here, or one of the command's own."""

import contextlib
import os
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from lingoloop.client import ApiError
from lingoloop.folder import DataFolder
from lingoloop.show import stderr
from lingoloop_common.auth import Tokens

LOCAL = "local"
SCOPE = "runs:read runs:write admin"
TTL = 7 * 24 * 3600
GRACE_MS = 2_000
"""A one-shot server hands its work back soon after a Ctrl-C: nothing is lost by that."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where to go, and as whom."""

    url: str
    token: str


@contextlib.asynccontextmanager
async def find_server(
    folder: DataFolder, *, start: bool, chosen: Mapping[str, str] | None = None
) -> AsyncIterator[Server]:
    """Give the server named by LINGOLOOP_URL, else the one that runs on the data folder, else start one.

    Args:
        folder: the data folder.
        start: whether one may be started.
        chosen: settings for one that is started.

    Raises:
        ApiError: there is none, and none may be started; or LINGOLOOP_TOKEN is missing.
    """
    if url := os.environ.get("LINGOLOOP_URL"):
        token = os.environ.get("LINGOLOOP_TOKEN")
        if not token:
            raise ApiError(
                "LINGOLOOP_URL is set, but LINGOLOOP_TOKEN is not: it must hold a token for that server"
            )
        yield Server(url, token)
    elif running := folder.running_server():
        if running.url is None:
            raise ApiError(
                f"the server of this folder (process {running.pid}) is still starting; try again in a moment"
            )
        yield Server(running.url, local_token(folder))
    elif start:
        # All services, which other commands need not wait for.
        from lingoloop.one_process import Options, one_process  # noqa: PLC0415

        with folder:
            stderr.print("[dim]starting…[/dim]")
            options = Options(port=0, ops=False, grace_ms=GRACE_MS, chosen=chosen or {})
            async with one_process(folder, options) as url:
                folder.announce(url)
                yield Server(url, local_token(folder))
    else:
        raise ApiError(
            "no server runs here: start one with `lingoloop up`, or set LINGOLOOP_URL and LINGOLOOP_TOKEN"
        )


def local_token(folder: DataFolder) -> str:
    """Return a token for the person at this machine."""
    return Tokens(folder.secret(), audience=os.environ.get("AUTH_AUDIENCE")).sign(
        LOCAL, SCOPE, issued_at=int(time.time()), ttl=TTL
    )
