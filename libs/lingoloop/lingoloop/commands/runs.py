"""`runs`, `export`, `cancel`, `retry`: what was given to a server, what came of it, and a hand on it."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from lingoloop.client import Client
from lingoloop.command import EXIT_DONE, Data, data_folder, run
from lingoloop.commands.transcribe import TranscriptFormat, write_transcript
from lingoloop.folder import DataFolder
from lingoloop.server import find_server
from lingoloop.show import clock

RunId = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, as `lingoloop runs` shows it.")]


class Status(StrEnum):
    """What a list of runs can be limited to."""

    QUEUED = "queued"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


def runs(
    status: Annotated[Status | None, typer.Option(help="Only runs in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest.")] = 20,
    data: Data = None,
) -> None:
    """List runs, the newest first: id, status, progress, length, file; a tab between.

    Examples:
    lingoloop runs --limit 5

    lingoloop runs --status failed | cut -f1 | xargs -n1 lingoloop retry
    """
    run(_runs(data_folder(data), status, limit))


async def _runs(folder: DataFolder, status: str | None, limit: int) -> int:
    async with find_server(folder, start=False) as server, Client(server.url, server.token) as client:
        async for found in client.runs(status, limit):
            print(line_of(found))
    return EXIT_DONE


def line_of(found: dict[str, Any]) -> str:
    """Return a run as one line of columns with tabs between; a file's name holds none."""
    length = "-" if found["durationMs"] is None else clock(found["durationMs"] / 1000).partition(".")[0]
    columns = (found["id"], found["status"], f"{found['progress']}%", length, found["filename"])
    return "\t".join(columns)


def export(
    run_id: RunId,
    fmt: Annotated[
        TranscriptFormat, typer.Option("--format", help="How to write it.")
    ] = TranscriptFormat.TXT,
    data: Data = None,
) -> None:
    """Write a run's transcript to stdout, or what there is of it so far.

    Example: lingoloop export 0190a5b2-7c1e-7a3d-9f00-5d2c1b3a4e6f --format vtt > talk.vtt
    """
    run(_export(data_folder(data), run_id, fmt))


async def _export(folder: DataFolder, run_id: str, fmt: str) -> int:
    async with find_server(folder, start=False) as server, Client(server.url, server.token) as client:
        await write_transcript(client, run_id, fmt)
    return EXIT_DONE


def cancel(run_id: RunId, data: Data = None) -> None:
    """Stop a run. What is finished of it is kept; `lingoloop retry` goes on from there.

    Example: lingoloop cancel 0190a5b2-7c1e-7a3d-9f00-5d2c1b3a4e6f
    """
    run(_change(data_folder(data), run_id, "cancel"))


def retry(run_id: RunId, data: Data = None) -> None:
    """Try a failed run again: only what is missing is done.

    Example: lingoloop retry 0190a5b2-7c1e-7a3d-9f00-5d2c1b3a4e6f && lingoloop watch 0190a5b2-7c1e-7a3d-9f00-5d2c1b3a4e6f
    """
    run(_change(data_folder(data), run_id, "retry"))


async def _change(folder: DataFolder, run_id: str, change: str) -> int:
    async with find_server(folder, start=False) as server, Client(server.url, server.token) as client:
        print(line_of(await client.change_run(run_id, change)))
    return EXIT_DONE
