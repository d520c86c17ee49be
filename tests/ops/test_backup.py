"""The drills of docs/operations/backup.md: the database and the broker are lost under load; what was acknowledged ends well.

Once from a dump, which keeps all that was acknowledged before it began; once from a base backup and the archived log, which keep
all that was acknowledged before the log's last piece was archived.
"""

import asyncio
import shutil
import subprocess
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from lingoloop_common.blobs import FolderBlobs
from lingoloop_common.store.database import Database
from lingoloop_gateway.orphans import Orphans
from tests import media
from tests.command_line import run
from tests.fleet import Fleet
from tests.notifier.receiver import receiving
from tests.ops.load import SETTINGS, Load, Request, check_whole, comes_to_rest
from tests.servers.postgres import PostgresServer
from tests.servers.rabbitmq import RabbitServer
from tests.waiting import eventually

pytestmark = [pytest.mark.ops, pytest.mark.slow, pytest.mark.timeout(400)]

TUS = {"Tus-Resumable": "1.0.0"}
BYTES = "application/offset+octet-stream"
TALK = media.wav_of_ms(90_000)
HALF = len(TALK) // 2

BUSY = """
SELECT (SELECT count(*) FROM transcript_run WHERE status = 'succeeded') > 3
   AND (SELECT count(*) FROM transcript_run WHERE status = 'processing') > 1
   AND (SELECT count(*) FROM webhook_delivery WHERE state = 'delivered') > 0
"""


async def value(url: str, sql: str, *args: object) -> Any:
    """Ask a database for one value."""
    connection: asyncpg.Connection[Any] = await asyncpg.connect(url)
    try:
        return await connection.fetchval(sql, *args)
    finally:
        await connection.close()


async def types(command: str, **environment: str) -> None:
    """Type a command as an operator does."""
    process = await asyncio.create_subprocess_shell(
        command, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **environment}, stdout=subprocess.DEVNULL
    )
    assert await process.wait() == 0, command


class Drill:
    """A fleet under load, over servers that are going to be lost, with an upload that is half done."""

    def __init__(self, folder: Path, postgres: PostgresServer, broker_url: str, webhook: str) -> None:
        self.folder, self.postgres = folder, postgres
        self.database_url = postgres.create_database("lingoloop")
        self.fleet = Fleet(folder, self.database_url, broker_url, **SETTINGS)
        self.load = Load(self.fleet.token, lambda: self.fleet.url, webhook)
        self.upload = ""

    async def begin(self) -> None:
        """Bring the fleet to work."""
        await self.fleet.start_all()
        self.load.start()
        async with self.fleet.http() as http:
            created = await http.post("/api/uploads", headers={**TUS, "Upload-Length": str(len(TALK))})
            self.upload = urlsplit(created.headers["Location"]).path
        await self.send_rest(0, TALK[:HALF])

        async def is_busy() -> bool:
            return bool(await value(self.database_url, BUSY))

        await eventually(is_busy, seconds=60)

    async def send_rest(self, offset: int, data: bytes) -> str | None:
        """Go on with the half upload where its bytes end; return its run, if that was the last of it."""
        async with self.fleet.http() as http:
            asked = await http.head(self.upload, headers=TUS)
            assert (asked.status_code, asked.headers["Upload-Offset"]) == (200, str(offset))
            headers = {**TUS, "Upload-Offset": str(offset), "Content-Type": BYTES}
            answer = await http.patch(self.upload, headers=headers, content=data)
            assert answer.status_code == 204, answer.text
            run_id: str | None = answer.headers.get("Lingoloop-Run-Id")
            return run_id

    async def kill_services(self) -> None:
        """No service says a last word."""
        for service in self.fleet.services:
            service.kill()
        await self.load.stop()

    async def come_back(self, database_url: str, broker_url: str) -> None:
        """Start a fleet over the restored database, an empty broker, and the storage, which was not lost."""
        self.database_url = database_url
        self.fleet = Fleet(self.folder, database_url, broker_url, **SETTINGS)
        await self.fleet.start_all()

    async def check(self, kept: dict[str, Request]) -> set[str]:
        """What was acknowledged in time ends well, keys bind, the half upload goes on; return all runs that there are."""
        for run_id, request in list(kept.items())[-3:]:
            assert (await self.load.send(request)).json()["runId"] == run_id, "its key binds"
        upload = await self.send_rest(HALF, TALK[HALF:])
        await comes_to_rest(self.database_url)
        runs = await check_whole(self.database_url, kept)
        assert upload in runs
        return runs


