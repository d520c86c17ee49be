"""The one-process mode's data folder: who holds it, the server's secret, and where the running server is."""

import contextlib
import fcntl
import json
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import platformdirs


@dataclass(frozen=True, slots=True)
class RunningServer:
    """The server that holds a data folder: its URL, None until it has announced one, and its process id."""

    url: str | None
    pid: int


class FolderInUse(RuntimeError):
    """Another process holds the data folder; `server` is that process, as far as it is known."""

    def __init__(self, folder: Path, server: RunningServer | None) -> None:
        self.server = server
        who = f" (process {server.pid}{f', {server.url}' if server.url else ''})" if server else ""
        super().__init__(
            f"another LingoLoop server uses {folder}{who}; stop it, or name another folder with --data or LINGOLOOP_DATA"
        )


def default_data_folder() -> Path:
    """Return LINGOLOOP_DATA, or else the user's data folder.

    For root on Linux that is below /var/lib: PostgreSQL never runs as root, and its account cannot enter root's home.
    """
    if named := os.environ.get("LINGOLOOP_DATA"):
        return Path(named).expanduser().absolute()
    if sys.platform == "linux" and os.geteuid() == 0:
        return Path("/var/lib/lingoloop")
    return platformdirs.user_data_path("lingoloop", appauthor=False)


class DataFolder:
    """The folder's parts. Use it as a context manager, or `lock` and `unlock`, to be the server that holds it.

    Reading needs no lock: a second process may ask for the secret and for the server that runs.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock: int | None = None

    @property
    def postgres(self) -> Path:
        """The embedded PostgreSQL's folder."""
        return self.path / "postgres"

    @property
    def blobs(self) -> Path:
        """Recordings and chunks."""
        return self.path / "blobs"

    @property
    def blob_dir(self) -> Path | None:
        """Where the environment puts recordings, else here; None where `BLOB_URL` names a bucket instead."""
        if given := os.environ.get("BLOB_DIR"):
            return Path(given)
        return None if os.environ.get("BLOB_URL") else self.blobs

    @property
    def secret_file(self) -> Path:
        """What tokens are signed with."""
        return self.path / "secret"

    def lock(self) -> None:
        """Make the folder and hold it until `unlock`, or until this process ends, however it ends.

        Raises:
            FolderInUse: another process, or another object of this one, holds it.
            OSError: the folder cannot be made or written to.
        """
        self._make()
        file = os.open(self._lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            while not _try_flock(file, fcntl.LOCK_EX):
                # Whoever only looks (`running_server`) holds a shared lock for an instant: that is no server.
                if self._held():
                    raise FolderInUse(self.path, self.running_server())
                time.sleep(0.005)
            self._server_file.unlink(missing_ok=True)
            os.truncate(file, 0)
            os.write(file, f"{os.getpid()}\n".encode())
        except BaseException:
            os.close(file)
            raise
        self._lock = file

    def unlock(self) -> None:
        """Let others have the folder. Safe to call twice."""
        if self._lock is not None:
            self._server_file.unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        self.lock()
        return self

    def __exit__(self, *_: object) -> None:
        self.unlock()

    def secret(self) -> str:
        """Return the server's secret, 32 random bytes as hexadecimal digits; the first call makes it.

        Raises:
            ValueError: the file holds something shorter; a weak key must not sign tokens.
        """
        self._make()
        if not self.secret_file.exists():
            with (
                _complete(self.path, secrets.token_hex(32) + "\n") as made,
                contextlib.suppress(FileExistsError),
            ):
                # A link, not a rename: of two processes that make it at once, both use the first one's.
                os.link(made, self.secret_file)
        secret = self.secret_file.read_text().strip()
        if len(secret) < 64:
            raise ValueError(
                f"{self.secret_file} does not hold 64 characters; delete it, and a new one is made"
            )
        return secret

    def announce(self, url: str) -> None:
        """Tell other processes where the server is. Only the holder of the folder may."""
        if self._lock is None:
            raise RuntimeError("announce() needs the folder's lock")
        with _complete(self.path, json.dumps(asdict(RunningServer(url, os.getpid())))) as made:
            made.replace(self._server_file)

    def running_server(self) -> RunningServer | None:
        """Return the server that holds the folder now, or None. A file that a killed one left does not count."""
        if not self._held():
            return None
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            found = json.loads(self._server_file.read_text())
            return RunningServer(str(found["url"]), int(found["pid"]))
        with contextlib.suppress(OSError, ValueError):
            return RunningServer(None, int(self._lock_file.read_text()))
        return None

    @property
    def _lock_file(self) -> Path:
        return self.path / "lock"

    @property
    def _server_file(self) -> Path:
        return self.path / "server.json"

    def _make(self) -> None:
        if not self.path.is_dir():
            self.path.mkdir(parents=True, exist_ok=True)
            # Root's folder must let PostgreSQL's account pass on to its own part; it cannot list it.
            self.path.chmod(0o711 if os.geteuid() == 0 else 0o700)
        self.blobs.mkdir(mode=0o700, exist_ok=True)

    def _held(self) -> bool:
        try:
            file = os.open(self._lock_file, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            return not _try_flock(file, fcntl.LOCK_SH)
        finally:
            os.close(file)


def _try_flock(file: int, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def _complete(folder: Path, text: str) -> Iterator[Path]:
    """Yield a temporary file, readable by its owner only, that holds the text on disk; delete it if it is still there."""
    number, name = tempfile.mkstemp(prefix=".new-", dir=folder)
    try:
        with os.fdopen(number, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(number)
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)
