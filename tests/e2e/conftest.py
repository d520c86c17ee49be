"""A data folder for a test of its own."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def data() -> Iterator[Path]:
    """A data folder that PostgreSQL's account can enter, as root's temporary folders are not."""
    folder = Path(tempfile.mkdtemp(prefix="lingoloop-test-"))
    folder.chmod(0o711)
    yield folder / "data"
    shutil.rmtree(folder, ignore_errors=True)
