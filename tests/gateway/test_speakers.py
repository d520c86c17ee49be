"""Who speaks, as the machine tells it: in the segments, in every export and on streams, under the names that people give."""

import io
from typing import Any
from uuid import UUID

import docx
import pytest
import pytest_asyncio

from lingoloop_common.contracts.engines import Abilities, Ability
from tests import media
from tests.gateway.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

Run = tuple[str, str]


@pytest_asyncio.fixture(loop_scope="module")
async def run(world: World) -> Run:
    """The owner and the id of a run of three segments of 5 s, of which "2" says the second."""
    owner = world.new_owner()
    body = await world.accepted(owner, media.wav_of_ms(15_000), model="long")
    assert (await world.finished(owner, body["runId"]))["status"] == "succeeded"
    await world.database.pool.execute(
        "UPDATE segment SET speaker = CASE WHEN index = 1 THEN '2' ELSE '1' END WHERE run_id = $1",
        UUID(body["runId"]),
    )
    return owner, body["runId"]


async def labels(world: World, run: Run, query: str = "") -> list[tuple[str | None, str | None]]:
    owner, run_id = run
    items: list[dict[str, Any]] = (await world.get(owner, f"/api/runs/{run_id}/segments{query}")).json()[
        "items"
    ]
    return [(item.get("speaker"), item.get("speakerName")) for item in items]


async def export(world: World, run: Run, query: str) -> bytes:
    owner, run_id = run
    return (await world.get(owner, f"/api/runs/{run_id}/export?{query}")).content


async def test_segments_have_their_speaker_and_the_name_that_it_was_given(world: World, run: Run) -> None:
    owner, run_id = run
    assert await labels(world, run) == [("1", None), ("2", None), ("1", None)]
    await world.http.put(
        f"/api/runs/{run_id}/speakers", json={"speakers": {"1": "Ann"}}, headers=world.bearer(owner)
    )
    assert await labels(world, run) == [("1", "Ann"), ("2", None), ("1", "Ann")]
    assert await labels(world, run, "?original=1") == [("1", None), ("2", None), ("1", None)]


async def test_a_person_knows_better_and_may_take_it_back(world: World, run: Run) -> None:
    owner, run_id = run
    target, headers = f"/api/runs/{run_id}/segments/1", world.bearer(owner)
    edited = await world.http.patch(target, json={"speaker": "1"}, headers=headers)
    assert edited.json()["speaker"] == "1"
    assert [label for label, _ in await labels(world, run)] == ["1", "1", "1"]
    assert [label for label, _ in await labels(world, run, "?original=1")] == ["1", "2", "1"]
    await world.http.patch(target, json={"speaker": None}, headers=headers)
    assert [label for label, _ in await labels(world, run)] == ["1", "2", "1"]


async def test_exports_say_who_speaks(world: World, run: Run) -> None:
    owner, run_id = run
    await world.http.put(
        f"/api/runs/{run_id}/speakers", json={"speakers": {"2": "Bob"}}, headers=world.bearer(owner)
    )
    text = (await export(world, run, "fmt=txt")).decode()
    assert [line.partition(":")[0] for line in text.splitlines() if line] == ["1", "Bob", "1"]
    vtt = (await export(world, run, "fmt=vtt")).decode()
    assert [line.partition(">")[0] for line in vtt.splitlines() if line.startswith("<v")] == [
        "<v 1",
        "<v Bob",
        "<v 1",
    ]
    assert "Bob: simulated 5.0" in (await export(world, run, "fmt=srt")).decode()
    written = docx.Document(io.BytesIO(await export(world, run, "fmt=docx")))
    assert any("Bob: simulated 5.0" in paragraph.text for paragraph in written.paragraphs)
    original = (await export(world, run, "fmt=vtt&original=1")).decode()
    assert "<v 2>" in original
    assert "Bob" not in original


async def test_without_the_extra_it_is_said_what_to_install(idle_world: World) -> None:
    await idle_world.database.pool.execute(
        "INSERT INTO worker (id, lane, slots, abilities) VALUES (gen_random_uuid(), 'whisper.base', 0, $1)",
        Abilities(can=frozenset(Ability) - {Ability.DIARIZE}).model_dump(mode="json"),
    )
    answer = await idle_world.post(
        "ann", media.unlike_others(), engine="whisper", model="base", diarize="true"
    )
    body = answer.json()
    assert (answer.status_code, body["code"], list(body["fields"])) == (422, "unsupported", ["diarize"])
    assert "lingoloop-transcriber[speakers]" in body["detail"]


async def test_separate_channels_tell_who_speaks_by_themselves(idle_world: World) -> None:
    answer = await idle_world.post("ann", media.unlike_others(), diarize="true", channels="separate")
    body = answer.json()
    assert (answer.status_code, body["code"], list(body["fields"])) == (422, "invalid_value", ["channels"])
