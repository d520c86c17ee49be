"""Real tus clients, unmodified: tus-js-client in Node, tuspy, curl."""

import asyncio
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tusclient.client import TusClient as Tuspy

from tests import media
from tests.gateway.tus_client import TusClient
from tests.gateway.world import World

FOLDER = Path(__file__).parent / "tus_node"
TALK = media.wav_of_ms(20_000)

pytestmark = pytest.mark.asyncio(loop_scope="module")

needs_node = pytest.mark.skipif(
    shutil.which("node") is None or not (FOLDER / "node_modules").exists(),
    reason="needs Node and the packages of tests/gateway/tus_node; `make test-servers` installs these, or says why it cannot",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    recording = tmp_path / "talk.wav"
    recording.write_bytes(TALK)
    return recording


async def output(*command: str | Path) -> str:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    return out.decode()


async def has_taken_it(world: World, owner: str, run_id: str) -> dict[str, Any]:
    """Return the only run of an owner, whose recording is the file."""
    (run,) = (await world.get(owner, "/api/runs")).json()["items"]
    assert run["id"] == run_id
    audio = (await world.get(owner, f"/api/audios/{run['audioId']}")).json()
    assert audio["sha256"] == hashlib.sha256(TALK).hexdigest()
    found: dict[str, Any] = run
    return found


@needs_node
@pytest.mark.parametrize("how", ["whole", "parallel", "broken", "deferred"])
async def test_tus_js_client_uploads(idle_world: World, path: Path, how: str) -> None:
    owner = idle_world.new_owner()
    url = f"{idle_world.gateway.url}/api/uploads"
    told = json.loads(await output("node", FOLDER / "upload.js", url, idle_world.token(owner), path, how))
    run = await has_taken_it(idle_world, owner, told["runId"])
    assert (run["filename"], run["language"]) == ("talk.wav", "de")


async def test_tuspy_goes_on_with_what_was_broken_off(idle_world: World, path: Path) -> None:
    tus = TusClient(idle_world)

    def upload() -> str:
        client = Tuspy(f"{idle_world.gateway.url}/api/uploads", headers=idle_world.bearer(tus.owner))
        uploader = client.uploader(
            str(path), chunk_size=100_000, metadata={"filename": "talk.wav"}, upload_checksum=True
        )
        uploader.upload_chunk()  # type: ignore[no-untyped-call]
        again = client.uploader(str(path), chunk_size=100_000, url=uploader.url)
        assert again.get_offset() == 100_000
        again.upload()
        return str(again.url)

    url = await asyncio.to_thread(upload)
    await has_taken_it(idle_world, tus.owner, (await tus.head(url)).headers["Lingoloop-Run-Id"])


async def test_curl_uploads(idle_world: World, path: Path) -> None:
    owner = idle_world.new_owner()
    common = ["curl", "-sS", "-D", "-", "-o", "/dev/null", "-H", "Tus-Resumable: 1.0.0"]
    common += ["-H", f"Authorization: Bearer {idle_world.token(owner)}"]
    size = path.stat().st_size

    async def asked(*more: str) -> dict[str, str]:
        lines = (await output(*common, *more)).split("\r\n")
        return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}

    created = await asked(
        "-X", "POST", "-H", f"Upload-Length: {size}", f"{idle_world.gateway.url}/api/uploads"
    )
    patched = await asked(
        *("-X", "PATCH", "-H", "Upload-Offset: 0", "-H", "Content-Type: application/offset+octet-stream"),
        *("-H", "Expect: 100-continue", "--data-binary", f"@{path}", created["location"]),
    )
    assert patched["upload-offset"] == str(size)
    await has_taken_it(idle_world, owner, patched["lingoloop-run-id"])