@pytest.fixture
async def drill(tmp_path: Path) -> AsyncIterator[Drill]:
    with PostgresServer() as postgres, RabbitServer() as rabbit:
        async with receiving() as receiver:
            drill = Drill(tmp_path, postgres, rabbit.create_vhost("lingoloop"), receiver.url)
            try:
                yield drill
            except BaseException:
                print(drill.fleet.logs())
                raise
            finally:
                await drill.load.stop()
                drill.fleet.stop()


async def test_from_a_dump_all_that_was_acknowledged_before_it_began_ends_well(drill: Drill) -> None:
    await drill.begin()
    kept, backup, begin = dict(drill.load.acknowledged), drill.folder / "backup.sql", time.monotonic()
    code, _, err = await run("db", "dump", str(backup), DATABASE_URL=drill.database_url)
    assert code == 0, err
    dumped, count = time.monotonic() - begin, len(drill.load.acknowledged)
    await drill.load.until(8)
    await drill.kill_services()
    too_late = dict(list(drill.load.acknowledged.items())[count:])
    drill.postgres.close()
    with PostgresServer() as postgres, RabbitServer() as rabbit:
        url, begin = postgres.create_database("lingoloop"), time.monotonic()
        code, _, err = await run("db", "restore", str(backup), DATABASE_URL=url)
        assert code == 0, err
        restored = time.monotonic() - begin
        await drill.come_back(url, rabbit.create_vhost("lingoloop"))
        back = time.monotonic() - begin
        runs = await drill.check(kept)
        print(
            f"{len(kept)} runs kept; dump {dumped:.1f} s, restore {restored:.1f} s, ready after {back:.1f} s"
        )
        await check_what_came_too_late(drill, too_late, runs)


async def check_what_came_too_late(drill: Drill, too_late: dict[str, Request], runs: set[str]) -> None:
    """What was acknowledged after the dump is not known; its bytes are there for a day, and to send it again helps."""
    # An upload may be stored before the dump, and answered after it.
    lost = {run_id: request for run_id, request in too_late.items() if run_id not in runs}
    run_id, request = next(iter(lost.items()))
    async with drill.fleet.http(request.owner) as http:
        for path in (f"/api/runs/{run_id}", f"/api/runs/{run_id}/events"):
            assert (await http.get(path)).status_code == 404
    stored = {path.name for path in (drill.folder / "blobs/audio").iterdir()}
    known = await value(drill.database_url, "SELECT array_agg(id::text) FROM audio")
    assert len(stored - set(known)) >= len(lost)
    database = Database(drill.database_url, pool_max=2, startup_timeout=5, exclusive=False)
    await database.start()
    try:
        orphans = Orphans(database, FolderBlobs(drill.folder / "blobs"))
        assert await orphans.remove(now=datetime.now(UTC)) == 0, "nothing is removed before a day is over"
    finally:
        await database.stop()
    answer = await drill.load.send(request)
    assert answer.status_code in (200, 202)
    assert answer.json()["runId"] != run_id


async def test_from_the_archived_log_all_that_was_acknowledged_before_its_last_piece_ends_well(
    drill: Drill,
) -> None:
    postgres, folder = drill.postgres, drill.postgres.folder
    assert folder is not None
    archive, base, data = folder / "archive", folder / "base", folder / "data"
    archive.mkdir()
    shutil.chown(archive, data.owner())
    for name, setting in (
        ("archive_mode", "on"),
        ("archive_command", f"test ! -f {archive}/%f && cp %p {archive}/%f"),
    ):
        await types(f"psql -qX -c \"ALTER SYSTEM SET {name} = '{setting}'\" {postgres.url}")
    postgres.stop()
    postgres.start()
    await drill.begin()
    await types(f"pg_basebackup --checkpoint=fast -d {postgres.url} -D {base}")
    await drill.load.until(8)
    kept = dict(drill.load.acknowledged)
    last = await value(postgres.url, "SELECT pg_walfile_name(pg_switch_wal())")
    await eventually((archive / last).exists)
    await drill.kill_services()
    postgres.kill()
    shutil.rmtree(data)
    shutil.move(base, data)
    (data / "recovery.signal").touch()
    with (data / "postgresql.auto.conf").open("a") as settings:
        settings.write(f"restore_command = 'cp {archive}/%f %p'\n")
    await types(f"chown -R {archive.owner()} {data}")
    begin = time.monotonic()
    postgres.start()

    async def writes() -> bool:
        return not await value(postgres.url, "SELECT pg_is_in_recovery()")

    await eventually(writes, seconds=60)
    restored = time.monotonic() - begin
    with RabbitServer() as rabbit:
        await drill.come_back(drill.database_url, rabbit.create_vhost("lingoloop"))
        await drill.check(kept)
    print(f"{len(kept)} runs kept; recovery {restored:.1f} s")
