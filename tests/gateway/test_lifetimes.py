"""RETENTION_DAYS: recordings go with all that came of them when it is time, against receipts; what is under way stays."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest

from lingoloop_common.blobs import FolderBlobs
from lingoloop_common.store.runs import Change, change_run, lock_run
from lingoloop_gateway import lifetimes
from lingoloop_gateway.deletions import Deletions
from lingoloop_gateway.lifetimes import Lifetimes
from lingoloop_gateway.removals import Removals
from tests import media
from tests.command_line import run
from tests.gateway.world import World, running_world
from tests.rows import AddedRun, add_run
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

DAYS = 30

NAMED = """
SELECT table_name, column_name FROM information_schema.columns
WHERE table_schema = 'public' AND column_name IN ('run_id', 'audio_id') AND table_name <> 'receipt'
"""


def keeping(world: World, days: int = DAYS) -> Lifetimes:
    removals = Removals(world.database, FolderBlobs(world.folder))
    return Lifetimes(world.database, Deletions(world.database, world.relay, removals), days)


async def add(world: World, owner: str, *, made: float, ended: float | None) -> AddedRun:
    """Add a recording of so many days ago, whose only run ended so many days ago (None: it goes on)."""
    pool = world.database.pool
    async with pool.acquire() as connection, connection.transaction():
        added = await add_run(connection, owner=owner, units=1)
        if ended is not None:
            await change_run(connection, await lock_run(connection, added.run_id), Change(units_ended=1))
    await pool.execute(
        "UPDATE audio SET created_at = now() - make_interval(secs => $2 * 86400) WHERE id = $1",
        added.audio_id,
        made,
    )
    await age(world, added.run_id, ended)
    return added


async def age(world: World, run_id: UUID, days: float | None) -> None:
    await world.database.pool.execute(
        "UPDATE transcript_run SET completed_at = now() - make_interval(secs => $2 * 86400) WHERE id = $1",
        run_id,
        days,
    )


async def kept(world: World, *added: AddedRun) -> list[bool]:
    """Tell of each recording whether it is there."""
    rows = await world.database.pool.fetch("SELECT id FROM audio")
    there = {row["id"] for row in rows}
    return [one.audio_id in there for one in added]


async def rows_that_name(world: World, audio_id: UUID, run_id: UUID) -> dict[str, int]:
    """Count what names a recording or its run, in every table with such a column, and in their own."""
    pool = world.database.pool
    found = {"audio": "id = $1", "transcript_run": "id = $2"}
    for table, column in await pool.fetch(NAMED):
        found[f"{table}.{column}"] = f"{column} = {'$1' if column == 'audio_id' else '$2'}"
    counts = {}
    for name, condition in found.items():
        table = name.split(".")[0]
        sql = f"SELECT count(*) FROM {table} WHERE {condition} AND $1::uuid <> $2::uuid"
        counts[name] = await pool.fetchval(sql, audio_id, run_id)
    return {name: count for name, count in counts.items() if count}


async def test_what_is_kept_no_longer_goes_and_no_other(idle_world: World) -> None:
    world, owner = idle_world, idle_world.new_owner()
    gone = await add(world, owner, made=40, ended=31)
    just = await add(world, owner, made=40, ended=29)  # waited for long, or was transcribed once more
    young = await add(world, owner, made=1, ended=1)
    going_on = await add(world, owner, made=400, ended=None)
    await keeping(world).drop_expired()
    assert await kept(world, gone, just, young, going_on) == [False, True, True, True]
    receipts = await world.database.pool.fetch("SELECT * FROM receipt WHERE owner = $1", owner)
    assert [(row["audio_id"], row["runs"], row["expired"]) for row in receipts] == [(gone.audio_id, 1, True)]


async def test_without_the_setting_all_is_kept(idle_world: World) -> None:
    old = await add(idle_world, idle_world.new_owner(), made=9_000, ended=9_000)
    await keeping(idle_world, 0).drop_expired()
    assert await kept(idle_world, old) == [True]
    await keeping(idle_world).drop_expired()
    assert await kept(idle_world, old) == [False]


async def test_an_owners_own_days_hold_instead_of_the_setting(migrated_url: str, own_folder: Path) -> None:
    async def types(*words: str) -> tuple[int, str, str]:
        return await run("retention", *words, DATABASE_URL=migrated_url)

    async with running_world(migrated_url, own_folder, transcribes=False) as world:
        quick, for_good, others = [await add(world, owner, made=50, ended=40) for owner in ("q", "g", "o")]
        for words in (
            ("set", "q", "35"),
            ("set", "g", "7"),
            ("set", "g", "0"),
            ("set", "o", "1"),
            ("unset", "o"),
        ):
            assert (await types(*words))[0] == 0
        assert await types("list") == (0, "g\t0\nq\t35\n", "")
        assert (await types("unset", "o"))[0] == 1
        assert (await types("set", "o", "36501"))[0] == 2
        await keeping(world, 0).drop_expired()  # no setting: only those with days of their own
        assert await kept(world, quick, for_good, others) == [False, True, True]
        await keeping(world).drop_expired()
        assert await kept(world, quick, for_good, others) == [False, True, False]


async def test_nothing_of_it_stays_but_the_receipt(world: World) -> None:
    owner, data = world.new_owner(), media.wav_of_ms(61_000)
    body = await world.accepted(owner, data, filename="my secret.wav", webhookUrl="https://hooks.example/")
    audio_id, run_id = UUID(body["audioId"]), UUID(body["runId"])
    await world.finished(owner, body["runId"])
    edit = f"/api/runs/{run_id}/segments/0"
    await world.http.patch(edit, content=b'{"text": "secret"}', headers=world.bearer(owner))
    await world.index(run_id)
    await world.database.pool.execute("INSERT INTO waveform VALUES ($1, 0, 'x')", run_id)
    before = await rows_that_name(world, audio_id, run_id)
    assert {"segment.run_id", "run_event.run_id", "run_text.run_id", "waveform.run_id"} <= before.keys()
    assert {"segment_edit.run_id", "webhook_delivery.run_id", "run_webhook.run_id"} <= before.keys()
    await age(world, run_id, DAYS + 1)
    await world.database.pool.execute(
        "UPDATE audio SET created_at = now() - interval '40 days' WHERE id = $1", audio_id
    )
    await keeping(world).drop_expired()
    assert await rows_that_name(world, audio_id, run_id) == {}
    assert not [path for path in world.folder.rglob("*") if str(audio_id) in path.name and path.is_file()]
    for path in (f"/api/audios/{audio_id}", f"/api/runs/{run_id}", f"/api/runs/{run_id}/export?fmt=txt"):
        assert (await world.get(owner, path)).status_code == 404
    assert (await world.get(owner, "/api/runs?q=secret")).json()["items"] == []
    receipt = await world.database.pool.fetchrow("SELECT * FROM receipt WHERE owner = $1", owner)
    assert receipt is not None
    assert (receipt["size_bytes"], receipt["segments"], receipt["expired"]) == (len(data), 13, True)
    assert "secret" not in str(dict(receipt))


async def test_what_an_owner_deletes_has_not_expired(idle_world: World) -> None:
    owner = idle_world.new_owner()
    body = await idle_world.accepted(owner, model="long")
    await idle_world.http.delete(f"/api/audios/{body['audioId']}", headers=idle_world.bearer(owner))
    assert not await idle_world.database.pool.fetchval("SELECT expired FROM receipt WHERE owner = $1", owner)


async def test_a_run_that_is_begun_between_the_look_and_the_deletion_keeps_its_recording(
    idle_world: World,
) -> None:
    """The owner asks for another run while the deletion waits for the recording's lock."""
    world, owner = idle_world, idle_world.new_owner()
    added = await add(world, owner, made=40, ended=31)
    async with world.database.pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM audio WHERE id = $1 FOR NO KEY UPDATE", added.audio_id)
        dropping = asyncio.create_task(keeping(world).drop_expired())
        await eventually(world.waits_for_locks)
        await connection.execute(
            "INSERT INTO transcript_run (id, audio_id, owner, lane) VALUES (gen_random_uuid(), $1, $2, 'simulated')",
            added.audio_id,
            owner,
        )
    await dropping
    assert await kept(world, added) == [True]


