"""Events are kept for so many hours after their run's end; runs, words and edits stay, and streams begin afresh."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import orjson
import pytest

from lingoloop_common.store import ids
from lingoloop_common.store.runs import Change, change_run, lock_run
from lingoloop_gateway import retention
from lingoloop_gateway.retention import Retention
from tests import media
from tests.gateway.world import World, running_world
from tests.rows import AddedRun, add_run
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOURS = 24
KEPT_TOO = ("transcript_run", "segment", "segment_edit", "run_text", "waveform", "job", "unit", "chunk")


@contextlib.contextmanager
def ids_of(hours_ago: float, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make ids as so many hours ago."""
    with monkeypatch.context() as patch:
        clock = SimpleNamespace(time_ns=lambda: int((time.time() - hours_ago * 3600) * 1e9))
        patch.setattr(ids, "time", clock)
        yield


async def add(
    world: World,
    owner: str,
    monkeypatch: pytest.MonkeyPatch,
    *,
    events: int,
    begun: float,
    ended: float | None,
) -> AddedRun:
    """Add a run with so many events, that began and ended so many hours ago (None: it goes on)."""
    pool = world.database.pool
    async with pool.acquire() as connection, connection.transaction():
        with ids_of(begun, monkeypatch):
            run = await add_run(connection, owner=owner, units=1)
        for number in range(1, events + 1):
            change = Change(units_ended=1) if ended is not None and number == events else Change()
            await change_run(connection, await lock_run(connection, run.run_id), change)
    # With nothing left to index: who has a run's row in this moment, as the gateway's indexing does, keeps its events.
    await pool.execute(
        "UPDATE transcript_run SET completed_at = now() - make_interval(secs => $2 * 3600), searchable = now()"
        " WHERE id = $1",
        run.run_id,
        ended,
    )
    await pool.execute("DELETE FROM outbox")
    return run


async def kept(world: World, run: AddedRun) -> list[int]:
    """Return the numbers of the run's events that are there."""
    rows = await world.database.pool.fetch(
        "SELECT seq FROM run_event WHERE run_id = $1 ORDER BY seq", run.run_id
    )
    return [row["seq"] for row in rows]


async def frames(
    world: World, owner: str, run: AddedRun | None, last_id: int, count: int
) -> list[dict[str, Any]]:
    """Return the first frames of a stream after `last_id`, or all up to its end."""
    path = f"/api/runs/{run.run_id}/events" if run else "/api/runs/events"
    headers = {**world.bearer(owner), "Last-Event-ID": str(last_id)}
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(20), world.http.stream("GET", path, headers=headers) as stream:
        assert stream.status_code == 200
        async for line in stream.aiter_lines():
            if line.startswith("data: "):
                found.append(orjson.loads(line[6:]))
                if len(found) == count:
                    break
    return found


def kinds(found: list[dict[str, Any]]) -> list[str]:
    return [frame["event"] for frame in found]


