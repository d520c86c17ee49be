"""The walks in the documentation: their blocks of code, and a shell to type them in."""

import asyncio
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.command_line import environment

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(sh|python|javascript|jsx)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
STRICT = 'set -euo pipefail\ncurl() { command curl --fail-with-body "$@"; }\n'
"""A command that fails, or is answered with an error, fails the test."""


class Block(NamedTuple):
    """Code of the walk, and what it is written in."""

    language: str
    code: str


def walk(page: str) -> list[Block]:
    """Return the blocks of a page's numbered steps; tables and examples come after them."""
    text = (ROOT / "docs" / page).read_text()
    last = [found.start() for found in re.finditer(r"^## \d+\. ", text, re.MULTILINE)][-1]
    return [Block(*found) for found in BLOCK.findall(text[: text.index("\n## ", last + 1)])]


async def typed(code: str, project: Path, data: Path) -> str:
    """Return what commands print."""
    process = await asyncio.create_subprocess_exec(
        shutil.which("bash") or "bash",
        "-c",
        STRICT + code,
        cwd=project,
        env=environment(LINGOLOOP_DATA=str(data)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0, f"{code}\n{out.decode()}\n{err.decode()}"
    return out.decode() + err.decode()
