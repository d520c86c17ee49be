"""An engine in a package of its own: built, installed beside the others, and run through everything once."""

import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from zipfile import ZipFile

import pytest
import pytest_asyncio

from tests.engines import keyed
from tests.gateway.world import World, running_world
from tests.media import wav

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROOT = Path(__file__).resolve().parents[2]
BUILD = "from setuptools.build_meta import build_wheel; build_wheel('.')"
"""What pip does without isolation; needs no network, and no pip."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the package is installed."""
    work, target = tmp_path_factory.mktemp("build"), tmp_path_factory.mktemp("installed")
    shutil.copytree(ROOT / "examples" / "engine", work, dirs_exist_ok=True)
    subprocess.run([sys.executable, "-c", BUILD], cwd=work, check=True, capture_output=True)
    [wheel] = work.glob("*.whl")
    with ZipFile(wheel) as file:
        file.extractall(target)
    return target


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(
    module_database_url: str, installed: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """Everything, with that engine."""
    kept = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if "examples" not in path]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(installed), *kept])))
        folder = tmp_path_factory.mktemp("blobs")
        async with running_world(module_database_url, folder, engine="morse") as world:
            yield world


async def test_a_recording_becomes_its_transcript(world: World) -> None:
    owner = world.new_owner()
    body = await world.accepted(owner, wav(keyed.morse("CQ DE PARIS")))
    run = await world.finished(owner, body["runId"])
    assert run["status"] == "succeeded"
    items = (await world.get(owner, f"/api/runs/{body['runId']}/segments")).json()["items"]
    assert [item["text"] for item in items] == ["CQ DE PARIS"]
    assert [word["word"] for word in items[0]["words"]] == [" CQ", " DE", " PARIS"]
    assert items[0]["start"] == pytest.approx(0.5, abs=0.02)


async def test_what_it_cannot_do_is_refused(world: World) -> None:
    owner = world.new_owner()
    answer = await world.post(owner, wav(keyed.morse("SOS")), task="translate")
    assert (answer.status_code, answer.json()["code"]) == (422, "unsupported")
    assert "morse" in answer.json()["detail"]