async def test_an_owners_wish_that_comes_between_the_look_and_the_deletion_holds(idle_world: World) -> None:
    world, owner = idle_world, idle_world.new_owner()
    added = await add(world, owner, made=40, ended=31)
    async with world.database.pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM audio WHERE id = $1 FOR NO KEY UPDATE", added.audio_id)
        dropping = asyncio.create_task(keeping(world).drop_expired())
        await eventually(world.waits_for_locks)
        await world.database.pool.execute("INSERT INTO owner_retention VALUES ($1, 0)", owner)
    await dropping
    assert await kept(world, added) == [True]


async def test_they_go_in_batches_and_of_two_gateways_each_once(
    idle_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, owners = idle_world, [idle_world.new_owner() for _ in range(3)]
    added = [await add(world, owner, made=40, ended=31) for owner in owners for _ in range(4)]
    monkeypatch.setattr(lifetimes, "BATCH", 3)
    await asyncio.gather(keeping(world).drop_expired(), keeping(world).drop_expired())
    assert not any(await kept(world, *added))
    count = "SELECT count(*) FROM receipt WHERE owner = ANY($1)"
    assert await world.database.pool.fetchval(count, owners) == len(added)


async def test_a_crash_between_the_rows_and_the_storage_leaves_no_blob_for_good(
    migrated_url: str, own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crashes(*_: object) -> None:
        raise ConnectionResetError("the process died")

    def stored(folder: Path) -> list[Path]:
        return [path for path in folder.rglob("*") if path.is_file()]

    async with running_world(migrated_url, own_folder, transcribes=False) as world:
        body = await world.accepted("ann", model="long")
        await world.fail_plan("ann", "not_audio", "broken")
        await age(world, UUID(body["runId"]), 31)
        await world.database.pool.execute("UPDATE audio SET created_at = now() - interval '40 days'")
        with monkeypatch.context() as patch:
            patch.setattr(Removals, "remove", crashes)
            await keeping(world).drop_expired()
            assert await world.count("audio", "ann") == 0
            assert len(stored(own_folder)) == 1
    async with running_world(migrated_url, own_folder, transcribes=False):
        await eventually(lambda: stored(own_folder) == [])


async def test_a_gateway_does_it_by_itself_and_looks_again_when_it_is_time(
    migrated_url: str, own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lingoloop_gateway.expiry.PAUSE", 0.05)
    monkeypatch.setattr(lifetimes, "PAUSE", 0.2)
    async with running_world(migrated_url, own_folder, transcribes=False, retention_days=DAYS) as world:
        for _ in range(2):
            added = await add(world, "ann", made=40, ended=31)

            async def gone(added: AddedRun = added) -> bool:
                return await kept(world, added) == [False]

            await eventually(gone)


async def test_a_look_reads_no_more_than_it_must(migrated_url: str) -> None:
    """Among 20,000 recordings that are young or kept for good, of 200 owners, few blocks are looked at."""
    connection: asyncpg.Connection[Any] = await asyncpg.connect(migrated_url)
    try:
        await connection.execute(
            "INSERT INTO audio (id, owner, filename, blob, created_at)"
            " SELECT gen_random_uuid(), 'owner-' || n % 200, '', '', now() - make_interval(days => n % 2 * 90)"
            " FROM generate_series(1, 20000) n"
        )
        # An owner's recordings are all young, or all old: every second one's are kept for good.
        await connection.execute(
            "INSERT INTO owner_retention SELECT 'owner-' || n, 0 FROM generate_series(1, 199, 2) n"
        )
        await connection.execute("ANALYZE audio, owner_retention")
        explain = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + lifetimes.SQL["expired_audios"]
        [explained] = orjson.loads(await connection.fetchval(explain, DAYS, lifetimes.BATCH))
    finally:
        await connection.close()
    plan = explained["Plan"]
    blocks = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    assert plan["Actual Rows"] == 0
    assert blocks < 200 * 12, "some for each owner, not for each recording"
