"""The data folder: one holder at a time, a secret made once, and a server that others can find."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

import lingoloop
from lingoloop.folder import DataFolder, FolderInUse, RunningServer, default_data_folder

URL = "http://127.0.0.1:3002"

HOLD = """
import sys
from pathlib import Path
from lingoloop.folder import DataFolder
folder = DataFolder(Path(sys.argv[1]))
folder.lock()
if len(sys.argv) > 2:
    folder.announce(sys.argv[2])
print("holding", flush=True)
sys.stdin.read()
"""


@contextmanager
def holder(folder: Path, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """Another process that holds a folder, until the end of the block at the latest."""
    path = os.pathsep.join([str(Path(lingoloop.__file__).parents[1]), *sys.path])
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, folder, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "holding\n"
        try:
            yield process
        finally:
            process.kill()


def test_only_one_process_holds_a_folder(tmp_path: Path) -> None:
    with holder(tmp_path / "data", URL) as process, pytest.raises(FolderInUse, match=URL) as caught:
        DataFolder(tmp_path / "data").lock()
    assert caught.value.server == RunningServer(URL, process.pid)
    assert str(process.pid) in str(caught.value)


def test_the_holder_is_named_before_it_has_a_url(tmp_path: Path) -> None:
    with holder(tmp_path) as process, pytest.raises(FolderInUse) as caught:
        DataFolder(tmp_path).lock()
    assert caught.value.server == RunningServer(None, process.pid)


def test_a_second_object_of_the_same_process_is_refused_too(tmp_path: Path) -> None:
    with DataFolder(tmp_path), pytest.raises(FolderInUse):
        DataFolder(tmp_path).lock()


def test_the_lock_is_free_again_after_unlock_and_after_a_kill(tmp_path: Path) -> None:
    with DataFolder(tmp_path):
        pass
    with holder(tmp_path, URL) as process:
        process.kill()
        process.wait()
        with DataFolder(tmp_path) as folder:
            assert folder.running_server() == RunningServer(None, os.getpid())


def test_a_server_is_found_only_while_it_holds_the_folder(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    assert folder.running_server() is None
    with holder(tmp_path, URL) as process:
        assert folder.running_server() == RunningServer(URL, process.pid)
        process.kill()
        process.wait()
        assert (tmp_path / "server.json").exists()
        assert folder.running_server() is None


def test_looking_never_keeps_a_server_from_starting(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    with folder:
        pass
    with ThreadPoolExecutor(2) as threads:
        looks = [
            threads.submit(lambda: [DataFolder(tmp_path).running_server() for _ in range(2000)])
            for _ in range(2)
        ]
        while not all(look.done() for look in looks):
            with folder:
                pass


def test_only_the_holder_announces(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="lock"):
        DataFolder(tmp_path).announce(URL)


def test_the_secret_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "deep" / "data")
    with ThreadPoolExecutor(8) as threads:
        secrets = set(threads.map(lambda _: DataFolder(folder.path).secret(), range(8)))
    (secret,) = secrets
    assert len(bytes.fromhex(secret)) >= 32
    assert DataFolder(folder.path).secret() == secret
    assert stat.S_IMODE(folder.secret_file.stat().st_mode) == 0o600
    assert not list(folder.path.glob(".new-*"))


def test_a_short_secret_is_refused(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    folder.secret_file.write_text("short\n")
    with pytest.raises(ValueError, match="delete it"):
        folder.secret()


def test_nobody_else_can_read_a_new_folder(tmp_path: Path) -> None:
    with DataFolder(tmp_path / "data") as folder:
        # Root's lets PostgreSQL's account pass.
        assert stat.S_IMODE(folder.path.stat().st_mode) == (0o711 if os.geteuid() == 0 else 0o700)
        assert stat.S_IMODE(folder.blobs.stat().st_mode) == 0o700


def test_the_environment_names_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LINGOLOOP_DATA", str(tmp_path))
    assert default_data_folder() == tmp_path
    monkeypatch.setenv("LINGOLOOP_DATA", "")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_data_folder().name == "lingoloop"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(sys, "platform", "linux")
    assert default_data_folder() == Path("/var/lib/lingoloop")
