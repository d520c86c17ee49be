"""`transcribe` and `watch`: a person's way through a run."""

import asyncio
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lingoloop.client import Client
from lingoloop.command import EXIT_DONE, EXIT_FAILED, EXIT_WRONG_USE, Data, data_folder, fail, run
from lingoloop.folder import DataFolder
from lingoloop.server import find_server
from lingoloop.show import RunView, line, stderr, uploading


class TranscriptFormat(StrEnum):
    """What a transcript can be written as."""

    TXT = "txt"
    JSON = "json"
    SRT = "srt"
    VTT = "vtt"
    DOCX = "docx"


def transcribe(
    file: Annotated[Path, typer.Argument(help="A recording: sound or video.")],
    fmt: Annotated[
        TranscriptFormat | None,
        typer.Option("--format", help="Write this format instead of lines with times."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Begin anew, even if the same recording has its words already.")
    ] = False,
    data: Data = None,
) -> None:
    """Transcribe a recording: upload, live words, then the transcript on stdout.

    Uses the server at LINGOLOOP_URL, or the one that `lingoloop up` runs here; without one it starts its own for as
    long as the work takes.

    Examples:
    lingoloop transcribe talk.mp3 > talk.txt

    lingoloop transcribe lecture.mp4 --format srt > lecture.srt
    """
    if not file.is_file():
        fail(f"there is no file {file}", EXIT_WRONG_USE)
    run(_transcribe(data_folder(data), file, fmt, force=force))


async def _transcribe(folder: DataFolder, path: Path, fmt: str | None, *, force: bool) -> int:
    async with find_server(folder, start=True) as server, Client(server.url, server.token) as client:
        size = (await asyncio.to_thread(path.stat)).st_size
        with uploading(size) as on_offset:
            # A person waits for this one: of the same owner's work it goes first.
            run_id = await client.upload(path, on_offset, priority="10", force=str(int(force)))
        try:
            if await follow(client, run_id) != EXIT_DONE:
                return EXIT_FAILED
        except asyncio.CancelledError:
            stderr.print(
                f"run {run_id} is not lost: `lingoloop watch` follows it, `lingoloop cancel` stops it"
            )
            raise
        await write_transcript(client, run_id, fmt)
    return EXIT_DONE


def watch(
    run_id: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="A run's id; all runs without it.")
    ] = None,
    data: Data = None,
) -> None:
    """Follow a run to its end, or all runs until you press Ctrl-C. A run that fails makes the exit code 1.

    Examples:
    lingoloop watch 0190a5b2-7c1e-7a3d-9f00-5d2c1b3a4e6f

    lingoloop watch
    """
    run(_watch(data_folder(data), run_id))


async def _watch(folder: DataFolder, run_id: str | None) -> int:
    async with find_server(folder, start=False) as server, Client(server.url, server.token) as client:
        if run_id is not None:
            return await follow(client, run_id)
        async for frame in client.events(None):
            for state in frame.get("items", [frame]):
                print(f"{state['runId']} {state['status']} {state['progress']}%", flush=True)
    return EXIT_DONE


async def follow(client: Client, run_id: str) -> int:
    """Show a run until its end; return the exit code that says how it ended."""
    with RunView() as view:
        async for frame in client.events(run_id):
            view.show(frame)
            if frame["event"] == "done" and frame["status"] == "failed":
                stderr.print(f"failed: {frame['error']['message']}", markup=False)
                return EXIT_FAILED
    return EXIT_DONE


async def write_transcript(client: Client, run_id: str, fmt: str | None) -> None:
    """Write a transcript to stdout: lines with times, or an export's bytes."""
    if fmt is None:
        async for segment in client.segments(run_id):
            print(line(segment))
    else:
        async for part in client.export(run_id, fmt):
            sys.stdout.buffer.write(part)
    sys.stdout.flush()
