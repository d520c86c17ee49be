"""The tests of `web/`: the pieces one by one, and the page in a real browser in front of the real server."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from lingoloop_gateway.description.document import openapi
from lingoloop_gateway.description.table import ROUTES
from tests.command_line import environment
from tests.guide.browser import CHROMIUM

WEB = Path(__file__).parents[2] / "web"
PAGE = WEB.parent / "services/gateway/lingoloop_gateway/static/app"
LONG = {"blocked", "oidc", "speed", "streams", "uploads"}
"""Journeys that wait for time-outs, breaks and large files."""

JOURNEYS = [
    pytest.param(path.name, marks=pytest.mark.slow if name in LONG else (), id=name)
    for path in sorted((WEB / "e2e").glob("*.test.ts"))
    for name in [path.name.removesuffix(".test.ts")]
]

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.skipif(
        shutil.which("npm") is None or not (WEB / "node_modules").exists(),
        reason="needs Node 20 and the packages of web; `make test-servers` installs these, or says why it cannot",
    ),
]


def npm(*words: str, **settings: str) -> None:
    """Run one of the scripts of `web/package.json`; what it says is the failure's text."""
    process = subprocess.Popen(
        ["npm", "run", "--silent", *words],
        cwd=WEB,
        env={**environment(), "LINGOLOOP_PYTHON": sys.executable, "CI": "1", "NO_COLOR": "1", **settings},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=390)
    except BaseException:
        os.killpg(process.pid, signal.SIGTERM)  # servers and browsers that it started, too
        process.communicate()
        raise
    assert process.returncode == 0, said


def test_the_code_is_in_order() -> None:
    npm("check")


def test_the_pieces_one_by_one() -> None:
    npm("test")


def test_the_page_knows_the_api_as_it_is_described(tmp_path: Path) -> None:
    described, typed = tmp_path / "openapi.json", tmp_path / "schema.d.ts"
    described.write_text(json.dumps(openapi(ROUTES, version="any")))
    subprocess.run(
        ["npx", "--no-install", "openapi-typescript", described, "--output", typed],
        cwd=WEB / "app",
        env=environment(),
        capture_output=True,
        timeout=100,
        check=True,
    )
    assert typed.read_text() == (WEB / "app/src/api/schema.d.ts").read_text(), (
        "docs/web.md says how to mend it"
    )


def is_stale() -> bool:
    """Whether the page was built before its sources were written."""
    index = PAGE / "index.html"
    sources = (path for part in ("app", "react") for path in (WEB / part).rglob("*") if path.is_file())
    return not index.exists() or any(path.stat().st_mtime > index.stat().st_mtime for path in sources)


@pytest.fixture(scope="session")
def built() -> None:
    """Build the page, once, by whichever process of this run comes first."""
    with Path(tempfile.gettempdir(), f"lingoloop-web-{WEB.stat().st_ino}").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if is_stale():
            npm("build")


@pytest.mark.usefixtures("built")
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium; `make test-servers` installs it")
@pytest.mark.parametrize("journey", JOURNEYS)
def test_the_page_in_a_browser(journey: str) -> None:
    npm("e2e", journey, CHROMIUM=CHROMIUM or "")
