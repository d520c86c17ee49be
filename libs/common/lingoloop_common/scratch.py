"""A folder for files of one process, which go with it, however it ends."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path


class Scratch:
    """A folder below the system's for temporary files (`TMPDIR`), of one process, named by a prefix."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._folder: Path | None = None
        self._lock = -1

    @property
    def folder(self) -> Path:
        """Where it is; it was opened."""
        assert self._folder is not None
        return self._folder

    def open(self) -> None:
        """Make the folder; remove those of processes that were killed."""
        for left in Path(tempfile.gettempdir()).glob(f"{self._prefix}*"):
            with contextlib.suppress(OSError):
                lock = os.open(left, os.O_RDONLY)
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # whose process lives cannot be locked
                    shutil.rmtree(left, ignore_errors=True)
                finally:
                    os.close(lock)
        # Locked before it has the name by which others look for those of the dead.
        made = Path(tempfile.mkdtemp(prefix=f".{self._prefix}"))
        self._lock = os.open(made, os.O_RDONLY)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._folder = made.rename(made.with_name(made.name[1:]))

    def close(self) -> None:
        """Remove the folder."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            os.close(self._lock)
            self._folder = None
