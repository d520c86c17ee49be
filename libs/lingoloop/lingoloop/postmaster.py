"""Tells whose process a postmaster.pid names; a stale one is never believed."""

import contextlib
import os
import re
import subprocess
from pathlib import Path


def read_pid_file(file: Path) -> tuple[int, Path] | None:
    """Return a postmaster.pid's process id (line 1) and socket folder (line 5), None if it cannot be read as one."""
    try:
        lines = file.read_text().splitlines()
        return int(lines[0]), Path(lines[4] if len(lines) > 4 else "")
    except (OSError, ValueError, IndexError):
        return None


def serves(pid: int, folder: Path) -> bool:
    """Tell whether a process is a PostgreSQL server on this folder, and not one that got a dead one's number."""
    process = Path(f"/proc/{pid}")
    try:
        if Path("/proc/self").exists():
            words = (process / "cmdline").read_bytes().split(b"\0")
            # In a container root may lack the capability to look at the folder; the command line then does.
            with contextlib.suppress(PermissionError):
                return Path(os.fsdecode(words[0])).name == "postgres" and (process / "cwd").samefile(folder)
            line = os.fsdecode(b" ".join(words))
        else:
            asked = subprocess.run(
                ["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, check=False
            )
            line = os.fsdecode(asked.stdout)
    except (FileNotFoundError, ProcessLookupError):  # it ended
        return False
    return re.match(rf"(.*/)?postgres -D {re.escape(str(folder))} ", line) is not None
