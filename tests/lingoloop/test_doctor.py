"""`lingoloop doctor`: each thing that can be wrong is named, with what to do; what is well is not."""

import asyncio
import dataclasses
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from aiohttp import web

from lingoloop import doctor
from lingoloop.doctor_here import check_disk, check_model
from lingoloop.finding import Finding, Setup, State, ok
from lingoloop.folder import DataFolder
from lingoloop_common.http import HttpServer
from lingoloop_common.lifecycle import running
from lingoloop_common.store.migrate import migrate, migrations
from tests.fleet import SECRET
from tests.rows import add_run, add_worker
from tests.servers import free_port

PASSWORD = "hush-hush-27"


def environment(**settings: str) -> dict[str, str]:
    """Return the environment of a person who has set only `settings`; no model is needed unless they say so."""
    kept = {
        name: os.environ[name]
        for name in ("PATH", "HOME", "PYTHONPATH", "LINGOLOOP_CACHE")
        if name in os.environ
    }
    return {**kept, "ENGINE": "simulated", **settings}


class Report:
    """What `lingoloop doctor` printed: states and lines by the name of the check."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err
        self.states: dict[str, str] = {}
        self.says: dict[str, str] = {}
        name = ""
        for line in out.splitlines():
            if not line.startswith(" "):
                state, name = line.split()[:2]
                self.states[name], self.says[name] = state, line
            else:
                self.says[name] += "\n" + line

    @property
    def wrong(self) -> set[str]:
        """The names of what is wrong."""
        return {name for name, state in self.states.items() if state == "WRONG"}


async def examine(data: Path, **settings: str) -> Report:
    """Run `lingoloop doctor` on a folder."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "lingoloop", "doctor", "--data", str(data)),
        env=environment(**settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return Report(process.returncode or 0, out.decode(), err.decode())


@asynccontextmanager
async def up(data: Path) -> AsyncIterator[None]:
    """Run `lingoloop up` on a folder until the block ends."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "lingoloop", "up", "--port", "0", "--data", str(data)),
        env=environment(OPS_PORT="0"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=sys.stderr,
    )
    try:
        assert process.stdout is not None
        assert (await asyncio.wait_for(process.stdout.readline(), 60)).startswith(b"ready ")
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 45)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def test_where_nothing_was_started_nothing_is_wrong_and_nothing_is_made(data: Path) -> None:
    report = await examine(data)
    assert (report.code, report.wrong) == (0, set())
    assert list(report.states) == [name for name, _ in doctor.CHECKS]
    for name in ("database", "storage"):
        assert report.states[name] == "skipped"
        assert "`lingoloop up`" in report.says[name]
    assert not data.exists()


async def test_all_is_well_while_up_runs(data: Path) -> None:
    async with up(data):
        report = await examine(data)
        secret = (data / "secret").read_text().strip()
    assert report.code == 0, report.out
    last = migrations()[-1].number
    assert f"migration {last:04} of {last:04}, 0 units ready" in report.says["database"]
    assert "simulated: 1 alive" in report.says["workers"]
    assert report.states["broker"] == report.states["model"] == "skipped"
    for name in (
        "settings",
        "database",
        "connections",
        "clock",
        "workers",
        "storage",
        "disk",
        "gateway",
        "notifier",
    ):
        assert report.states[name] == "ok"
    assert secret not in report.out + report.err
    assert not list((data / "blobs").glob(".doctor*"))
    stopped = await examine(data)
    assert stopped.code == 0
    assert stopped.states["database"] == stopped.states["gateway"] == "skipped"


async def test_all_is_well_with_a_fleets_environment(
    data: Path, tmp_path: Path, migrated_url: str, rabbitmq_url: str
) -> None:
    report = await examine(
        data,
        DATABASE_URL=migrated_url.replace("lingoloop@", f"lingoloop:{PASSWORD}@"),
        BROKER_URL=rabbitmq_url,
        BLOB_DIR=str(tmp_path),
        AUTH_JWT_SECRET=SECRET,
    )
    assert (report.code, report.wrong) == (0, set()), report.out
    assert urlsplit(migrated_url).path in report.says["database"]
    assert f"PostgreSQL {await _version(migrated_url)} at " in report.says["database"]
    assert urlsplit(rabbitmq_url).path in report.says["broker"]
    assert "RabbitMQ 3." in report.says["broker"] or "RabbitMQ 4." in report.says["broker"]
    assert str(tmp_path) in report.says["storage"]
    for secret in (PASSWORD, "guest", SECRET):
        assert secret not in report.out + report.err
    assert not list(tmp_path.iterdir())
    assert not data.exists()


async def _version(url: str) -> str:
    async with connected(url) as connection:
        version: str = await connection.fetchval("SHOW server_version")
    return version.split(maxsplit=1)[0]


async def test_what_is_away_is_named_without_its_password(data: Path) -> None:
    port = free_port()
    report = await examine(
        data,
        DATABASE_URL=f"postgresql://ann:{PASSWORD}@127.0.0.1:{port}/x",
        BROKER_URL=f"amqp://ann:{PASSWORD}@127.0.0.1:{port}/",
        BLOB_DIR=str(data),
        LINGOLOOP_URL=f"http://ann:{PASSWORD}@127.0.0.1:{port}",
        LINGOLOOP_TOKEN=PASSWORD,
        AUTH_JWT_SECRET="short",
    )
    assert report.code == 1
    assert report.wrong == {"settings", "database", "broker", "storage", "gateway", "notifier"}
    for name, setting in (
        ("database", "DATABASE_URL"),
        ("broker", "BROKER_URL"),
        ("gateway", "LINGOLOOP_URL"),
    ):
        assert "cannot be reached" in report.says[name]
        assert setting in report.says[name].splitlines()[1]
    assert "at least 32 bytes" in report.says["settings"]
    assert PASSWORD not in report.out + report.err


async def test_a_gateway_without_its_notifier_is_named(data: Path) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=503 if request.path.endswith("/events") else 401)

    app = web.Application()
    app.router.add_get("/api/{path:.*}", answer)
    gateway = HttpServer(app, host="127.0.0.1", port=0)
    async with running([gateway]):
        report = await examine(data, LINGOLOOP_URL=gateway.url)
    assert (report.code, report.wrong) == (1, {"notifier"})
    assert report.states["gateway"] == "ok"
    assert "503" in report.says["notifier"]
    assert "NOTIFIER_URL" in report.says["notifier"]


async def test_an_account_that_the_broker_does_not_take_is_named(data: Path, rabbitmq_url: str) -> None:
    refused = await examine(data, BROKER_URL=rabbitmq_url.replace("guest:guest", f"guest:{PASSWORD}"))
    assert "ACCESS_REFUSED" in refused.says["broker"]
    assert PASSWORD not in refused.out + refused.err
    nowhere = await examine(data, BROKER_URL=f"{rabbitmq_url}-not-there")
    assert "virtual host" in nowhere.says["broker"]
    assert refused.wrong == nowhere.wrong == {"broker"}


async def test_an_address_that_cannot_be_read_is_not_shown(data: Path) -> None:
    report = await examine(
        data, DATABASE_URL=f"postgresql://u:{PASSWORD}/9@db/x", BROKER_URL=f"amqp://u:{PASSWORD}/9@mq/"
    )
    assert report.wrong == {"database", "broker"}
    assert PASSWORD not in report.out + report.err
    assert report.out.count("%-encode") == 2


async def test_misspelt_settings_are_named(data: Path) -> None:
    report = await examine(data, WORKER_MAX_RETIRES="9", TRANSCRIBE_SYNC_MAX_BYTE="1", DB_POOL_MAX="many")
    assert (report.code, report.wrong) == (1, {"settings"})
    assert "WORKER_MAX_RETIRES: nobody reads it; did you mean WORKER_MAX_RETRIES?" in report.says["settings"]
    assert "did you mean TRANSCRIBE_SYNC_MAX_BYTES?" in report.says["settings"]
    assert "DB_POOL_MAX" in report.says["settings"]
    others = await examine(
        data,
        MODE="x",
        MODELS="x",
        PORT="1",
        LOG="x",
        WORKERS="2",
        DATABASE_URI="x",
        DATABASE_URL="postgresql://127.0.0.1:1/x",
    )
    assert others.states["settings"] == "ok", "others' variables are not ours"


async def test_traces_that_cannot_be_sent_are_named(data: Path) -> None:
    report = await examine(
        data, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:4317", OTEL_EXPORTER_OTLP_PROTOCOL="grpc"
    )
    assert (report.code, report.wrong) == (1, {"settings"})
    assert "4318" in report.says["settings"]


async def test_a_model_that_is_not_there_is_named(data: Path) -> None:
    report = await examine(data, ENGINE="whisper", MODEL="/nowhere")
    assert (report.code, report.wrong) == (1, {"model"})
    assert "/nowhere" in report.says["model"]
    unknown = await examine(data, ENGINE="wisper")
    assert "installed are" in unknown.says["model"]


async def test_a_damaged_model_is_named(data: Path, tmp_path: Path) -> None:
    well = await examine(data, ENGINE="whisper", MODEL="tiny.en", LINGOLOOP_CACHE=str(tmp_path))
    assert well.states["model"] == "ok", well.out
    [model] = [path for path in (tmp_path / "models").iterdir() if path.is_dir()]
    with (model / "model.bin").open("r+b") as file:
        file.write(b"damage")
    report = await examine(data, ENGINE="whisper", MODEL="tiny.en", LINGOLOOP_CACHE=str(tmp_path))
    assert report.wrong == {"model"}
    assert f"{model} is damaged" in report.says["model"]


async def test_a_model_from_the_hub_is_looked_for_where_it_is_fetched_to(data: Path, tmp_path: Path) -> None:
    report = await examine(data, ENGINE="whisper", MODEL="small", LINGOLOOP_CACHE=str(tmp_path))
    assert "small is not here" in report.says["model"]
    kept = tmp_path / "models" / "hub" / "models--Systran--faster-whisper-small"
    folder = kept / "snapshots" / "c0ffee"
    folder.mkdir(parents=True)
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text("c0ffee")
    for name in ("config.json", "tokenizer.json", "vocabulary.json"):
        (folder / name).touch()
    report = await examine(data, ENGINE="whisper", MODEL="small", LINGOLOOP_CACHE=str(tmp_path))
    assert "or not whole" in report.says["model"]
    (folder / "model.bin").touch()
    report = await examine(data, ENGINE="whisper", MODEL="small", LINGOLOOP_CACHE=str(tmp_path))
    assert report.states["model"] == "ok", report.out


def test_the_settings_of_an_engine_elsewhere_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINE", "openai")
    setup = Setup.here(DataFolder(tmp_path))
    assert check_model(setup).state is State.OK
    monkeypatch.setenv("OPENAI_BASE_URL", "api.example.com")
    found = check_model(setup)
    assert found.state is State.WRONG
    assert "OPENAI_BASE_URL" in str(found)


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    setup = Setup.here(DataFolder(tmp_path / "not" / "made"))
    assert check_disk(setup, least=1).state is State.OK
    full = check_disk(setup, least=2**60)
    assert full.state is State.WRONG
    assert str(setup.blob_dir) in full.do[0]
    elsewhere = check_disk(dataclasses.replace(setup, blob_dir=None), least=1)
    assert "for recordings (/" in elsewhere.says


async def test_work_that_nobody_does_is_named(data: Path, migrated_url: str) -> None:
    async with connected(migrated_url) as connection:
        await add_run(connection, units=2)
        await add_worker(connection, lane="whisper.base", lease=3600)
        await add_worker(connection, lease=-1)
    alone = await examine(data, DATABASE_URL=migrated_url)
    assert (alone.code, alone.wrong) == (1, {"workers"})
    assert "simulated: 0 alive, 0 slots, 2 units ready" in alone.says["workers"]
    assert "work of simulated:" in alone.says["workers"]
    assert "2 units ready, the oldest for" in alone.says["database"]
    async with connected(migrated_url) as connection:
        await add_worker(connection, lease=3600)
        await connection.execute("UPDATE fleet SET wanted = 'stopped'")
    report = await examine(data, DATABASE_URL=migrated_url)
    assert (report.code, report.wrong) == (0, set()), report.out
    assert "simulated: 1 alive (1 told to stop), 2 slots, 2 units ready" in report.says["workers"]


async def test_migrations_that_do_not_fit_are_named(data: Path, database_url: str) -> None:
    last = migrations()[-1].number
    empty = await examine(data, DATABASE_URL=database_url)
    assert empty.wrong == {"database"}
    assert "lingoloop migrate" in empty.says["database"]
    async with connected(database_url) as connection:
        await migrate(connection)
        await connection.execute("DELETE FROM migration WHERE number = $1", last)
        old = await examine(data, DATABASE_URL=database_url)
        await add_migration(connection, last, "another text's")
        changed = await examine(data, DATABASE_URL=database_url)
        await add_migration(connection, 9999, "unknown")
        newer = await examine(data, DATABASE_URL=database_url)
    assert f"migration {last - 1:04} of {last:04}" in old.says["database"]
    assert "lingoloop migrate" in old.says["database"]
    assert "was changed" in changed.says["database"]
    assert "update LingoLoop" in newer.says["database"]
    assert old.wrong == changed.wrong == newer.wrong == {"database"}


async def add_migration(connection: "asyncpg.Connection[asyncpg.Record]", number: int, checksum: str) -> None:
    await connection.execute(
        "INSERT INTO migration (number, name, checksum) VALUES ($1, 'x', $2)", number, checksum
    )


async def test_a_check_that_breaks_or_hangs_keeps_none_from_its_finding(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    end = threading.Event()

    def breaks(setup: Setup) -> Finding:
        raise LookupError(PASSWORD)

    def hangs(setup: Setup) -> Finding:
        end.wait()
        return ok("too late")

    async def waits(setup: Setup) -> Finding:
        await asyncio.Event().wait()
        return ok("too late")

    checks = (("breaks", breaks), ("hangs", hangs), ("waits", waits), ("well", lambda setup: ok("well")))
    monkeypatch.setattr(doctor, "CHECKS", checks)
    monkeypatch.setattr(doctor, "LIMIT", 1.0)
    began = time.monotonic()
    findings = dict(await doctor.examine(Setup.here(DataFolder(tmp_path))))
    assert time.monotonic() - began < 5
    assert {name for name, finding in findings.items() if finding.state is State.WRONG} == {
        "breaks",
        "hangs",
        "waits",
    }
    assert findings["well"] == ok("well")
    assert PASSWORD not in str(findings)
    end.set()
