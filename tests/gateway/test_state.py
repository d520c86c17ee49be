"""What a gateway's /metrics tells of the database: the same from each of them, true, and nothing while it cannot be asked."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from lingoloop_common.errors import WORK_ERRORS
from lingoloop_common.store.database import Database
from lingoloop_common.store.ids import new_id
from lingoloop_gateway import state as module
from lingoloop_gateway.state import State
from tests.rows import AddedRun, add_endpoint, add_import, add_run, add_token, add_unit, add_worker
from tests.scrape import Page

LANE = "simulated"
HOUR_MS = 3_600_000


@pytest.fixture
async def database(migrated_url: str) -> AsyncIterator[Database]:
    """A database with nothing in it but a lane that was announced once."""
    database = Database(migrated_url, pool_max=3, startup_timeout=5, exclusive=False)
    await database.start()
    await add_worker(database.pool, lease=None)
    yield database
    await database.stop()


async def read(database: Database) -> Page:
    """Ask afresh."""
    return Page((await State(database).page()).decode())


async def age(database: Database, table: str, column: str, row_id: UUID, seconds: float) -> None:
    await database.pool.execute(
        f"UPDATE {table} SET {column} = now() - make_interval(secs => $2) WHERE id = $1", row_id, seconds
    )


async def add_letter(database: Database, run: AddedRun, code: str, *, replayed: bool = False) -> None:
    await database.pool.execute(
        "INSERT INTO dead_letter (id, unit_id, run_id, owner, lane, error_code, error_message, replayed_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, 'gone wrong', CASE WHEN $7 THEN now() END)",
        new_id(),
        run.unit_ids[0],
        run.run_id,
        run.owner,
        run.lane,
        code,
        replayed,
    )


async def test_a_lane_that_nobody_works_for_is_told_of_with_0(database: Database) -> None:
    page = await read(database)
    names = (
        "units_ready",
        "units_running",
        "units_waiting",
        "oldest_ready_seconds",
        "backlog_audio_seconds",
        "slots",
    )
    assert [page.value(f"lingoloop_{name}", lane=LANE) for name in names] == [0] * 6
    assert page.value("lingoloop_units_ready", lane="webhook") == 0
    assert [page.value("lingoloop_workers", lane=LANE, state=state) for state in ("running", "stopped")] == [
        0,
        0,
    ]
    assert [page.value("lingoloop_runs", status=status) for status in ("queued", "processing")] == [0, 0]
    alone = ("stalled_run_seconds", "outbox_rows", "outbox_oldest_seconds", "webhook_endpoints_paused")
    assert [page.value(f"lingoloop_{name}") for name in alone] == [0] * 4
    assert {
        dict(labels)["code"]: value for (name, labels), value in page.series.items() if "letters" in name
    } == dict.fromkeys([*WORK_ERRORS, "other"], 0)


async def test_units_are_counted_by_what_becomes_of_them(database: Database) -> None:
    run = await add_run(database.pool, units=3)
    for state in ("running", "running", "waiting", "done", "failed", "canceled"):
        await add_unit(database.pool, run, state=state)
    await age(database, "unit", "ready_at", run.unit_ids[1], 500)
    await age(database, "unit", "ready_at", run.unit_ids[4], 9000)  # it runs
    page = await read(database)
    counts = [page.value(f"lingoloop_units_{state}", lane=LANE) for state in ("ready", "running", "waiting")]
    assert counts == [3, 2, 1]
    assert page.value("lingoloop_oldest_ready_seconds", lane=LANE) == pytest.approx(500, abs=5)


async def add_backlog(database: Database, seconds: float, **columns: Any) -> None:
    run = await add_run(database.pool, units=1, duration_ms=int(seconds * 1000), **columns)
    await database.pool.execute("UPDATE transcript_run SET planned_samples = 16000 WHERE id = $1", run.run_id)


async def test_the_backlog_is_the_audio_that_is_still_to_be_done(database: Database) -> None:
    await add_backlog(database, 7200, status="queued", planned=False)  # nothing planned yet
    half = await add_run(database.pool, planned=False, duration_ms=HOUR_MS)
    await database.pool.execute(
        "UPDATE transcript_run SET planned_samples = 16000 * 900, done_samples = 16000 * 600 WHERE id = $1",
        half.run_id,
    )
    shorter = await add_run(database.pool, planned=True, duration_ms=HOUR_MS)  # than its container says
    await database.pool.execute(
        "UPDATE transcript_run SET planned_samples = 16000 * 100, done_samples = 16000 * 40 WHERE id = $1",
        shorter.run_id,
    )
    await add_run(database.pool, status="succeeded")
    await add_backlog(database, 30, lane="other.lane", planned=False)
    page = await read(database)
    assert page.value("lingoloop_backlog_audio_seconds", lane=LANE) == 7200 + 3000 + 60
    assert page.value("lingoloop_backlog_audio_seconds", lane="other.lane") == 30
    assert [page.value("lingoloop_runs", status=status) for status in ("queued", "processing")] == [1, 3]


async def test_the_backlog_is_never_0_while_there_is_anything_to_do(database: Database) -> None:
    await add_import(
        database.pool, "https://elsewhere.example/talk.ogg"
    )  # of which nobody knows how long it is
    run = await add_run(database.pool, planned=True)
    await add_unit(database.pool, run, kind="speakers")  # when all audio is done
    await database.pool.execute("UPDATE transcript_run SET done_samples = planned_samples")
    assert (await read(database)).value("lingoloop_backlog_audio_seconds", lane=LANE) == 2


async def stalled(database: Database) -> float | None:
    return (await read(database)).value("lingoloop_stalled_run_seconds")


async def test_a_run_stalls_when_nothing_of_it_waits_and_nothing_comes(database: Database) -> None:
    run = await add_run(database.pool, state="running")
    await age(database, "transcript_run", "updated_at", run.run_id, 700)
    assert await stalled(database) == pytest.approx(700, abs=5)
    await database.pool.execute("UPDATE unit SET state = 'done'")  # and it is not closed
    assert await stalled(database) == pytest.approx(700, abs=5)


@pytest.mark.parametrize(
    "why",
    [
        "it waits for its turn",
        "it waits for a retry",
        "it is being fetched",
        "it has not begun",
        "it has ended",
    ],
)
async def test_a_run_that_has_reason_to_wait_does_not_stall(database: Database, why: str) -> None:
    if why == "it is being fetched":
        run = await add_import(database.pool, "https://elsewhere.example/talk.ogg")
        await database.pool.execute("UPDATE transcript_run SET status = 'processing'")
        await database.pool.execute("UPDATE unit SET state = 'running'")
    else:
        status = {"it has not begun": "queued", "it has ended": "failed"}.get(why, "processing")
        run = await add_run(database.pool, status=status, state="running")
    if why == "it waits for its turn":
        await add_unit(database.pool, run)
    if why == "it waits for a retry":
        await database.pool.execute("UPDATE unit SET state = 'waiting', due_at = now() + interval '1 minute'")
    await age(database, "transcript_run", "updated_at", run.run_id, 700)
    assert await stalled(database) == 0


async def test_dead_letters_are_those_that_nobody_put_back(database: Database) -> None:
    run = await add_run(database.pool)
    for code, replayed in (
        ("slot_died", False),
        ("slot_died", False),
        ("slot_died", True),
        ("a code of before", False),
    ):
        await add_letter(database, run, code, replayed=replayed)
    page = await read(database)
    assert page.value("lingoloop_dead_letters", code="slot_died") == 2
    assert page.value("lingoloop_dead_letters", code="other") == 1


async def test_the_outbox_is_told_with_its_age(database: Database) -> None:
    await add_token(database.pool)
    await add_token(database.pool)
    await database.pool.execute("UPDATE outbox SET created_at = now() - interval '90 seconds' WHERE id = 1")
    page = await read(database)
    assert page.value("lingoloop_outbox_rows") == 2
    assert page.value("lingoloop_outbox_oldest_seconds") == pytest.approx(90, abs=5)


async def test_workers_are_those_that_are_alive_by_what_they_are_told(database: Database) -> None:
    one, other = [await add_worker(database.pool, slots=slots) for slots in (2, 3)]
    await add_worker(database.pool, slots=9, lease=-1)
    await database.pool.execute("UPDATE worker SET wanted = 'stopped' WHERE id = $1", other)
    page = await read(database)
    assert [page.value("lingoloop_workers", lane=LANE, state=state) for state in ("running", "stopped")] == [
        1,
        1,
    ]
    assert page.value("lingoloop_slots", lane=LANE) == 2
    await database.pool.execute("UPDATE fleet SET wanted = 'stopped'")
    await database.pool.execute("UPDATE worker SET wanted = 'running' WHERE id = $1", other)
    page = await read(database)
    assert page.value("lingoloop_slots", lane=LANE) == 3
    assert one != other


async def test_webhooks_are_units_of_a_lane_of_their_own(database: Database) -> None:
    run = await add_run(database.pool, units=0, status="succeeded")
    endpoint = await add_endpoint(database.pool)
    await add_endpoint(database.pool, url="https://other.example/hook")
    await database.pool.execute("UPDATE webhook_endpoint SET paused_at = now() WHERE id = $1", endpoint)
    for state in ("ready", "ready", "sending", "waiting", "delivered", "failed"):
        await database.pool.execute(
            "INSERT INTO webhook_delivery (id, endpoint_id, owner, run_id, event_id, event_type, body, state, ready_at)"
            " VALUES ($1, $2, 'ann', $3, $1, 'done', '{}', $4, now() - interval '70 seconds')",
            new_id(),
            endpoint,
            run.run_id,
            state,
        )
    page = await read(database)
    counts = [
        page.value(f"lingoloop_units_{state}", lane="webhook") for state in ("ready", "running", "waiting")
    ]
    assert counts == [2, 1, 1]
    assert page.value("lingoloop_oldest_ready_seconds", lane="webhook") == pytest.approx(70, abs=5)
    assert page.value("lingoloop_webhook_endpoints_paused") == 1
    assert page.value("lingoloop_backlog_audio_seconds", lane="webhook") is None


async def test_what_was_read_is_told_again_for_a_while_however_many_ask(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = State(database)
    first = await state.page()
    await add_run(database.pool)
    assert await asyncio.gather(*(state.page() for _ in range(5))) == [first] * 5
    monkeypatch.setattr(module, "FRESH", 0.0)
    assert Page((await state.page()).decode()).value("lingoloop_units_ready", lane=LANE) == 1


async def test_two_gateways_tell_the_same(database: Database) -> None:
    await add_run(database.pool, units=2)
    one, other = await read(database), await read(database)
    assert one.series == pytest.approx(other.series, abs=5)  # ages differ by what one asked later


async def test_while_the_database_does_not_answer_nothing_old_is_told(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FRESH", 0.0)
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    state = State(database)
    assert await state.page()
    async with database.pool.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE unit IN ACCESS EXCLUSIVE MODE")
        assert await asyncio.wait_for(state.page(), 5) == b""
    assert await state.page()
    held = [await database.pool.acquire() for _ in range(3)]  # all there are
    assert await asyncio.wait_for(state.page(), 5) == b""
    for connection in held:
        await database.pool.release(connection)
    assert await state.page()
