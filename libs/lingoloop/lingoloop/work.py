"""`transcribe` and `watch`: a person's way through a run."""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from lingoloop.client import ApiError, Client
from lingoloop.folder import DataFolder
from lingoloop.one_process import Options, one_process
from lingoloop.show import RunView, line, stderr, uploading
from lingoloop_common.auth import Tokens

LOCAL = "local"
SCOPE = "runs:read runs:write admin"
TTL = 7 * 24 * 3600
GRACE_MS = 2_000
"""A one-shot server hands its work back soon after a Ctrl-C: nothing is lost by that."""

EXIT_DONE, EXIT_FAILED = 0, 1


@dataclass(frozen=True, slots=True)
class Server:
    """Where to go, and as whom."""

    url: str
    token: str


@contextlib.asynccontextmanager
async def find_server(folder: DataFolder, *, start: bool) -> AsyncIterator[Server]:
    """Give the server named by LINGOLOOP_URL, else the one that runs on the data folder, else start one.

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
        with folder:
            stderr.print("[dim]starting…[/dim]")
            async with one_process(folder, Options(port=0, ops=False, grace_ms=GRACE_MS)) as url:
                folder.announce(url)
                yield Server(url, local_token(folder))
    else:
        raise ApiError(
            "no server runs here: start one with `lingoloop up`, or set LINGOLOOP_URL and LINGOLOOP_TOKEN"
        )


def local_token(folder: DataFolder) -> str:
    """Return a token for the person at this machine."""
    return Tokens(folder.secret()).sign(LOCAL, SCOPE, issued_at=int(time.time()), ttl=TTL)


async def transcribe(folder: DataFolder, path: Path, fmt: str | None) -> int:
    """Upload a recording, show its words as they come, then print the transcript; return the exit code."""
    async with find_server(folder, start=True) as server, Client(server.url, server.token) as client:
        size = (await asyncio.to_thread(path.stat)).st_size
        with uploading(size) as on_bytes:
            # A person waits for this one: of the same owner's work it goes first.
            run = await client.upload(path, on_bytes, priority="10")
        run_id = run["runId"]
        if run["status"] != "succeeded":
            failure = await follow(client, run_id)
            if failure is not None:
                stderr.print(f"failed: {failure}", markup=False)
                return EXIT_FAILED
        await write_transcript(client, run_id, fmt)
    return EXIT_DONE


async def follow(client: Client, run_id: str) -> str | None:
    """Show a run until its end; return why it failed, or None."""
    with RunView() as view:
        async for frame in client.events(run_id):
            if frame["event"] == "error":
                raise ApiError(frame["message"])
            view.show(frame)
            if frame["event"] == "done" and frame["status"] == "failed":
                return str(frame["error"]["message"])
    return None


async def write_transcript(client: Client, run_id: str, fmt: str | None) -> None:
    """Write a transcript to stdout: lines with times, or an export's bytes."""
    if fmt is None:
        async for segment in client.segments(run_id):
            print(line(segment))
    else:
        async for part in client.export(run_id, fmt):
            sys.stdout.buffer.write(part)
    sys.stdout.flush()


async def watch(folder: DataFolder, run_id: str | None) -> int:
    """Follow a run to its end, or all runs until interrupted; return the exit code."""
    async with find_server(folder, start=False) as server, Client(server.url, server.token) as client:
        if run_id is not None:
            failure = await follow(client, run_id)
            if failure is not None:
                stderr.print(f"failed: {failure}", markup=False)
                return EXIT_FAILED
            return EXIT_DONE
        async for frame in client.events(None):
            for run in frame.get("items", [frame]):
                print(f"{run['runId']} {run['status']} {run['progress']}%", flush=True)
    return EXIT_DONE
