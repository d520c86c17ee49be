"""`docs/events.md` and its Chinese twin: every command of the walk is typed, and each client and receiver runs as it is printed."""

import asyncio
import contextlib
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.command_line import environment, server
from tests.guide.browser import CHROMIUM, Pages, browsing, serving_pages
from tests.guide.walk import ROOT, Block, typed, walk
from tests.servers import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

NODE = ROOT / "tests/guide/live_node"
RECEIVER_PORT = "8787"
"""As the page has it."""

UPLOAD = """
curl -sS -H "Authorization: Bearer $TOKEN" -F file=@examples/talk.ogg -F model=long -F force=1 "$URL/api/audios"
"""

TOLD = re.compile(rb"told [0-9a-f-]{36} succeeded")

MOUNT = """
import { createRoot } from 'react-dom/client';
const place = document.documentElement.appendChild(document.createElement('main'));
new MutationObserver(() => {
  if (place.querySelector('footer')?.textContent === 'succeeded') {
    console.log('shown', place.querySelectorAll('p').length, place.textContent);
  }
}).observe(place, { childList: true, characterData: true, subtree: true });
createRoot(place).render(<Transcript runId={runId} token={token} />);
"""


@pytest.mark.skipif(
    (CHROMIUM is None or not (NODE / "node_modules").exists()) and "CI" not in os.environ,
    reason="needs chromium, and `npm ci` in tests/guide/live_node",
)
@pytest.mark.parametrize("page", ["events.md", "events.zh.md"])
async def test_every_command_of_the_walk_does_what_it_says(page: str, data: Path, tmp_path: Path) -> None:
    project = _project(tmp_path)
    port = str(free_port())
    settings = {"ALLOW_PRIVATE_ADDRESSES": "1"}
    async with (
        serving_pages() as pages,
        server(data, CORS_ALLOWED_ORIGINS=pages.origin(), **settings) as (_, url),
        contextlib.AsyncExitStack() as receivers,
    ):
        seen: list[str] = []
        begin, *blocks = walk(page)
        variables = begin.code.replace("http://127.0.0.1:3002", url)
        first = await typed(variables, project, data)
        variables = _exports(variables)
        told = asyncio.StreamReader()
        for block in blocks:
            code = block.code.replace(RECEIVER_PORT, port)
            if block.language == "jsx" or (block.language == "javascript" and "import" not in code):
                run_id, token = (await typed(f'{variables}\necho "$RUN $TOKEN"', project, data)).split()
                async with _in_browser(block, pages, url, run_id, token):
                    if "BroadcastChannel" in code:
                        await typed(variables + UPLOAD, project, data)
                        await pages.until(lambda: any("succeeded" in line for line in pages.logged))
            elif "receiver." in code.partition("\n")[0]:
                await receivers.aclose()  # the one before has this port
                told = await receivers.enter_async_context(_receiver(block, code, variables, project, data))
                await typed(variables + UPLOAD, project, data)
                assert TOLD.match(await asyncio.wait_for(told.readline(), 60))
            else:
                seen.append(await typed(variables + _as_command(block, code, project), project, data))
                variables += _exports(code)
                if "metadata=" in code:
                    assert TOLD.match(await asyncio.wait_for(told.readline(), 60))
    everything = first + "\n".join(seen)
    for expected in (
        "retry: ",
        '"event":"init"',
        '"event":"done"',
        '"event":"snapshot"',
        "done succeeded 100",
    ):
        assert expected in everything, expected
    sent = json.loads((project / "sent.json").read_text())["items"]
    assert sent[0]["status"] in ("delivered", "sending"), sent
    assert '"oldSecretUntil"' in everything


def _project(folder: Path) -> Path:
    project = folder / "project"
    (project / ".venv").mkdir(parents=True)
    (project / ".venv/bin").symlink_to(Path(sys.executable).parent)
    (project / "examples").symlink_to(ROOT / "examples")
    (project / "node_modules").symlink_to(NODE / "node_modules")
    return project


@contextlib.asynccontextmanager
async def _in_browser(block: Block, pages: Pages, url: str, run_id: str, token: str) -> AsyncIterator[None]:
    """Run a script on a page for as long as the block lasts, and until it has shown a run's words."""
    script = block.code
    if block.language == "jsx":
        script = await _bundled(MOUNT + block.code)
    address = pages.write(script, base=url, runId=run_id, token=token)
    async with browsing(address):
        yield
        if block.language == "jsx":
            await pages.until(lambda: any(line[0] == "shown" and line[1] > 1 for line in pages.logged))
        elif "watch(" in block.code:
            await pages.until(lambda: ["done", "succeeded"] in pages.logged)
            assert len(pages.logged) > 1, "words, before the end"
    assert not [what for kind, what in pages.told if kind == "fault"]


async def _bundled(code: str) -> str:
    process = await asyncio.create_subprocess_exec(
        NODE / "node_modules/.bin/esbuild",
        "--bundle",
        "--loader=jsx",
        "--jsx=automatic",
        "--format=iife",
        cwd=NODE,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate(code.encode())
    assert process.returncode == 0, err.decode()
    return out.decode()


@contextlib.asynccontextmanager
async def _receiver(
    block: Block, code: str, variables: str, project: Path, data: Path
) -> AsyncIterator[asyncio.StreamReader]:
    """Run a receiver for as long as the block lasts; give what it prints."""
    secret = (await typed(f'{variables}\necho "$SECRET"', project, data)).strip()
    name = "receiver.mjs" if block.language == "javascript" else "receiver.py"
    (project / name).write_text(code)
    process = await asyncio.create_subprocess_exec(
        "node" if block.language == "javascript" else sys.executable,
        name,
        cwd=project,
        env=environment(SECRET=secret),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        process.terminate()
        await process.wait()


def _exports(code: str) -> str:
    """Return what a block exports: it is there for those after it."""
    return "".join(f"{line}\n" for line in code.splitlines() if line.startswith("export "))


def _as_command(block: Block, code: str, project: Path) -> str:
    if block.language == "sh":
        return code
    name = "step.mjs" if block.language == "javascript" else "step.py"
    (project / name).write_text(code)
    return f"node {name}" if block.language == "javascript" else f"{sys.executable} {name}"
