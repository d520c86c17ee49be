"""The whole way with services as processes: an upload comes back as words, though every worker is killed on the way."""

from pathlib import Path

import pytest

from tests.fleet import running_fleet
from tests.google.answers import HELLO
from tests.google.fake import FakeGoogle, left_objects
from tests.google.test_operations import sound_of
from tests.waiting import eventually


@pytest.mark.usefixtures("google")
async def test_it_survives_that_every_worker_is_killed(
    google: FakeGoogle, migrated_url: str, rabbitmq_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    names = (
        "STORAGE_EMULATOR_HOST",
        "GOOGLE_CLOUD_PROJECT",
        "GOOGLE_SPEECH_ENDPOINT",
        "GOOGLE_STAGING_BUCKET",
    )
    settings = {name: os.environ[name] for name in names}
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
