"""`db`: the database in use, by the programs that fit its version."""

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from lingoloop.command import EXIT_DONE, EXIT_FAILED, EXIT_WRONG_USE, Data, data_folder, fail, run
from lingoloop.database import (
    DatabaseNotEmpty,
    ProgramFailed,
    database_alone,
    database_in_use,
    dump,
    is_complete,
    restore,
    was_made,
    written_whole,
)
from lingoloop.folder import DataFolder
from lingoloop.postgres import running_url
from lingoloop_common.store.database import DatabaseInUse

PIPE = Path("-")

db = typer.Typer(no_args_is_help=True, help="The database in use: its address, a dump of it, the way back.")


@db.command("url")
def show_url(data: Data = None) -> None:
    """Print the address of the database that runs: DATABASE_URL's, or the one-process mode's. It may hold a password.

    Example: psql "$(lingoloop db url)"
    """
    folder = data_folder(data)
    url = os.environ.get("DATABASE_URL") or running_url(folder.postgres)
    if url:
        print(url)
    elif was_made(folder):
        fail(f"the database in {folder.path} does not run; it does while `lingoloop up` runs")
    else:
        fail(f"no database was made in {folder.path} yet; `lingoloop up` or `lingoloop transcribe` makes it")


@db.command("dump")
def dump_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it; - for stdout.")],
    data: Data = None,
) -> None:
    """Write all that the database holds as plain SQL, while it is in use. FILE appears when it is complete.

    Recordings are not in it.

    Examples:
    lingoloop db dump backup.sql

    lingoloop db dump - | gzip > backup.sql.gz
    """
    if file != PIPE and file.exists() and not file.is_file():
        fail(f"{file} is no ordinary file; - writes to stdout", EXIT_WRONG_USE)
    if not file.parent.is_dir():
        fail(f"there is no folder {file.parent}", EXIT_WRONG_USE)
    run(_dump(data_folder(data), None if file == PIPE else file.resolve()))


async def _dump(folder: DataFolder, file: Path | None) -> int:
    async with database_in_use(folder) as url:
        if file is None:
            await dump(url, None)
        else:
            with written_whole(file) as opened:
                await dump(url, opened)
    print(f"recordings are not in it: keep a copy of {_blobs(folder)} beside it", file=sys.stderr)
    return EXIT_DONE


@db.command("restore")
def restore_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A dump; - for stdin.")],
    replace: Annotated[bool, typer.Option("--replace", help="Drop all that the database holds.")] = False,
    data: Data = None,
) -> None:
    """Put a dump into an empty database that no LingoLoop uses. If it fails, nothing has changed.

    Stop `lingoloop up`, or all services, before. Migrations that the dump lacks are applied by `lingoloop up` or
    `lingoloop migrate`.

    Examples:
    lingoloop db restore backup.sql

    gunzip -c backup.sql.gz | lingoloop db restore - --replace
    """
    if file != PIPE and not file.is_file():
        fail(f"there is no file {file}", EXIT_WRONG_USE)
    run(_restore(data_folder(data), file, replace=replace))


async def _restore(folder: DataFolder, given: Path, *, replace: bool) -> int:
    with _as_file(given) as file:
        if not is_complete(file):
            return _say(
                f"{given} is no complete dump: its end, which pg_dump writes, is missing", EXIT_FAILED
            )
        try:
            async with database_alone(folder) as (url, connection):
                await restore(url, connection, file, replace=replace)
        except (DatabaseInUse, DatabaseNotEmpty) as error:
            return _say(str(error), EXIT_WRONG_USE)
        except ProgramFailed as error:
            return _say(f"{error}; nothing was changed", EXIT_FAILED)
    print(
        f"restored; its recordings belong into {_blobs(folder)}, and `lingoloop up` or `lingoloop migrate` applies "
        "migrations it lacks",
        file=sys.stderr,
    )
    return EXIT_DONE


@contextlib.contextmanager
def _as_file(given: Path) -> Iterator[Path]:
    """Yield the file itself, or stdin as one: its end is looked at before anything is done."""
    if given != PIPE:
        yield given
        return
    with tempfile.NamedTemporaryFile(prefix="lingoloop-restore-") as spool:
        shutil.copyfileobj(sys.stdin.buffer, spool)
        spool.flush()
        yield Path(spool.name)


def _blobs(folder: DataFolder) -> str:
    """Return where recordings lie; services elsewhere know it as BLOB_DIR."""
    elsewhere = f"the services' BLOB_DIR (`lingoloop up`: {folder.blobs})"
    named = os.environ.get("BLOB_DIR") or os.environ.get("BLOB_URL")
    return named or (elsewhere if os.environ.get("DATABASE_URL") else str(folder.blobs))


def _say(message: str, code: int) -> int:
    print(f"lingoloop: {message}", file=sys.stderr)
    return code
