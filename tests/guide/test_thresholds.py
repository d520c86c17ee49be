"""大文件（>10MB或>60秒）自动进入异步处理队列: what is large, as the environment says it.

That the defaults are the guide's, and borders still small, is shown in tests/gateway/test_uploads.py.
"""

import pytest

from tests import media
from tests.guide.conftest import StartWorld


async def test_the_borders_are_the_environments_and_belong_to_what_is_small(start_world: StartWorld) -> None:
    limits = {"TRANSCRIBE_SYNC_MAX_BYTES": "40000", "TRANSCRIBE_SYNC_MAX_DURATION_MS": "1500"}
    async with start_world(**limits) as world:
        for recording, status in (
            (media.wav_of_size(40_000), 200),
            (media.wav_of_size(40_002), 202),
            (media.wav_of_ms(1_500), 200),
            (media.wav_of_ms(1_501), 202),
        ):
            answer = await world.post("ann", recording)
            assert answer.status_code == status, answer.text
            assert answer.json().get("queued", False) == (status == 202)


@pytest.mark.parametrize(("inline", "status"), [("1", 200), ("0", 202)])
async def test_tasks_inline_processing_answers_a_large_recording_at_once(
    start_world: StartWorld, inline: str, status: int
) -> None:
    async with start_world(TASKS_INLINE_PROCESSING=inline, TRANSCRIBE_SYNC_TIMEOUT_MS="1") as world:
        answer = await world.post("ann", media.wav_of_ms(60_001))
        assert answer.status_code == status, answer.text
        body = answer.json()
        progress = (await world.get("ann", f"/api/runs/{body['runId']}/progress")).json()
    assert [job["jobType"] for job in progress["jobs"]] == ["transcribe_long"]
    assert ("text" in body) == (inline == "1")
