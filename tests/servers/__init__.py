"""Private, real servers for tests: nothing here touches a service of the machine."""

import contextlib
import fcntl
import os
import pwd
import random
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

_ports: set[int] = set()
_claims = Path(tempfile.gettempdir(), f"lingoloop-ports-{os.getuid()}").open("w")  # noqa: SIM115  (locked for life)
"""Each process holds a lock on the byte of each port it was given, for as long as it lives."""


def free_port() -> int:
    """A loopback port that nobody has, and that no test in another process is given while this one lives.

    So a server that is stopped for a while finds its port free again. It is below the range that clients' own ends come
    from: inside it, a client that keeps trying while a server is down can take the server's port, or reach itself.
    """
    while True:
        port = random.randint(20_000, 32_000)
        if port in _ports:
            continue
        with contextlib.suppress(OSError), socket.socket() as probe:
            fcntl.lockf(_claims, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
            _ports.add(port)
            probe.bind(("127.0.0.1", port))
            return port


def run_as(user: str | None) -> list[str]:
    """The start of a command line that takes a user's rights, where root gives its own away."""
    if user is None or os.geteuid() != 0:
        return ["setpriv"]
    account = pwd.getpwnam(user)
    return ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]


def spawn(
    command: list[str], log: Path, *, user: str | None = None, env: Mapping[str, str] | None = None
) -> "subprocess.Popen[bytes]":
    """Start a server whose process id is the returned one's, and which dies with the thread that started it.

    So a test that must not block its loop calls `launch` itself and only `wait_ready` in another thread.
    """
    with log.open("ab") as out:
        return subprocess.Popen(
            [*run_as(user), "--pdeathsig=KILL", "--", *command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=env,
            start_new_session=True,  # a Ctrl-C in the terminal is for the tests, which then stop their servers
        )


def end(process: "subprocess.Popen[bytes]", first: signal.Signals) -> None:
    """Send a signal, wait until the process and its children are gone; after 30 s kill it."""
    children = _children(process.pid)
    if process.poll() is None:
        process.send_signal(first)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    wait_until(lambda: not any(Path(f"/proc/{child}").exists() for child in children), "its children to end")


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def wait_until(condition: Callable[[], object], what: str, *, seconds: float = 60) -> None:
    """Ask every 50 ms until it is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.05)
