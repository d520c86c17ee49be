"""What every command shares: the data folder it is about, its exit codes, and how it ends."""

import asyncio
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, NoReturn

import asyncpg
import typer

from lingoloop.client import ApiError
from lingoloop.folder import DataFolder, FolderInUse, default_data_folder
from lingoloop_common.settings import SettingsError

EXIT_DONE, EXIT_FAILED, EXIT_WRONG_USE, EXIT_INTERRUPTED = 0, 1, 2, 130

Data = Annotated[
    Path | None,
    typer.Option("--data", help="The one-process mode's folder (default: the user's data folder)."),
]


def data_folder(given: Path | None) -> DataFolder:
    """Return the folder that `--data` names, else LINGOLOOP_DATA's, else the user's."""
    return DataFolder(given or default_data_folder())


def fail(message: str, code: int = EXIT_FAILED) -> NoReturn:
    """End the command with one line on stderr."""
    print(f"lingoloop: {message}", file=sys.stderr)
    raise typer.Exit(code)


def run(work: Coroutine[Any, Any, int]) -> NoReturn:
    """Run a command to its end; what a person can mend is one line on stderr, not a trace."""
    try:
        code = asyncio.run(work)
    except KeyboardInterrupt:
        fail("interrupted", EXIT_INTERRUPTED)
    except typer.Exit:  # a RuntimeError too, but the command has said what it had to say
        raise
    except BrokenPipeError:  # `| head` has seen enough; nothing is left to be flushed at the end either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = EXIT_DONE
    except FolderInUse as error:
        fail(str(error), EXIT_WRONG_USE)
    except (ApiError, SettingsError, RuntimeError, OSError, asyncpg.PostgresError) as error:
        fail(str(error) or type(error).__name__)
    raise typer.Exit(code)
