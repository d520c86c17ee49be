"""OpenAI's own package for Node, unmodified; left out where Node or the package is not installed."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.their_client import TEXT, TWELVE_SECONDS
from tests.gateway.world import World

FOLDER = Path(__file__).parent / "openai_node"

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(
        shutil.which("node") is None or not (FOLDER / "node_modules").exists(),
        reason="needs Node and the packages of tests/gateway/openai_node; `make test-servers` installs these, or says why it cannot",
    ),
]


async def asked(world: World, path: Path, *arguments: str) -> Any:
    """Return what the script printed."""
    process = await asyncio.create_subprocess_exec(
        "node",
        FOLDER / "ask.js",
        f"{world.gateway.url}/v1",
        world.token("ann"),
        path,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    return json.loads(out)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    recording = tmp_path / "talk.wav"
    recording.write_bytes(TWELVE_SECONDS)
    return recording


async def test_it_gets_a_transcript_in_each_format(world: World, path: Path) -> None:
    answers = await asked(world, path, "formats")
    assert answers["json"]["text"] == answers["verbose_json"]["text"] == TEXT
    assert answers["text"] == TEXT + "\n"
    assert answers["srt"].startswith("1\n00:00:00,000 --> ")
    assert answers["vtt"].startswith("WEBVTT\n\n")
    assert [word["word"] for word in answers["verbose_json"]["words"]] == ["0.0", "5.0", "10.0"]
    assert len(answers["verbose_json"]["segments"]) == 3


async def test_it_hears_words_as_they_come(world: World, path: Path) -> None:
    *deltas, done = await asked(world, path, "stream")
    assert "".join(event["delta"] for event in deltas) == done["text"] == TEXT


async def test_it_lists_models(world: World, path: Path) -> None:
    assert await asked(world, path, "models") == ["whisper-1", "simulated"]


async def test_it_tells_errors_apart(world: World, path: Path) -> None:
    error = await asked(world, path, "error")
    assert (error["kind"], error["status"], error["code"], error["param"]) == (
        "NotFoundError",
        404,
        "model_not_found",
        "model",
    )
    assert error["requestID"]
