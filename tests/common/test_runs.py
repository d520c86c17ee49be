"""A run's change is one transaction: state, number, event and message; the last unit's end closes the run."""

import asyncio
import json

import pytest

from lingoloop_common.contracts.events import DONE, UPDATED, ErrorCause, routing_key
from lingoloop_common.contracts.transcript import Segment
from lingoloop_common.store.database import Connection, Database
from lingoloop_common.store.ids import new_id
from lingoloop_common.store.runs import Change, Fenced, Row, change_run, change_runs, fail_unit, lock_run
from tests.rows import AddedRun, add_run

CAUSE = ErrorCause(code="engine_failed", message="the engine is out of order")
CHUNK_DONE = Change(units_ended=1, chunks_done=1, done_samples=16_000)


async def change(database: Database, run: AddedRun, what: Change) -> Row:
    async with database.pool.acquire() as connection, connection.transaction():
        return await change_run(connection, await lock_run(connection, run.run_id), what)


async def fail(database: Database, run: AddedRun, unit: int, *, attempt: int = 1) -> Row:
    async with database.pool.acquire() as connection, connection.transaction():
        locked = await lock_run(connection, run.run_id)
        return await fail_unit(
            connection,
            locked,
            unit_id=run.unit_ids[unit],
            attempt=attempt,
            failures=4,
            lost=0,
            cause=CAUSE,
        )


async def running(database: Database, units: int) -> AddedRun:
    return await add_run(database.pool, units=units, state="running")


async def status(connection: Connection, run: AddedRun) -> tuple[str, str]:
    row = await connection.fetchrow(
        "SELECT r.status AS run, j.status AS job FROM transcript_run r JOIN job j ON j.run_id = r.id WHERE r.id = $1",
        run.run_id,
    )
    assert row is not None
    return row["run"], row["job"]


async def test_a_change_writes_number_event_and_message_together(database: Database) -> None:
    run = await add_run(database.pool, units=2)
    said = Segment(index=0, start=0, end=1, text="hello", confidence=0.9)
    await change(database, run, Change(units_ended=1, chunks_done=1, done_samples=16_000, segments=[said]))
    event = await database.pool.fetchrow("SELECT * FROM run_event")
    message = await database.pool.fetchrow("SELECT * FROM outbox")
    assert event is not None
    assert message is not None
    assert (event["run_id"], event["seq"], event["owner_seq"], event["type"]) == (run.run_id, 1, 1, UPDATED)
    frame = json.loads(event["data"])
    assert (frame["event"], frame["status"], frame["progress"]) == ("update", "processing", 50)
    assert [segment["text"] for segment in frame["segments"]] == ["hello"]
    assert message["body"].decode() == event["data"]
    assert message["routing_key"] == routing_key("ann", run.run_id, UPDATED)
    headers = message["headers"]
    assert (headers["cloudEvents_seq"], headers["cloudEvents_ownerseq"]) == (1, 1)
    assert headers["cloudEvents_id"] == str(message["message_id"])


async def test_changes_that_go_together_are_numbered_without_a_gap_for_each_owner(database: Database) -> None:
    runs = [await add_run(database.pool, owner=owner) for owner in ("ann", "bob", "ann", "ann")]
    async with database.pool.acquire() as connection, connection.transaction():
        locked = [await lock_run(connection, run.run_id) for run in sorted(runs, key=lambda run: run.run_id)]
        rows = await change_runs(connection, [(row, Change()) for row in locked])
    assert [row["seq"] for row in rows] == [1, 1, 1, 1]
    events = await database.pool.fetch(
        "SELECT owner, owner_seq, run_id FROM run_event ORDER BY owner, owner_seq"
    )
    assert [(event["owner"], event["owner_seq"]) for event in events] == [
        ("ann", 1),
        ("ann", 2),
        ("ann", 3),
        ("bob", 1),
    ]
    messages = await database.pool.fetch("SELECT headers FROM outbox ORDER BY id")
    told = {(m["headers"]["cloudEvents_subject"], m["headers"]["cloudEvents_ownerseq"]) for m in messages}
    assert told == {(str(event["run_id"]), event["owner_seq"]) for event in events}


async def test_a_change_that_is_rolled_back_uses_up_no_number(database: Database) -> None:
    run = await add_run(database.pool, units=3)
    async with database.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await change_run(connection, await lock_run(connection, run.run_id), CHUNK_DONE)
        await transaction.rollback()
    assert (await change(database, run, CHUNK_DONE))["seq"] == 1
    assert await database.pool.fetchval("SELECT last FROM owner_stream") == 1
    assert await database.pool.fetchval("SELECT count(*) FROM outbox") == 1


async def test_numbers_have_no_gap_however_many_change_at_once(database: Database) -> None:
    runs = [await add_run(database.pool, units=11) for _ in range(2)]
    await asyncio.gather(*(change(database, run, CHUNK_DONE) for run in runs for _ in range(10)))
    for run in runs:
        rows = await database.pool.fetch(
            "SELECT seq FROM run_event WHERE run_id = $1 ORDER BY seq", run.run_id
        )
        assert [row["seq"] for row in rows] == list(range(1, 11))
    rows = await database.pool.fetch("SELECT owner_seq FROM run_event WHERE owner = 'ann' ORDER BY owner_seq")
    assert [row["owner_seq"] for row in rows] == list(range(1, 21))


