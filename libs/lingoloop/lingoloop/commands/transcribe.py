"""`transcribe` and `watch`: a person's way through a run."""

import asyncio
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from lingoloop.client import ApiError, Client
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
    language: Annotated[
        str | None,
        typer.Option(
            help="What is spoken, like en, de or zh-Hans; multi: it changes. Found by listening if not said."
        ),
    ] = None,
    task: Annotated[
        Literal["transcribe", "translate"] | None, typer.Option(help="translate: write the words in English.")
    ] = None,
    hotwords: Annotated[
        str | None, typer.Option(help="Names and terms that are likely to be said, with commas between.")
    ] = None,
    diarize: Annotated[bool, typer.Option("--diarize", help="Tell who speaks.")] = False,
    channels: Annotated[
        Literal["mixed", "separate"] | None,
        typer.Option(help="separate: transcribe each channel alone, as for phone calls."),
    ] = None,
    track: Annotated[
        int | None, typer.Option(min=0, max=99, help="Which of the file's sound tracks, counted from 0.")
    ] = None,
    engine: Annotated[
        str | None, typer.Option(help="Who transcribes, if it is not the server's own.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="The engine's model.")] = None,
    data: Data = None,
) -> None:
    """Transcribe a recording: upload, live words, then the transcript on stdout.

    Uses the server at LINGOLOOP_URL, or the one that `lingoloop up` runs here; without one it starts its own, with the
    engine and model that are named, for as long as the work takes.

    Examples:
    lingoloop transcribe talk.mp3 > talk.txt

    lingoloop transcribe lecture.mp4 --format srt --language de --task translate > lecture.srt
    """
    if not file.is_file():
        fail(f"there is no file {file}", EXIT_WRONG_USE)
    given: dict[str, str | int | None] = {
        "language": language,
        "task": task,
        "hotwords": hotwords,
        "diarize": int(diarize),
        "channels": channels,
        "track": track,
        "engine": engine,
        "model": model,
        "force": int(force),
    }
    options = {name: str(value) for name, value in given.items() if value is not None}
    run(_transcribe(data_folder(data), file, fmt, options))


async def _transcribe(folder: DataFolder, path: Path, fmt: str | None, options: dict[str, str]) -> int:
    chosen = {name: value for name, value in options.items() if name in {"engine", "model"}}
    async with (
        find_server(folder, start=True, chosen=chosen) as server,
        Client(server.url, server.token) as client,
    ):
        size = (await asyncio.to_thread(path.stat)).st_size
        try:
            with uploading(size) as on_offset:
                # A person waits for this one: of the same owner's work it goes first.
                run_id = await client.upload(path, on_offset, priority="10", **options)
        except ApiError as error:
            if error.code in {"unsupported", "unknown_lane"}:
                fail(f"{error} (to choose one: whisper.base is --engine whisper --model base)")
            raise
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
