"""A private PostgreSQL from the system's binaries, on a free loopback port, with a folder of its own."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Self

from tests.servers import end, free_port, run_as, spawn, wait_until


def _binaries() -> Path:
    newest = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4]))
    found = newest[-1] if newest else shutil.which("postgres")
    if found is None:
        raise RuntimeError("no PostgreSQL server here: run `make test-servers`")
    return Path(found).parent


def _user() -> str | None:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    return "postgres" if any(entry.pw_name == "postgres" for entry in pwd.getpwall()) else "nobody"


class PostgresServer:
    """Starts, stops and kills one server; what it stores survives until `close`.

    Args:
        port: of a server that another process started; then only its databases are made and dropped here.
    """

    def __init__(self, port: int | None = None) -> None:
        self.port = port or free_port()
        self._bin = _binaries()
        self._user = _user()
        self.folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Of the database that is always there."""
        return self._url("postgres")

    @property
    def pid(self) -> int | None:
        """The postmaster's process id while it runs."""
        return self._process.pid if self._process else None

    def start(self) -> Self:
        """Start and wait until it answers."""
        self.launch()
        self.wait_ready()
        return self

    def launch(self) -> None:
        """Start without waiting; a stopped or killed server starts again with its data and port."""
        folder = self.folder or self._init()
        self._process = spawn(
            [f"{self._bin}/postgres", "-D", f"{folder}/data"], folder / "server.log", user=self._user
        )

    def wait_ready(self) -> None:
        """Return when it takes connections."""

        def answers() -> bool:
            if self._process and self._process.poll() is not None:
                raise RuntimeError(f"PostgreSQL did not start:\n{self._log()}")
            command = [f"{self._bin}/pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
            return subprocess.run(command, check=False).returncode == 0

        wait_until(answers, "PostgreSQL to answer")

    def stop(self) -> None:
        """End all connections and shut down cleanly."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """SIGKILL to the postmaster, as when the machine runs out of memory."""
        self._end(signal.SIGKILL)

    def close(self) -> None:
        """Stop and delete everything."""
        self.stop()
        if self.folder:
            shutil.rmtree(self.folder)
            self.folder = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def create_database(self, name: str, *, template: str = "template1") -> str:
        """Make a database and return its URL; a template must have no connections while it is copied."""
        self._sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self._url(name)

    def drop_database(self, name: str) -> None:
        """Drop a database and whoever is still connected to it."""
        self._sql(f'DROP DATABASE "{name}" WITH (FORCE)')

    def _url(self, database: str) -> str:
        return f"postgresql://lingoloop@127.0.0.1:{self.port}/{database}"

    def _sql(self, statement: str) -> None:
        subprocess.run([f"{self._bin}/psql", "-qX", "-c", statement, self.url], check=True)

    def _init(self) -> Path:
        self.folder = folder = Path(tempfile.mkdtemp(prefix="lingoloop-postgres-"))
        if self._user and os.geteuid() == 0:
            shutil.chown(folder, self._user)
        initdb = [f"{self._bin}/initdb", "-D", f"{folder}/data", "-U", "lingoloop", "-A", "trust"]
        subprocess.run(
            [*run_as(self._user), "--", *initdb, "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=folder,
        )
        with (folder / "data/postgresql.conf").open("a") as config:
            config.write(
                f"listen_addresses = '127.0.0.1'\nport = {self.port}\nunix_socket_directories = ''\n"
                "max_connections = 300\nfsync = on\n"
            )
        return folder

    def _end(self, first: signal.Signals) -> None:
        if self._process:
            end(self._process, first)
            self._process = None

    def _log(self) -> str:
        return (self.folder / "server.log").read_text()[-4000:] if self.folder else ""
