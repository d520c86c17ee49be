"""`lingoloop` as a person types it, in a process of its own."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Any


def environment(**settings: str) -> dict[str, str]:
    """Return the environment of a person who has set nothing."""
    kept = {
        name: os.environ[name]
        for name in ("PATH", "HOME", "PYTHONPATH", "LINGOLOOP_CACHE")
        if name in os.environ
    }
    return {**kept, "OPS_PORT": "0", **settings}


def command(*words: str) -> list[str]:
    """Return the command line that runs `lingoloop`."""
    return [sys.executable, "-m", "lingoloop", *words]


async def run(*words: str, **settings: str) -> tuple[int, str, str]:
    """Run `lingoloop` to its end; return exit code, stdout, stderr."""
    process = await asyncio.create_subprocess_exec(
        *command(*words),
        env=environment(**settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), 100)
    except BaseException:
        process.kill()
        raise
    return process.returncode or 0, out.decode(), err.decode()


@contextlib.asynccontextmanager
async def server(
    data: Path, stderr: IO[Any] = sys.stderr, /, **settings: str
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """Run `lingoloop up` until the block ends; give the process and its address."""
    process = await asyncio.create_subprocess_exec(
        *command("up", "--port", "0", "--data", str(data)),
        env=environment(**settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
    )
    try:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), 60)).decode()
        assert line.startswith("ready http://127.0.0.1:"), line
        yield process, line.split()[1]
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(process.wait(), 45)
