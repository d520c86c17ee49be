"""`lingoloop`: the command line."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Coroutine
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import asyncpg
import typer

from lingoloop import work
from lingoloop.client import ApiError
from lingoloop.folder import DataFolder, FolderInUse, default_data_folder
from lingoloop.one_process import Options, one_process
from lingoloop_common.auth import Tokens
from lingoloop_common.lifecycle import exit_code
from lingoloop_common.log import configure_logging
from lingoloop_common.settings import SettingsError
from lingoloop_common.store.migrate import migrate as apply_migrations

EXIT_WRONG_USE = 2

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Transcribe long recordings, and see the words while they come.",
)

Data = Annotated[
    Path | None,
    typer.Option("--data", help="The one-process mode's folder [default: the user's data folder]."),
]


class TranscriptFormat(StrEnum):
    """What a transcript can be written as."""

    TXT = "txt"
    JSON = "json"


@app.command()
def transcribe(
    file: Annotated[Path, typer.Argument(help="A recording: sound or video.")],
    fmt: Annotated[
        TranscriptFormat | None,
        typer.Option("--format", help="Write this format instead of lines with times."),
    ] = None,
    data: Data = None,
) -> None:
    """Transcribe a recording: upload, live words, then the transcript on stdout.

    Uses the server at LINGOLOOP_URL, or the one that `lingoloop up` runs here; without one it starts its own for as
    long as the work takes.

    Example: lingoloop transcribe talk.mp3 > talk.txt
    """
    if not file.is_file():
        _fail(f"there is no file {file}", EXIT_WRONG_USE)
    _run(work.transcribe(_folder(data), file, fmt))


@app.command()
def watch(
    run: Annotated[str | None, typer.Argument(help="A run's id; all runs without it.")] = None,
    data: Data = None,
) -> None:
    """Follow a run to its end, or all runs until you press Ctrl-C.

    Example: lingoloop watch 0190a5b2-…
    """
    _run(work.watch(_folder(data), run))


@app.command()
def up(
    port: Annotated[int, typer.Option(help="Where to listen; 0 takes a free port.")] = 3002, data: Data = None
) -> None:
    """Run everything in this process: services, slots, and a PostgreSQL of its own.

    Example: lingoloop up --port 3002
    """
    _run(_up(_folder(data), port))


async def _up(folder: DataFolder, port: int) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with folder:
        async with one_process(folder, Options(port=port, ops=True)) as url:
            folder.announce(url)
            print(f"ready {url}", flush=True)
            print("a token for it: lingoloop token --sub local", file=sys.stderr)
            await stop.wait()
    return exit_code()


@app.command()
def token(
    sub: Annotated[str, typer.Option(help="Who the token speaks for: the owner of the runs.")],
    scope: Annotated[str, typer.Option(help="What it may do.")] = "runs:read runs:write",
    ttl: Annotated[int, typer.Option(min=1, help="Seconds until it ends.")] = 3600,
    data: Data = None,
) -> None:
    """Print a token, signed with AUTH_JWT_SECRET or the one-process mode's secret.

    Example: curl -H "Authorization: Bearer $(lingoloop token --sub ann)" …
    """
    secret = os.environ.get("AUTH_JWT_SECRET") or _folder(data).secret()
    print(Tokens(secret).sign(sub, scope, issued_at=int(time.time()), ttl=ttl))


@app.command()
def migrate() -> None:
    """Apply the migrations that the database at DATABASE_URL lacks."""
    url = os.environ.get("DATABASE_URL")
    if not url:
        _fail("DATABASE_URL is not set", EXIT_WRONG_USE)
    _run(_migrate(str(url)))


async def _migrate(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        for name in await apply_migrations(connection):
            print(name)
    finally:
        await connection.close()
    return work.EXIT_DONE


@app.command()
def gateway() -> None:
    """Run a gateway in this process."""
    from lingoloop_gateway.__main__ import main as serve  # noqa: PLC0415  (a service loads only its own parts)

    raise typer.Exit(serve())


@app.command()
def transcriber() -> None:
    """Run a transcriber in this process."""
    from lingoloop_transcriber.__main__ import main as serve  # noqa: PLC0415

    raise typer.Exit(serve())


app.command("worker", help="The same as transcriber.")(transcriber)


@app.command()
def notifier() -> None:
    """Run a notifier in this process."""
    from lingoloop_notifier.__main__ import main as serve  # noqa: PLC0415

    raise typer.Exit(serve())


def _folder(given: Path | None) -> DataFolder:
    return DataFolder(given or default_data_folder())


def _fail(message: str, code: int) -> None:
    print(f"lingoloop: {message}", file=sys.stderr)
    raise typer.Exit(code)


def _run(work_to_do: Coroutine[Any, Any, int]) -> None:
    """Run a command to its end; what a person can mend is one line on stderr, not a trace."""
    try:
        code = asyncio.run(work_to_do)
    except KeyboardInterrupt:
        print(
            "lingoloop: interrupted; what was uploaded is kept, and goes on when a server runs",
            file=sys.stderr,
        )
        raise typer.Exit(130) from None
    except FolderInUse as error:
        _fail(str(error), EXIT_WRONG_USE)
    except (ApiError, SettingsError, RuntimeError, OSError, asyncpg.PostgresError) as error:
        _fail(str(error) or type(error).__name__, work.EXIT_FAILED)
    else:
        raise typer.Exit(code)


def main() -> None:
    """Run the command line."""
    configure_logging(level=os.environ.get("LOG_LEVEL") or "WARNING")
    with contextlib.suppress(BrokenPipeError):
        app()


if __name__ == "__main__":
    main()
