"""The tests of `web/`: the pieces one by one, and the page in a real browser in front of the real server."""

import fcntl
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command_line import environment
from tests.guide.browser import CHROMIUM

WEB = Path(__file__).parents[2] / "web"
JOURNEYS = sorted((WEB / "e2e").glob("*.test.ts"))

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.skipif(
        shutil.which("npm") is None or not (WEB / "node_modules").exists(),
        reason="needs Node 20 and the packages of web; `make test-servers` installs these, or says why it cannot",
    ),
]


def npm(*words: str, **settings: str) -> None:
    """Run one of the scripts of `web/package.json`; what it says is the failure's text."""
    done = subprocess.run(
        ["npm", "run", "--silent", *words],
        cwd=WEB,
        env={**environment(), "LINGOLOOP_PYTHON": sys.executable, "CI": "1", "NO_COLOR": "1", **settings},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=390,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_the_code_is_in_order() -> None:
    npm("check")


def test_the_pieces_one_by_one() -> None:
    npm("test")


@pytest.fixture(scope="session")
def built() -> Iterator[None]:
    """Build the page: once, by whichever process of this run comes first."""
    with Path(tempfile.gettempdir(), f"lingoloop-web-{WEB.stat().st_ino}").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        npm("build")
        fcntl.flock(lock, fcntl.LOCK_UN)
        yield


@pytest.mark.usefixtures("built")
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium; `make test-servers` installs it")
@pytest.mark.parametrize("journey", JOURNEYS, ids=lambda path: path.name.removesuffix(".test.ts"))
def test_the_page_in_a_browser(journey: Path) -> None:
    npm("e2e", journey.name, CHROMIUM=CHROMIUM or "")
