"""Models from the hub, by its own client: fetched once a host, checked against the hub's SHA-256, and kept."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.transcriber.model_hub import Hub, serve

REPOSITORY = "somebody/faster-whisper-odd"
SLOT = """
import sys
from lingoloop_transcriber.engines import EngineError
from lingoloop_transcriber.engines.models import default_cache, find_model
try:
    print(find_model(sys.argv[1], default_cache()))
except EngineError as error:
    sys.exit(str(error))
"""
"""What a slot does before it loads."""


@pytest.fixture
def hub() -> Iterator[Hub]:
    files = {
        "model.bin": bytes(range(256)) * 1024,
        "config.json": b"{}",
        "tokenizer.json": b"{ }",
        "vocabulary.json": b"[]",
        "README.md": b"not wanted",
    }
    with serve(Hub(REPOSITORY, files)) as served:
        yield served


class Host:
    """A host with its own cache; each slot is a process."""

    def __init__(self, hub: Hub, folder: Path) -> None:
        self.cache = folder / "cache"
        self._environment = {
            "PATH": "",
            "PYTHONPATH": ":".join(path for path in sys.path if path),
            "HOME": str(folder),
            "HF_ENDPOINT": hub.url,
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "LINGOLOOP_CACHE": str(self.cache),
        }

    def start(self, *, model: str = REPOSITORY, **environment: str) -> "subprocess.Popen[str]":
        """Start a slot that looks for its model."""
        return subprocess.Popen(
            [sys.executable, "-c", SLOT, model],
            env={**self._environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def found(self, slot: "subprocess.Popen[str]") -> Path:
        """Return the folder that a slot found."""
        out, complaint = slot.communicate(timeout=60)
        assert slot.returncode == 0, complaint
        return Path(out.strip())

    def complaint(self, slot: "subprocess.Popen[str]") -> str:
        """Return why a slot did not start."""
        _, complaint = slot.communicate(timeout=60)
        assert slot.returncode == 1
        return complaint


@pytest.fixture
def host(hub: Hub, tmp_path: Path) -> Host:
    return Host(hub, tmp_path)


def test_it_is_fetched_once_however_many_slots_start(host: Host, hub: Hub) -> None:
    slots = [host.start() for _ in range(3)]
    [folder] = {host.found(slot) for slot in slots}
    assert folder.is_relative_to(host.cache)
    assert (folder / "model.bin").read_bytes() == hub.files["model.bin"]
    assert hub.fetched == dict.fromkeys(hub.files.keys() - {"README.md"}, 1)


def test_what_was_fetched_needs_the_hub_no_more(host: Host, hub: Hub) -> None:
    first = host.found(host.start())
    assert host.found(host.start(HF_ENDPOINT="http://127.0.0.1:1")) == first


def test_what_comes_damaged_is_refused_and_fetched_afresh(host: Host, hub: Hub) -> None:
    hub.sent["model.bin"] = bytes(len(hub.files["model.bin"]))
    assert "came damaged: its SHA-256 is not the one that the hub tells" in host.complaint(host.start())
    hub.sent.clear()
    assert (host.found(host.start()) / "model.bin").read_bytes() == hub.files["model.bin"]


def test_a_repository_without_a_model_of_this_kind_is_refused(host: Host, hub: Hub) -> None:
    del hub.files["model.bin"]
    assert "it lacks model.bin; MODEL must name one that was converted" in host.complaint(host.start())


def test_a_repository_that_is_not_there_is_refused(host: Host) -> None:
    complaint = host.complaint(host.start(model="nobody/nothing"))
    assert "'nobody/nothing' is not here and cannot be fetched" in complaint
