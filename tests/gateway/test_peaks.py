"""`GET /api/audios/{id}/peaks`: the waveform that a plan has stored, for a screen, whole or as far as it is."""

from typing import Any
from uuid import UUID

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lingoloop_common.contracts.units import WAVEFORM_SAMPLES
from lingoloop_gateway import peaks
from lingoloop_gateway.peaks import MOST_POINTS, Waveform
from tests.gateway.world import World
from tests.rows import AddedRun, add_run

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def add_audio(
    world: World,
    owner: str,
    *pieces: bytes,
    planned: bool = True,
    duration_ms: int | None = None,
    samples: int = 0,
) -> AddedRun:
    """Add a recording whose plan has stored pieces of its waveform; the end may be less than a pair."""
    async with world.database.pool.acquire() as connection:
        run = await add_run(
            connection, owner=owner, units=0, duration_ms=duration_ms, planned=planned, status="processing"
        )
        at = 0
        for piece in pieces:
            await connection.execute(
                "INSERT INTO waveform VALUES ($1, $2, $3)", run.run_id, at * WAVEFORM_SAMPLES, piece
            )
            at += len(piece) // 2
        sql = "UPDATE transcript_run SET planned_samples = $2, status = $3 WHERE id = $1"
        status = "succeeded" if planned else "processing"
        await connection.execute(sql, run.run_id, samples or at * WAVEFORM_SAMPLES, status)
    return run


async def get(world: World, owner: str, audio_id: UUID, query: str = "", **headers: str) -> httpx.Response:
    target = f"/api/audios/{audio_id}/peaks{query}"
    return await world.http.get(target, headers={**world.bearer(owner), **headers})


def pairs(*values: int) -> bytes:
    return bytes(value % 256 for value in values)


async def test_a_whole_waveform_is_as_players_read_it(world: World) -> None:
    owner = world.new_owner()
    run = await add_audio(
        world, owner, pairs(-1, 2, -128, 127), pairs(0, 0), samples=3 * WAVEFORM_SAMPLES - 5
    )
    answer = await get(world, owner, run.audio_id)
    assert answer.status_code == 200
    assert answer.json() == {
        "version": 2,
        "channels": 1,
        "sample_rate": 16000,
        "samples_per_pixel": 320,
        "bits": 8,
        "length": 3,
        "data": [-1, 2, -128, 127, 0, 0],
        "durationMs": 59,
        "complete": True,
        "pending": False,
    }
    assert answer.headers["Cache-Control"] == "private, no-cache"


async def test_one_that_the_client_has_is_not_sent_again(world: World) -> None:
    owner = world.new_owner()
    run = await add_audio(world, owner, pairs(*[-1, 1] * 10))
    tag = (await get(world, owner, run.audio_id)).headers["ETag"]
    assert (await get(world, owner, run.audio_id, **{"If-None-Match": tag})).status_code == 304
    other = await get(world, owner, run.audio_id, "?points=5", **{"If-None-Match": tag})
    assert (other.status_code, other.json()["length"]) == (200, 5)
    assert other.headers["ETag"] != tag


