"""Tells whether anybody opens a file (inotify(7)); Linux only, as the services' machines are."""

import ctypes
import os
from pathlib import Path

IN_OPEN = 0x20


class Watch:
    """Watches a file from now on."""

    def __init__(self, path: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0 or libc.inotify_add_watch(self._fd, os.fsencode(path), IN_OPEN) < 0:
            raise OSError(ctypes.get_errno(), "cannot watch")

    def opened(self) -> bool:
        """Whether it was opened since the last time this was asked."""
        try:
            return bool(os.read(self._fd, 4096))
        except BlockingIOError:
            return False

    def close(self) -> None:
        """Stop."""
        os.close(self._fd)
