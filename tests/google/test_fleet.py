"""The whole way with services as processes: an upload comes back as words, though every worker is killed on the way."""

import os
from pathlib import Path

import pytest

from tests.fleet import running_fleet
from tests.google.answers import HELLO
from tests.google.fake import BUCKET, FakeGoogle, left_objects
from tests.google.rig import sound_of
from tests.waiting import eventually

NAMES = ("STORAGE_EMULATOR_HOST", "GOOGLE_CLOUD_PROJECT", "GOOGLE_SPEECH_ENDPOINT", "GOOGLE_STAGING_BUCKET")


@pytest.mark.usefixtures("google")
async def test_it_survives_that_every_worker_is_killed(
    google: FakeGoogle, migrated_url: str, rabbitmq_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {name: os.environ[name] for name in NAMES}
    async with running_fleet(
        tmp_path,
        migrated_url,
        rabbitmq_url,
        transcribers=1,
        ENGINE="google",
        POLL_INTERVAL_MS="500",
        MAX_CONCURRENT_JOBS="1",
        **settings,
    ) as fleet:
        async with fleet.http() as http:
            answer = await http.post(
                "/api/audios",
                params={"model": "long", "hotwords": "Elinor"},
                content=sound_of(tmp_path),
                headers={"Content-Type": "audio/wav"},
            )
            assert answer.status_code == 202, answer.text
            run = f"/api/runs/{answer.json()['runId']}"
            await eventually(lambda: google.calls["GetOperation"] >= 1, seconds=40)
            fleet.services[-1].kill()
            [operation] = google.operations
            operation.percent = 40
            fleet.start("transcriber")

            async def is_so_far() -> bool:
                return bool((await http.get(f"{run}/progress")).json()["progress"] == 40)

            await eventually(is_so_far, seconds=60)
            operation.words = HELLO

            async def has_ended() -> bool:
                return bool((await http.get(run)).json()["status"] == "succeeded")

            await eventually(has_ended, seconds=60)
            segments = (await http.get(f"{run}/segments")).json()["items"]
        assert [segment["text"] for segment in segments] == ["Hello there.", "Bye."]
        assert google.calls["BatchRecognize"] == 1
        await eventually(lambda: left_objects() == [])


async def test_recordings_in_googles_storage_need_no_other_bucket(
    google: FakeGoogle, migrated_url: str, rabbitmq_url: str, tmp_path: Path
) -> None:
    settings = {name: os.environ[name] for name in NAMES if name != "GOOGLE_STAGING_BUCKET"}
    async with (
        running_fleet(
            tmp_path,
            migrated_url,
            rabbitmq_url,
            transcribers=1,
            ENGINE="google",
            POLL_INTERVAL_MS="500",
            MAX_CONCURRENT_JOBS="1",
            BLOB_DIR="",
            BLOB_URL=f"gs://{BUCKET}/fleet",
            **settings,
        ) as fleet,
        fleet.http() as http,
    ):
        answer = await http.post(
            "/api/audios",
            params={"model": "long"},
            content=sound_of(tmp_path),
            headers={"Content-Type": "audio/wav"},
        )
        assert answer.status_code == 202, answer.text
        made = answer.json()
        await eventually(lambda: google.operations, seconds=40)
        [operation] = google.operations
        assert operation.uri.startswith(f"gs://{BUCKET}/fleet/operations/")
        operation.words = HELLO

        async def has_ended() -> bool:
            return bool((await http.get(f"/api/runs/{made['runId']}")).json()["status"] == "succeeded")

        await eventually(has_ended, seconds=60)
        audio = f"audio/{made['audioId']}"
        await eventually(lambda: left_objects() == [f"fleet/{audio}"], seconds=20)
        assert (await http.delete(f"/api/audios/{made['audioId']}")).status_code in (200, 204)
        await eventually(lambda: left_objects() == [], seconds=20)