async def test_owners_count_apart(database: Database) -> None:
    for owner in ("ann", "bob"):
        run = await add_run(database.pool, owner=owner, units=2)
        await change(database, run, CHUNK_DONE)
    rows = await database.pool.fetch("SELECT owner, owner_seq FROM run_event ORDER BY owner")
    assert [tuple(row) for row in rows] == [("ann", 1), ("bob", 1)]


async def test_the_first_claim_starts_run_and_job(database: Database) -> None:
    run = await add_run(database.pool, status="queued", planned=False, units=0)
    row = await change(database, run, Change(starts=True))
    assert row["started_at"] is not None
    async with database.pool.acquire() as connection:
        assert await status(connection, run) == ("processing", "processing")


async def test_two_ends_at_once_close_the_run_once(database: Database) -> None:
    run = await add_run(database.pool, units=2)
    await asyncio.gather(change(database, run, CHUNK_DONE), change(database, run, CHUNK_DONE))
    async with database.pool.acquire() as connection:
        assert await status(connection, run) == ("succeeded", "succeeded")
    types = await database.pool.fetch("SELECT type FROM run_event ORDER BY seq")
    assert [row["type"] for row in types] == [UPDATED, DONE]
    done = json.loads(await database.pool.fetchval("SELECT data FROM run_event ORDER BY seq DESC LIMIT 1"))
    assert (done["status"], done["progress"], done["estimatedTimeRemaining"]) == ("succeeded", 100, 0)
    assert await database.pool.fetchval("SELECT completed_at IS NOT NULL FROM transcript_run")


async def test_the_plan_s_end_closes_a_run_that_was_all_silence(database: Database) -> None:
    run = await add_run(database.pool, planned=False, units=0)
    row = await change(database, run, Change(units_ended=1, planned=True))
    assert row["status"] == "succeeded"


async def test_a_change_that_ends_no_unit_closes_nothing(database: Database) -> None:
    run = await add_run(database.pool, units=0)
    assert (await change(database, run, Change(chunks_done=1)))["status"] == "processing"


async def test_a_failed_unit_leaves_a_dead_letter_and_no_claim(database: Database) -> None:
    run = await running(database, 1)
    await fail(database, run, 0)
    letter = await database.pool.fetchrow("SELECT * FROM dead_letter")
    assert letter is not None
    assert (letter["unit_id"], letter["run_id"], letter["owner"], letter["lane"]) == (
        run.unit_ids[0],
        run.run_id,
        "ann",
        "simulated",
    )
    assert (letter["error_code"], letter["error_message"]) == (CAUSE.code, CAUSE.message)
    unit = await database.pool.fetchrow("SELECT * FROM unit")
    assert unit is not None
    assert (unit["state"], unit["failures"], unit["holder"], unit["message_id"]) == ("failed", 4, None, None)


async def test_a_run_fails_only_when_its_last_unit_has_ended(database: Database) -> None:
    run = await running(database, 3)
    assert (await fail(database, run, 0))["status"] == "processing"
    assert (await change(database, run, CHUNK_DONE))["status"] == "processing"
    row = await change(database, run, CHUNK_DONE)
    assert (row["status"], row["error_code"], row["units_failed"]) == ("failed", "engine_failed", 1)
    done = json.loads(await database.pool.fetchval("SELECT data FROM run_event ORDER BY seq DESC LIMIT 1"))
    assert (done["event"], done["status"]) == ("done", "failed")
    assert done["error"] == {"code": CAUSE.code, "message": CAUSE.message}
    job = await database.pool.fetchrow("SELECT status, error_message FROM job")
    assert job is not None
    assert tuple(job) == ("failed", CAUSE.message)


async def test_before_its_end_a_run_shows_no_failure(database: Database) -> None:
    run = await running(database, 2)
    await fail(database, run, 0)
    frame = json.loads(await database.pool.fetchval("SELECT data FROM run_event"))
    assert frame["status"] == "processing"
    assert "error" not in frame


@pytest.mark.parametrize(
    "end",
    [
        "UPDATE unit SET attempt = attempt + 1",  # taken back by another
        "UPDATE unit SET state = 'ready'",  # released by the sweep
        "UPDATE unit SET state = 'canceled'",
        "UPDATE unit SET state = 'done'",
    ],
)
async def test_a_holder_that_was_fenced_changes_nothing(database: Database, end: str) -> None:
    run = await running(database, 1)
    await database.pool.execute(end)
    with pytest.raises(Fenced):
        await fail(database, run, 0)
    assert await database.pool.fetchval("SELECT count(*) FROM dead_letter") == 0
    assert await database.pool.fetchval("SELECT seq FROM transcript_run") == 0


async def test_a_run_that_was_deleted_fences(database: Database) -> None:
    async with database.pool.acquire() as connection, connection.transaction():
        with pytest.raises(Fenced, match="deleted"):
            await lock_run(connection, new_id())
