"""What people change stands beside the machine's version: in the segments, in every export, and gone when taken back."""

import asyncio
import io
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import docx
import httpx
import orjson
import pytest
import pytest_asyncio

from tests import media
from tests.gateway.world import World
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def run(world: World) -> tuple[str, str]:
    """The owner and the id of a run of three segments of 5 s: `simulated 0.0`, `5.0`, `10.0`."""
    owner = world.new_owner()
    body = await world.accepted(owner, media.wav_of_ms(15_000), model="long")
    assert (await world.finished(owner, body["runId"]))["status"] == "succeeded"
    return owner, body["runId"]


async def patch(world: World, run: tuple[str, str], index: object, body: object) -> httpx.Response:
    owner, run_id = run
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    target = f"/api/runs/{run_id}/segments/{index}"
    return await world.http.patch(target, content=content, headers=world.bearer(owner))


async def name(world: World, run: tuple[str, str], body: object) -> httpx.Response:
    owner, run_id = run
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    return await world.http.put(f"/api/runs/{run_id}/speakers", content=content, headers=world.bearer(owner))


async def segments(world: World, run: tuple[str, str], query: str = "") -> list[dict[str, Any]]:
    owner, run_id = run
    items: list[dict[str, Any]] = (await world.get(owner, f"/api/runs/{run_id}/segments{query}")).json()[
        "items"
    ]
    return items


async def export(world: World, run: tuple[str, str], query: str) -> bytes:
    owner, run_id = run
    answer = await world.get(owner, f"/api/runs/{run_id}/export?{query}")
    assert answer.status_code == 200
    return answer.content


def shown(fmt: str, data: bytes) -> object:
    """Return what a file shows: a document holds times of its own making."""
    if fmt == "docx":
        return [paragraph.text for paragraph in docx.Document(io.BytesIO(data)).paragraphs]
    return data


async def test_an_edited_segment_says_so_and_the_machines_is_kept(world: World, run: tuple[str, str]) -> None:
    before = await segments(world, run)
    answer = await patch(world, run, 1, {"text": "  simulated\nanew\x00 "})
    assert answer.status_code == 200
    after = await segments(world, run)
    assert answer.json() == after[1]
    assert (after[1]["text"], after[1]["edited"]) == ("simulated anew", True)
    assert after[1]["words"][-1]["end"] == 10.0
    assert [after[0], after[2]] == [before[0], before[2]]
    assert await segments(world, run, "?original=1") == before
    assert await segments(world, run, "?original=0") == after


async def test_a_run_says_whether_it_has_edits(world: World, run: tuple[str, str]) -> None:
    owner, run_id = run

    async def edited() -> list[bool]:
        listed = (await world.get(owner, "/api/runs")).json()["items"]
        found = (await world.get(owner, "/api/runs?q=simulated")).json()["items"]
        alone = (await world.get(owner, f"/api/runs/{run_id}")).json()
        return [item["edited"] for item in [*listed, *found, alone]]

    await eventually(lambda: _all_there(edited))
    assert await edited() == [False] * 3
    await patch(world, run, 1, {"text": "Something else"})
    assert await edited() == [True] * 3
    await patch(world, run, 1, {"text": None})
    assert await edited() == [False] * 3


async def _all_there(edited: Callable[[], Awaitable[list[bool]]]) -> bool:
    """Whether the run can be searched for, too."""
    return len(await edited()) == 3


async def test_null_brings_the_machines_back(world: World, run: tuple[str, str]) -> None:
    before = await segments(world, run)
    await patch(world, run, 0, {"text": "x", "speaker": "S1"})
    assert (await patch(world, run, 0, {"text": None})).json() == {
        **before[0],
        "speaker": "S1",
        "edited": True,
    }
    assert (await patch(world, run, 0, {"speaker": None})).json() == before[0]
    rows = "SELECT count(*) FROM segment_edit WHERE run_id = $1"
    assert await world.database.pool.fetchval(rows, UUID(run[1])) == 0


async def test_of_two_who_change_different_things_at_once_neither_undoes_the_others(
    world: World, run: tuple[str, str]
) -> None:
    await asyncio.gather(
        *(patch(world, run, 0, edit) for edit in ({"text": "x"}, {"speaker": "S1"}) for _ in range(5))
    )
    first = (await segments(world, run))[0]
    assert (first["text"], first["speaker"]) == ("x", "S1")


async def test_speakers_have_names_in_every_file(world: World, run: tuple[str, str]) -> None:
    owner, run_id = run
    for index, edit in enumerate(
        [{"speaker": "S1"}, {"speaker": "S2", "text": "R&D <3."}, {"speaker": "S2"}]
    ):
        await patch(world, run, index, edit)
    names = {"S1": "Ann & Bob", "S9": "nobody"}
    assert (await name(world, run, {"speakers": names})).json() == {"speakers": names}
    assert (await world.get(owner, f"/api/runs/{run_id}")).json()["speakers"] == names
    found = await segments(world, run)
    assert [(one["speaker"], one.get("speakerName")) for one in found] == [
        ("S1", "Ann & Bob"), ("S2", None), ("S2", None),
    ]  # fmt: skip
    as_text = b"Ann & Bob: simulated 0.0\n\nS2: R&D <3. simulated 10.0\n"
    assert await export(world, run, "fmt=txt") == as_text
    assert (await export(world, run, "fmt=srt")).decode().split("\n")[2::4] == [
        "Ann & Bob: simulated 0.0", "S2: R&D <\u20603.", "simulated 10.0",
    ]  # fmt: skip
    assert (await export(world, run, "fmt=vtt")).decode().split("\n")[3::3] == [
        "<v Ann &amp; Bob>simulated 0.0", "<v S2>R&amp;D &lt;3.", "<v S2>simulated 10.0",
    ]  # fmt: skip
    as_json = orjson.loads(await export(world, run, "fmt=json"))
    assert (as_json["speakers"], as_json["segments"]) == (names, found)
    document = docx.Document(io.BytesIO(await export(world, run, "fmt=docx")))
    assert [paragraph.text for paragraph in document.paragraphs][1:] == [
        "0:00:00  Ann & Bob: simulated 0.0", "0:00:05  S2: R&D <3. simulated 10.0",
    ]  # fmt: skip
    assert (await name(world, run, {"speakers": {}})).json() == {"speakers": {}}
    assert "speakerName" not in (await segments(world, run))[0]