async def test_events_of_runs_that_ended_long_ago_go_and_no_others(
    idle_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, owner = idle_world, idle_world.new_owner()
    old = await add(world, owner, monkeypatch, events=4, begun=30, ended=25)
    recent = await add(world, owner, monkeypatch, events=3, begun=30, ended=23)
    going_on = await add(world, owner, monkeypatch, events=3, begun=1000, ended=None)
    young = await add(world, owner, monkeypatch, events=2, begun=0.1, ended=0.05)
    await Retention(world.database, HOURS).drop_expired()
    assert [await kept(world, run) for run in (old, recent, going_on, young)] == [
        [],
        [1, 2, 3],
        [1, 2, 3],
        [1, 2],
    ]


async def test_they_go_in_batches_the_oldest_first(
    idle_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, owner = idle_world, idle_world.new_owner()
    second = await add(world, owner, monkeypatch, events=5, begun=40, ended=30)
    first = await add(world, owner, monkeypatch, events=5, begun=50, ended=30)
    drop = retention.SQL["drop_events"]
    assert await world.database.pool.fetchval(drop, HOURS, 7) == 7
    assert (await kept(world, first), await kept(world, second)) == ([], [3, 4, 5])
    monkeypatch.setattr(retention, "BATCH", 2)
    await Retention(world.database, HOURS).drop_expired()
    assert await kept(world, second) == []


async def test_a_run_that_is_being_changed_is_left_for_later(
    idle_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A retry and a deletion hold the run's row; they are neither waited for nor crossed."""
    world, owner = idle_world, idle_world.new_owner()
    held = await add(world, owner, monkeypatch, events=3, begun=50, ended=30)
    other = await add(world, owner, monkeypatch, events=3, begun=50, ended=30)
    async with world.database.pool.acquire() as connection, connection.transaction():
        await lock_run(connection, held.run_id)
        await asyncio.wait_for(Retention(world.database, HOURS).drop_expired(), 10)
        assert (await kept(world, held), await kept(world, other)) == ([1, 2, 3], [])
    await Retention(world.database, HOURS).drop_expired()
    assert await kept(world, held) == []


async def test_streams_whose_past_is_gone_begin_afresh(
    idle_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, owner = idle_world, idle_world.new_owner()
    old = await add(world, owner, monkeypatch, events=4, begun=50, ended=30)  # the owner's 1 to 4
    young = await add(world, owner, monkeypatch, events=3, begun=1, ended=None)  # 5 to 7
    await Retention(world.database, HOURS).drop_expired()
    for last_id in (0, 2, 3):
        assert kinds(await frames(world, owner, old, last_id, 9)) == ["init", "done"]
    headers = {**world.bearer(owner), "Last-Event-ID": "4"}
    answer = await world.http.get(f"/api/runs/{old.run_id}/events", headers=headers)
    assert answer.status_code == 204, "who has seen its end is not told again"
    for last_id in (0, 1, 3):
        [snapshot] = await frames(world, owner, None, last_id, 1)
        assert snapshot["event"] == "snapshot"
        assert [item["runId"] for item in snapshot["items"]] == [str(young.run_id)]
    for last_id in (4, 5):
        assert kinds(await frames(world, owner, None, last_id, 7 - last_id)) == ["update"] * (7 - last_id)


async def test_a_run_half_of_whose_events_are_gone_gives_the_half_that_is_there_or_begins_afresh(
    idle_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, owner = idle_world, idle_world.new_owner()
    run = await add(world, owner, monkeypatch, events=6, begun=50, ended=30)
    await world.database.pool.fetchval(retention.SQL["drop_events"], HOURS, 3)
    assert await kept(world, run) == [4, 5, 6]
    for last_id in (0, 1, 2):
        assert kinds(await frames(world, owner, run, last_id, 9)) == ["init", "done"]
    assert kinds(await frames(world, owner, run, 3, 9)) == ["update", "update", "done"]


async def test_an_owners_old_run_that_goes_on_leaves_no_gap_in_the_stream(
    idle_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first events are kept, those of others after them are not: the stream ends there, and begins afresh."""
    world, owner = idle_world, idle_world.new_owner()
    going_on = await add(world, owner, monkeypatch, events=2, begun=60, ended=None)  # 1 and 2
    await add(world, owner, monkeypatch, events=3, begun=50, ended=30)  # 3 to 5
    await Retention(world.database, HOURS).drop_expired()
    before = await frames(world, owner, None, 0, 9)
    assert kinds(before) == ["update", "update"], "and it has ended"
    [snapshot] = await frames(world, owner, None, 2, 1)
    assert (snapshot["event"], [item["runId"] for item in snapshot["items"]]) == (
        "snapshot",
        [str(going_on.run_id)],
    )


async def test_a_retried_run_goes_on_with_its_numbers(
    idle_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, owner = idle_world, idle_world.new_owner()
    run = await add(world, owner, monkeypatch, events=3, begun=50, ended=30)
    await world.database.pool.execute("UPDATE transcript_run SET status = 'failed' WHERE id = $1", run.run_id)
    await world.database.pool.execute("UPDATE unit SET state = 'failed' WHERE run_id = $1", run.run_id)
    await Retention(world.database, HOURS).drop_expired()
    assert await kept(world, run) == []
    answer = await world.http.post(f"/api/runs/{run.run_id}/retry", headers=world.bearer(owner))
    assert answer.status_code == 202, answer.text
    assert await kept(world, run) == [4]
    await Retention(world.database, HOURS).drop_expired()
    assert await kept(world, run) == [4], "it goes on"
    [missed] = await frames(world, owner, run, 3, 1)
    assert missed["event"] == "update"
    assert kinds(await frames(world, owner, run, 1, 1)) == ["init"]


async def test_what_was_said_stays_and_can_be_found_exported_and_deleted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = world.new_owner()
    with ids_of(31, monkeypatch):
        body = await world.accepted(owner, media.wav_of_ms(61_000))
    run_id = body["runId"]
    await world.finished(owner, run_id)
    pool = world.database.pool
    await eventually(
        lambda: pool.fetchval("SELECT count(*) > 1 FROM run_text WHERE run_id = $1", UUID(run_id))
    )
    edit = await world.http.patch(
        f"/api/runs/{run_id}/segments/0", json={"text": "Potzblitz"}, headers=world.bearer(owner)
    )
    assert edit.status_code == 200
    await pool.execute(
        "UPDATE transcript_run SET completed_at = now() - interval '30 hours' WHERE id = $1", UUID(run_id)
    )

    async def counts() -> dict[str, int]:
        column = dict.fromkeys(KEPT_TOO, "run_id") | {"transcript_run": "id"}
        return {
            table: await pool.fetchval(
                f"SELECT count(*) FROM {table} WHERE {column[table]} = $1", UUID(run_id)
            )
            for table in KEPT_TOO
        }

    before = await counts()
    await Retention(world.database, HOURS).drop_expired()
    assert await pool.fetchval("SELECT count(*) FROM run_event WHERE run_id = $1", UUID(run_id)) == 0
    assert await counts() == before
    text = await world.get(owner, f"/api/runs/{run_id}/export?fmt=txt")
    assert "Potzblitz" in text.text
    found = await world.get(owner, "/api/runs?q=simulated")
    assert [item["id"] for item in found.json()["items"]] == [run_id]
    deleted = await world.http.delete(f"/api/audios/{body['audioId']}", headers=world.bearer(owner))
    assert (deleted.json()["events"], deleted.json()["segments"]) == (0, before["segment"])


async def test_a_gateway_drops_them_by_itself_as_its_setting_says(
    migrated_url: str, own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_world(migrated_url, own_folder, transcribes=False) as world:
        old = await add(world, "ann", monkeypatch, events=3, begun=180, ended=170)
        young = await add(world, "ann", monkeypatch, events=3, begun=180, ended=165)
    async with running_world(migrated_url, own_folder, transcribes=False) as world:

        async def gone() -> bool:
            return not await kept(world, old)

        await eventually(gone)
        assert await kept(world, young) == [1, 2, 3]
