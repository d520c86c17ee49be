"""`docs/api.md` and its Chinese twin: every command of the walk is typed, in order, by somebody who has just come."""

import os
import re
import sys
from pathlib import Path

import pytest

from tests.command_line import server
from tests.guide.browser import CHROMIUM, browsing, serving_pages
from tests.guide.walk import ROOT, Block, typed, walk

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

NODE_MODULES = ROOT / "tests/gateway/tus_node/node_modules"


@pytest.mark.skipif(
    (CHROMIUM is None or not NODE_MODULES.exists()) and "CI" not in os.environ,
    reason="needs chromium and the packages of tests/gateway/tus_node; `make test-servers` installs these, or says why it cannot",
)
@pytest.mark.parametrize("page", ["api.md", "api.zh.md"])
async def test_every_command_of_the_walk_does_what_it_says(page: str, data: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / ".venv").mkdir(parents=True)
    (project / ".venv/bin").symlink_to(Path(sys.executable).parent)
    (project / "examples").symlink_to(ROOT / "examples")
    if NODE_MODULES.exists():
        (project / "node_modules").symlink_to(NODE_MODULES)
    async with serving_pages() as pages, server(data, CORS_ALLOWED_ORIGINS=pages.origin()) as (_, url):
        seen: list[str] = []
        begin, *blocks = walk(page)
        variables = begin.code.replace("http://127.0.0.1:3002", url)
        for block in blocks:
            if "EventSource" in block.code:
                run_id, token = (await typed(f'{variables}\necho "$RUN $TOKEN"', project, data)).split()
                script = pages.write(block.code, base=url, runId=run_id, token=token)
                async with browsing(script):
                    await pages.until(lambda: ["done", "succeeded"] in pages.logged)
                assert len(pages.logged) > 1, "words, before the end"
                continue
            said = await typed(variables + _as_command(block, project), project, data)
            seen.append(said)
            # What a block exports is there for those after it.
            variables += "".join(
                f"{line}\n" for line in block.code.splitlines() if line.startswith("export ")
            )
    everything = "\n".join(seen)
    assert len(re.findall(r"^run [0-9a-f-]{36}$", everything, re.MULTILINE)) == 2, (
        "tus-js-client's and tuspy's"
    )
    for expected in (
        '"reused":true',
        '"matches":[{',
        "lingoloop-run-id",
        "idempotent-replayed",
        "long recordings",
        '"deletedAt"',
    ):
        assert expected.lower() in everything.lower(), expected
    assert "WEBVTT" not in everything
    assert (project / "talk.srt").read_text().startswith("1\n00:00:0")
    assert '"complete":true' in (project / "peaks.json").read_text()


def _as_command(block: Block, project: Path) -> str:
    if block.language == "sh":
        return block.code
    name = "step.mjs" if block.language == "javascript" else "step.py"
    (project / name).write_text(block.code)
    return f"node {name}" if block.language == "javascript" else f"{sys.executable} {name}"