@pytest.mark.parametrize("fmt", ["txt", "json", "srt", "vtt", "docx"])
async def test_every_file_is_to_be_had_as_the_machine_made_it(
    world: World, run: tuple[str, str], fmt: str
) -> None:
    before = await export(world, run, f"fmt={fmt}")
    await patch(world, run, 1, {"text": "anew", "speaker": "S1"})
    await name(world, run, {"speakers": {"S1": "Ann"}})
    original = await export(world, run, f"fmt={fmt}&original=1")
    assert shown(fmt, original) == shown(fmt, before)
    assert shown(fmt, await export(world, run, f"fmt={fmt}")) != shown(fmt, before)


async def test_a_text_of_nothing_takes_a_segment_out_of_the_files(world: World, run: tuple[str, str]) -> None:
    assert (await patch(world, run, 1, {"text": ""})).json()["words"] == []
    assert await export(world, run, "fmt=txt") == b"simulated 0.0\n\nsimulated 10.0\n"
    assert (await export(world, run, "fmt=srt")).count(b"-->") == 2


async def test_an_edit_survives_a_retry_and_another_run_has_none(world: World, run: tuple[str, str]) -> None:
    owner, run_id = run
    await patch(world, run, 1, {"text": "anew"})
    # As if another chunk had failed: the retry does that one, and no finished one again.
    pool, failed = world.database.pool, UUID(run_id)
    await pool.execute("UPDATE transcript_run SET status = 'failed', units_failed = 1 WHERE id = $1", failed)
    await pool.execute("UPDATE unit SET state = 'failed' WHERE run_id = $1 AND kind = 'plan'", failed)
    assert (
        await world.http.post(f"/api/runs/{run_id}/retry", headers=world.bearer(owner))
    ).status_code == 202
    assert (await world.finished(owner, run_id))["status"] == "succeeded"
    assert [one["text"] for one in await segments(world, run)] == ["simulated 0.0", "anew", "simulated 10.0"]
    audio = (await world.get(owner, f"/api/runs/{run_id}")).json()["audioId"]
    again = await world.http.post(f"/api/audios/{audio}/transcribe?force=true", headers=world.bearer(owner))
    await world.finished(owner, again.json()["runId"])
    assert not any("edited" in one for one in await segments(world, (owner, again.json()["runId"])))


async def test_whoever_opens_the_stream_sees_the_edit(world: World, run: tuple[str, str]) -> None:
    owner, run_id = run
    await patch(world, run, 1, {"text": "anew"})
    answer = await world.get(owner, f"/api/runs/{run_id}/events")
    frames = [orjson.loads(line[5:]) for line in answer.text.splitlines() if line.startswith("data:")]
    assert frames[0]["event"] == "init"
    assert [one["text"] for one in frames[0]["segments"]] == ["simulated 0.0", "anew", "simulated 10.0"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400), (b"{", 400), (b"\xff", 400), (b'{"text": "\\ud800"}', 400),
        ([], 422), ("x", 422), (None, 422), ({}, 422), ({"text": 1}, 422), ({"text": "x" * 5001}, 422),
        ({"start": 1}, 422), ({"speaker": ""}, 422), ({"speaker": " \x00 "}, 422), ({"speaker": "x" * 41}, 422),
    ],
)  # fmt: skip
async def test_an_edit_that_cannot_be_is_refused(
    world: World, run: tuple[str, str], body: object, status: int
) -> None:
    answer = await patch(world, run, 0, body)
    assert (answer.status_code, answer.json()["code"]) == (
        status,
        "bad_request" if status == 400 else "invalid_value",
    )
    assert "edited" not in (await segments(world, run))[0]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400), ([], 422), ({}, 422), ({"speakers": None}, 422), ({"speakers": {"S1": None}}, 422),
        ({"speakers": {"S1": ""}}, 422), ({"speakers": {"": "x"}}, 422), ({"speakers": {"S1": "x" * 101}}, 422),
        ({"speakers": {str(number): "x" for number in range(101)}}, 422), ({"speakers": {}, "more": 1}, 422),
    ],
)  # fmt: skip
async def test_names_that_cannot_be_are_refused(
    world: World, run: tuple[str, str], body: object, status: int
) -> None:
    answer = await name(world, run, body)
    assert (answer.status_code, answer.json()["code"]) == (
        status,
        "bad_request" if status == 400 else "invalid_value",
    )


@pytest.mark.parametrize("index", ["3", "-1", "x", "1.0", "99999999999", "٣", "%00", str(2**31)])
async def test_a_segment_that_is_none_is_404(world: World, run: tuple[str, str], index: str) -> None:
    answer = await patch(world, run, index, {"text": "x"})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("path", ["segments", "export"])
async def test_another_flag_is_refused(world: World, run: tuple[str, str], path: str) -> None:
    answer = await world.get(run[0], f"/api/runs/{run[1]}/{path}?original=yes")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_value")
