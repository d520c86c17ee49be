"""Services as processes of their own over S3: no folder is shared, and nothing is lost with a gateway that is killed."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests import media
from tests.fleet import Fleet, rest_of_run
from tests.gateway.tus_client import BYTES
from tests.ledger import check_ledger
from tests.speech import join, librivox_clips, word_error_rate, write_wav
from tests.storage.stores import CREDENTIALS, s3_client, s3_settings
from tests.waiting import eventually

pytestmark = pytest.mark.slow

MIB = 2**20


@pytest.fixture
async def fleet(
    database_url: str, rabbitmq_url: str, real_s3_url: str, tmp_path: Path
) -> AsyncIterator[Fleet]:
    """No service yet."""
    settings = {name.upper(): value for name, value in s3_settings(real_s3_url).items()}
    fleet = Fleet(
        tmp_path, database_url, rabbitmq_url, **settings, **CREDENTIALS, MAX_CONCURRENT_JOBS="1", BLOB_DIR=""
    )
    try:
        yield fleet
    except BaseException:
        print(fleet.logs())
        raise
    finally:
        fleet.stop()
    assert not (tmp_path / "blobs").exists()


def keys(fleet: Fleet) -> list[str]:
    """Return what lies in the bucket."""
    bucket = fleet.environment["BLOB_URL"].split("/")[2]
    found = s3_client(fleet.environment["S3_ENDPOINT_URL"]).list_objects_v2(Bucket=bucket)
    return [item["Key"].removeprefix("lingo/loop/") for item in found.get("Contents", [])]


async def patch(http: httpx.AsyncClient, path: str, data: bytes, offset: int) -> httpx.Response:
    headers = {"Tus-Resumable": "1.0.0", "Upload-Offset": str(offset), "Content-Type": BYTES}
    return await http.patch(path, headers=headers, content=data)


async def test_an_upload_outlives_its_gateway(fleet: Fleet) -> None:
    fleet.environment |= {"ENGINE": "simulated", "SIMULATED_MS_PER_SECOND": "0"}
    await fleet.start_all(transcribers=1)
    data = media.wav_of_size(20 * MIB)[:44] + os.urandom(20 * MIB - 44)
    async with fleet.http() as http:
        made = await http.post(
            "/api/uploads", headers={"Tus-Resumable": "1.0.0", "Upload-Length": str(len(data))}
        )
        path = httpx.URL(made.headers["Location"]).path
        assert (await patch(http, path, data[: 9 * MIB], 0)).status_code == 204
    [gateway] = [service for service in fleet.services if service.name == "gateway"]
    gateway.kill()
    await fleet.start("gateway").ready()
    async with fleet.http() as http:
        head = await http.head(path, headers={"Tus-Resumable": "1.0.0"})
        assert head.headers["Upload-Offset"] == str(9 * MIB)
        ended = await patch(http, path, data[9 * MIB :], 9 * MIB)
        assert ended.status_code == 204, ended.text
        run_id = ended.headers["Lingoloop-Run-Id"]
        async with fleet.client() as client:
            frames = await rest_of_run(client, run_id)
        assert frames[-1]["status"] == "succeeded"
        audio = (await http.get(f"/api/runs/{run_id}")).json()["audioId"]
        assert (await http.get(f"/api/audios/{audio}/content")).content == data


async def test_real_speech_becomes_its_words_over_s3(fleet: Fleet, tmp_path: Path) -> None:
    await fleet.start_all(transcribers=1)
    clip = join(librivox_clips(), least_seconds=75)
    path = write_wav(tmp_path / "speech.wav", clip.samples)
    async with fleet.client() as client:
        run_id = await client.upload(path, lambda _: None)
        frames = await rest_of_run(client, run_id)
        text = b"".join([part async for part in client.export(run_id, "txt")]).decode()
    assert frames[-1]["status"] == "succeeded"
    assert len(await check_ledger(fleet.database_url, run_id)) > 1
    assert word_error_rate(clip.words, text) <= 0.12, text

    def left() -> list[str]:
        return [key.partition("/")[0] for key in keys(fleet) if not key.startswith("uploads/")]

    await eventually(lambda: left() == ["audio"])  # what it was cut into goes after its end
