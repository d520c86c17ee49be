"""The database in use: which one it is, a dump of it, and the way back."""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

import asyncpg

from lingoloop.folder import DataFolder
from lingoloop.postgres import EmbeddedPostgres, running_url
from lingoloop.postgres_programs import client_program
from lingoloop_common.lifecycle import running
from lingoloop_common.store.database import GUARD, DatabaseInUse
from lingoloop_common.store.queries import load_queries

SQL = load_queries(__package__, "database.sql")

CONNECT_SECONDS = 8
"""Bound of a connection attempt."""

COMPLETE = b"\n-- PostgreSQL database dump complete\n"
"""What pg_dump writes near the end; a file without it was cut off."""

Connection: TypeAlias = "asyncpg.Connection[Any]"


class NoDatabase(RuntimeError):
    """None was ever made in this folder."""


class DatabaseAway(RuntimeError):
    """It cannot be reached, or DATABASE_URL is no usable address; the text holds no password."""


class DatabaseNotEmpty(RuntimeError):
    """A restore would mix what is there with what comes."""


class ProgramFailed(RuntimeError):
    """pg_dump or psql ended with an error, which it has written to stderr."""


@contextlib.asynccontextmanager
async def database_in_use(folder: DataFolder) -> AsyncIterator[str]:
    """Yield the URL of DATABASE_URL's database, else of the embedded one, which is started if it does not run.

    Raises:
        NoDatabase: none was ever made in this folder.
        FolderInUse: another process holds the folder, and its database does not answer yet.
        EmbeddedPostgresError: PostgreSQL does not start.
    """
    if url := os.environ.get("DATABASE_URL") or running_url(folder.postgres):
        yield url
        return
    if not was_made(folder):
        raise NoDatabase(
            f"no database was made in {folder.path} yet; `lingoloop up` or `lingoloop transcribe` makes it"
        )
    with folder:
        postgres = EmbeddedPostgres(folder.postgres)
        async with running([postgres]):
            yield postgres.url


@contextlib.asynccontextmanager
async def database_alone(folder: DataFolder) -> AsyncIterator[tuple[str, Connection]]:
    """Yield the database's URL and a connection while no LingoLoop process uses it; the folder's own is made if need be.

    Raises:
        FolderInUse: a server holds the folder.
        DatabaseInUse: a service uses the database.
        DatabaseAway: it cannot be reached.
        EmbeddedPostgresError: PostgreSQL does not start.
    """
    async with contextlib.AsyncExitStack() as stack:
        url = os.environ.get("DATABASE_URL")
        if not url:
            stack.enter_context(folder)
            postgres = EmbeddedPostgres(folder.postgres)
            await stack.enter_async_context(running([postgres]))
            url = postgres.url
        connection = await stack.enter_async_context(connected(url))
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", GUARD):
            raise DatabaseInUse("LingoLoop's services use this database; stop them all first")
        yield url, connection


def was_made(folder: DataFolder) -> bool:
    """Tell whether a folder holds an embedded database, running or not."""
    return (folder.postgres / "PG_VERSION").exists()


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[Connection]:
    """Connect for as long as the context lasts.

    Raises:
        DatabaseAway: that is not possible; the text says why, and shows nothing of the URL's password.
    """
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS)
    except (
        ValueError,
        asyncpg.InterfaceError,
    ):  # its text may hold a piece of a password that was not encoded
        raise DatabaseAway(
            "DATABASE_URL is no usable address: write postgresql://USER:PASSWORD@HOST:PORT/NAME, "
            "and %-encode special characters of the password"
        ) from None
    except (OSError, asyncpg.PostgresError) as error:
        raise DatabaseAway(f"the database cannot be reached: {str(error) or type(error).__name__}") from error
    try:
        yield connection
    finally:
        await connection.close(timeout=2)


async def dump(url: str, output: int | None) -> None:
    """Write a database as plain SQL to an open file (None: stdout), readable by psql under any account.

    Raises:
        DatabaseAway: it cannot be reached.
        ProgramMissing: no pg_dump fits its version.
        ProgramFailed: pg_dump failed; what it has written is useless.
    """
    async with connected(url) as connection:
        server = connection.get_server_version().major
    pg_dump = await asyncio.to_thread(client_program, "pg_dump", server)
    await _run(pg_dump, "--no-owner", "--no-privileges", url=url, output=output)


async def restore(url: str, connection: Connection, file: Path, *, replace: bool) -> None:
    """Run a dump in one transaction: all of it is there afterwards, or nothing has changed.

    Args:
        url: of the database.
        connection: to the same.
        file: a complete dump.
        replace: drop what is there, in the same transaction.

    Raises:
        DatabaseNotEmpty: it holds tables, and they must not be replaced.
        ProgramMissing: no psql fits its version.
        ProgramFailed: the dump is bad, or does not fit this server.
    """
    if not replace and (tables := await connection.fetchval(SQL["count_tables"])):
        raise DatabaseNotEmpty(
            f"the database holds {tables} tables; restore into an empty one, or drop all it holds with --replace "
            "(lingoloop db dump FILE keeps it)"
        )
    psql = await asyncio.to_thread(client_program, "psql", connection.get_server_version().major)
    first = (
        [f"--command={SQL[name]}" for name in ("drop_schema", "make_schema", "open_schema")]
        if replace
        else []
    )
    how = ("--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1")
    await _run(psql, *how, *first, f"--file={file}", url=url, output=asyncio.subprocess.DEVNULL)


def is_complete(file: Path) -> bool:
    """Tell whether a file ends as pg_dump ends one: psql would take a dump that was cut off for a shorter one."""
    with file.open("rb") as opened:
        opened.seek(max(0, file.stat().st_size - 1024))
        return COMPLETE in opened.read()


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[int]:
    """Yield an open file that only its owner can read; it takes its place when the block ends well, else it is deleted.

    Raises:
        OSError: the folder is not there or cannot be written to.
    """
    number, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        yield number
        os.fsync(number)
        Path(name).replace(path)
    finally:
        os.close(number)
        Path(name).unlink(missing_ok=True)


async def _run(program: Path, *arguments: str, url: str, output: int | None) -> None:
    address, password = _without_password(url)
    process = await asyncio.create_subprocess_exec(
        program,
        "--no-password",  # it never asks
        f"--dbname={address}",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=output,
        # What is dropped or made on the way is not worth a notice.
        env=os.environ | password | {"PGOPTIONS": "-c client_min_messages=warning"},
    )
    try:
        code = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if code != 0:
        raise ProgramFailed(f"{program.name} ended with code {code}")


def _without_password(url: str) -> tuple[str, dict[str, str]]:
    """Move a URL's password to the environment: everybody on the machine can read command lines."""
    parts = urlsplit(url)
    account, at, hosts = parts.netloc.rpartition("@")
    user, _, password = account.partition(":")
    kept = []
    for pair in parts.query.split("&"):
        if pair.startswith("password="):
            password = pair.removeprefix("password=")
        elif pair:
            kept.append(pair)
    query = f"?{'&'.join(kept)}" if kept else ""
    given = {"PGPASSWORD": unquote(password)} if password else {}
    return f"{parts.scheme}://{user}{at}{hosts}{parts.path}{query}", given
