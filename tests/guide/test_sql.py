"""查看数据库状态, 数据库优化: the guide's statements, as they stand there, on the tables as they are."""

from uuid import UUID

import asyncpg
import pytest

from lingoloop_common.errors import WorkError
from lingoloop_common.store.ids import new_id
from lingoloop_transcriber.claims import Claims
from tests.rows import AddedRun
from tests.rules.workshop import LANE, Workshop, claimed

QUEUED_JOBS = """
-- 查看待处理任务
SELECT * FROM job
WHERE job_type = 'transcribe_long'
AND status = 'queued'
ORDER BY created_at ASC;
"""
PROCESSING_RUNS = """
-- 查看正在处理的任务
SELECT * FROM transcript_run
WHERE status = 'processing';
"""
FAILED_RUNS = """
-- 查看失败的任务
SELECT * FROM transcript_run
WHERE status = 'failed';
"""
INDEXES = {
    "idx_job_status_created": "CREATE INDEX idx_job_status_created ON job(status, created_at);",
    "idx_run_status": "CREATE INDEX idx_run_status ON transcript_run(status);",
}


async def found(shop: Workshop, statement: str) -> list[UUID]:
    """Run a statement as psql would, and return the ids of its rows."""
    return [row["id"] for row in await shop.database.pool.fetch(statement)]


async def queued(shop: Workshop, *, short: bool = False) -> AddedRun:
    run = await shop.add_run(status="queued")
    if short:
        await shop.database.pool.execute(
            "UPDATE job SET job_type = 'transcribe_short' WHERE id = $1", run.job_id
        )
    return run


async def processing(shop: Workshop) -> AddedRun:
    """Add a run that a worker has begun."""
    run = await queued(shop)
    claims = Claims(shop.database, new_id(), LANE)
    await claims.start_run(await claimed(claims))
    return run


async def failed(shop: Workshop) -> AddedRun:
    run = await queued(shop)
    claims = Claims(shop.database, new_id(), LANE)
    claim = await claimed(claims)
    await claims.report_failure(claim, WorkError("not_audio", "no sound"), retry_delays=(), max_retries=0)
    return run


async def test_the_statements_find_what_waits_what_is_worked_on_and_what_failed(shop: Workshop) -> None:
    broken = await failed(shop)
    working = await processing(shop)
    first, _, second = await queued(shop), await queued(shop, short=True), await queued(shop)
    assert await found(shop, QUEUED_JOBS) == [first.job_id, second.job_id]
    assert await found(shop, PROCESSING_RUNS) == [working.run_id]
    assert await found(shop, FAILED_RUNS) == [broken.run_id]


async def test_waiting_jobs_come_the_oldest_first(shop: Workshop) -> None:
    first, second = await queued(shop), await queued(shop)
    await shop.database.pool.execute(
        "UPDATE job SET created_at = created_at - interval '1 hour' WHERE id = $1", second.job_id
    )
    assert await found(shop, QUEUED_JOBS) == [second.job_id, first.job_id]


@pytest.mark.parametrize("name", INDEXES)
async def test_the_guides_index_is_there_under_its_name_and_on_its_columns(shop: Workshop, name: str) -> None:
    definition = "SELECT indexdef FROM pg_indexes WHERE indexname = $1"
    ours = await shop.value(definition, name)
    with pytest.raises(asyncpg.DuplicateTableError):
        await shop.database.pool.execute(INDEXES[name])
    await shop.database.pool.execute(f"DROP INDEX {name}")
    await shop.database.pool.execute(INDEXES[name])
    assert await shop.value(definition, name) == ours


@pytest.mark.parametrize(
    ("statement", "index"), [(QUEUED_JOBS, "idx_job_status_created"), (PROCESSING_RUNS, "idx_run_status")]
)
async def test_the_statement_can_use_its_index(shop: Workshop, statement: str, index: str) -> None:
    async with shop.database.pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = off")
        plan = "\n".join(row[0] for row in await connection.fetch("EXPLAIN " + statement.strip()))
    assert index in plan