@pytest.mark.parametrize(
    ("points", "each", "data"),
    [
        (6, 1, [-1, 1, -5, 2, -2, 3, -3, 9, -4, 4]), (5, 1, [-1, 1, -5, 2, -2, 3, -3, 9, -4, 4]), (4, 2, [-5, 2, -3, 9, -4, 4]),
        (2, 3, [-5, 3, -4, 9]), (1, 5, [-5, 9]),
    ],
)  # fmt: skip
async def test_a_screen_gets_as_many_points_as_it_has(
    world: World, points: int, each: int, data: list[int]
) -> None:
    owner = world.new_owner()
    run = await add_audio(world, owner, pairs(-1, 1, -5, 2), pairs(-2, 3, -3, 9), pairs(-4, 4))
    body = (await get(world, owner, run.audio_id, f"?points={points}")).json()
    assert (body["samples_per_pixel"], body["data"], body["length"]) == (320 * each, data, len(data) // 2)
    assert body["complete"]


async def test_what_is_heard_so_far_is_shown_at_the_scale_that_the_whole_will_have(world: World) -> None:
    owner = world.new_owner()
    run = await add_audio(world, owner, pairs(*[-1, 1] * 100), planned=False, duration_ms=10_000)
    answer = await get(world, owner, run.audio_id, "?points=100")
    body = answer.json()
    assert (body["complete"], body["pending"], body["durationMs"]) == (False, True, 10_000)
    assert (body["samples_per_pixel"], body["length"]) == (5 * 320, 20)
    assert answer.headers["Cache-Control"] == "no-store"
    assert "ETag" not in answer.headers


async def test_before_anything_is_heard_and_where_nothing_ever_is_there_is_an_answer(
    world: World, idle_world: World
) -> None:
    owner = world.new_owner()
    waits = await idle_world.accepted(owner, model="long")
    ended = await world.accepted(owner)
    await world.finished(owner, ended["runId"])
    for where, audio_id, pending in ((idle_world, waits["audioId"], True), (world, ended["audioId"], False)):
        answer = await get(where, owner, UUID(audio_id))
        assert answer.status_code == 200
        body = answer.json()
        assert (body["data"], body["length"], body["complete"], body["pending"]) == ([], 0, False, pending)


async def test_a_hole_that_a_worker_of_before_left_is_flat_and_nothing_moves(world: World) -> None:
    owner = world.new_owner()
    run = await add_audio(world, owner, pairs(-1, 1, -1, 1), pairs(-2, 2), pairs(-3, 3))
    await world.database.pool.execute(
        "DELETE FROM waveform WHERE run_id = $1 AND start_sample = $2", run.run_id, 2 * WAVEFORM_SAMPLES
    )
    body = (await get(world, owner, run.audio_id)).json()
    assert (body["data"], body["complete"], body["pending"]) == ([-1, 1, -1, 1, 0, 0, -3, 3], False, False)


async def test_of_several_runs_the_one_that_heard_all_is_shown(world: World) -> None:
    owner = world.new_owner()
    run = await add_audio(world, owner, pairs(-1, 1))
    later = await add_audio(world, owner, pairs(-2, 2, -2, 2), planned=False)
    await world.database.pool.execute(
        "UPDATE transcript_run SET audio_id = $1 WHERE id = $2", run.audio_id, later.run_id
    )
    body = (await get(world, owner, run.audio_id)).json()
    assert (body["data"], body["complete"], body["pending"]) == ([-1, 1], True, False)


@pytest.mark.parametrize("points", ["0", "-1", "x", "1.5", str(MOST_POINTS + 1), "9" * 30, ""])
async def test_a_width_that_cannot_be_is_refused(world: World, points: str) -> None:
    owner = world.new_owner()
    run = await add_audio(world, owner, pairs(-1, 1))
    answer = await get(world, owner, run.audio_id, f"?points={points}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_value")
    assert "points" in answer.json()["detail"]


async def test_a_deleted_recording_has_none(world: World) -> None:
    owner = world.new_owner()
    run = await add_audio(world, owner, pairs(-1, 1))
    await world.http.delete(f"/api/audios/{run.audio_id}", headers=world.bearer(owner))
    assert (await get(world, owner, run.audio_id)).status_code == 404
    assert (
        await world.database.pool.fetchval("SELECT count(*) FROM waveform WHERE run_id = $1", run.run_id) == 0
    )


async def test_a_long_one_is_read_page_by_page(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peaks, "PAGE", 2)
    owner = world.new_owner()
    run = await add_audio(world, owner, *[pairs(-place, place) for place in range(7)])
    data: Any = (await get(world, owner, run.audio_id)).json()["data"]
    assert data == [value for place in range(7) for value in (-place, place)]


PAIRS = st.lists(st.tuples(st.integers(-128, 0), st.integers(0, 127)), max_size=12)


@settings(deadline=None)
@given(st.lists(PAIRS, max_size=6), st.integers(1, 20))
async def test_however_it_is_fed_each_point_is_the_least_and_the_greatest_of_its_pairs(
    pieces: list[list[tuple[int, int]]], each: int
) -> None:
    waveform, at = Waveform(each), 0
    for piece in pieces:
        waveform.add(at, pairs(*[value for pair in piece for value in pair]))
        at += len(piece)
    waveform.close()
    every = [pair for piece in pieces for pair in piece]
    groups = [every[begin : begin + each] for begin in range(0, len(every), each)]
    assert waveform.data.tolist() == [
        value for group in groups for value in (min(low for low, _ in group), max(high for _, high in group))
    ]
    assert not waveform.has_gap
