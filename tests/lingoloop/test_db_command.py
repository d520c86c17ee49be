"""`lingoloop db`: what was dumped comes back whole, and a restore changes all or nothing."""

import asyncio
import os
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

import lingoloop as lingoloop_package
from lingoloop import postgres_programs
from lingoloop.database import database_in_use
from lingoloop.folder import DataFolder
from lingoloop.postgres import EmbeddedPostgres, running_url
from lingoloop.postgres_programs import ProgramMissing, client_program
from lingoloop_common.store import migrate as migrate_module
from lingoloop_common.store.database import GUARD
from lingoloop_common.store.migrate import migrate, migrations
from tests.rows import add_run
from tests.servers.postgres import PostgresServer

PASSWORD = "hush-hush-27"


def lingoloop(
    *words: str | Path, stdin: bytes = b"", **settings: str
) -> "subprocess.CompletedProcess[bytes]":
    """Run `lingoloop` to its end as a person who has set only `settings`."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", "lingoloop", *words],
        env=kept | settings,
        input=stdin,
        capture_output=True,
        timeout=60,
        check=False,
    )


async def run(*words: str | Path, stdin: bytes = b"", **settings: str) -> tuple[int, bytes, str]:
    """The same, beside this loop; return exit code, stdout and stderr."""
    ended = await asyncio.to_thread(lingoloop, *words, stdin=stdin, **settings)
    return ended.returncode, ended.stdout, ended.stderr.decode()


@asynccontextmanager
async def connected(url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def fill(url: str, owner: str = "ann") -> None:
    """Apply the migrations and add a run of three chunks."""
    async with connected(url) as connection:
        await migrate(connection)
        await add_run(connection, owner=owner, units=3)


async def content(url: str) -> dict[str, list[str]]:
    """Return every table's rows as texts."""
    async with connected(url) as connection:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {
            name: [row[0] for row in await connection.fetch(f"SELECT t::text FROM {name} t ORDER BY 1")]
            for (name,) in tables
        }


@pytest.fixture
def second_url(postgres: PostgresServer, database_url: str) -> Iterator[str]:
    """Another empty database."""
    name = urlsplit(database_url).path[1:] + "_second"
    yield postgres.create_database(name)
    postgres.drop_database(name)


async def test_what_was_dumped_comes_back_whole(tmp_path: Path, database_url: str, second_url: str) -> None:
    await fill(database_url)
    file = tmp_path / "backup.sql"
    code, out, err = await run("db", "dump", file, DATABASE_URL=database_url)
    assert (code, out) == (0, b""), err
    assert "BLOB_DIR" in err
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]
    code, out, err = await run("db", "restore", file, DATABASE_URL=second_url)
    assert (code, out) == (0, b""), err
    restored = await content(second_url)
    assert restored == await content(database_url)
    assert len(restored["chunk"]) == 3
    async with connected(second_url) as connection:
        assert await migrate(connection) == []


async def test_an_older_dump_gets_the_migrations_it_lacks(
    tmp_path: Path, database_url: str, second_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    *older, last = migrations()
    with monkeypatch.context() as patch:
        patch.setattr(migrate_module, "migrations", lambda: older)
        await fill(database_url)
    await run("db", "dump", tmp_path / "backup.sql", DATABASE_URL=database_url)
    code, _, err = await run("db", "restore", tmp_path / "backup.sql", DATABASE_URL=second_url)
    assert code == 0, err
    async with connected(second_url) as connection:
        assert await migrate(connection) == [last.name]
    restored, before = await content(second_url), await content(database_url)
    assert len(restored["chunk"]) == len(before["chunk"]) == 3
    assert len(restored["migration"]) == len(before["migration"]) + 1


async def test_plain_psql_reads_a_dump_too(database_url: str, second_url: str) -> None:
    await fill(database_url)
    _, dump, _ = await run("db", "dump", "-", DATABASE_URL=database_url)
    psql = ["psql", "-qX", "--set=ON_ERROR_STOP=1", second_url]
    await asyncio.to_thread(subprocess.run, psql, input=dump, check=True, stdout=subprocess.DEVNULL)
    assert await content(second_url) == await content(database_url)


async def test_a_folders_database_is_dumped_while_it_runs_and_while_not_and_goes_through_a_pipe(
    data: Path,
) -> None:
    server = EmbeddedPostgres(data / "postgres")
    await server.start()
    await fill(server.url)
    before = await content(server.url)
    with DataFolder(data):  # as the process does that runs it
        code, _, err = await run("db", "dump", data.parent / "running.sql", "--data", data)
    assert code == 0, err
    await server.stop()
    code, dump, err = await run("db", "dump", "-", "--data", data)
    assert code == 0, err
    assert str(data / "blobs") in err
    assert running_url(data / "postgres") is None, "it was started for the dump alone"
    code, _, err = await run("db", "restore", "-", "--data", data.with_name("other"), stdin=dump)
    assert code == 0, err
    async with database_in_use(DataFolder(data.with_name("other"))) as url:
        assert await content(url) == before


async def test_a_database_with_tables_is_not_mixed_with_another(
    tmp_path: Path, database_url: str, second_url: str
) -> None:
    await fill(database_url)
    await fill(second_url, owner="ben")
    before = await content(second_url)
    file = tmp_path / "backup.sql"
    await run("db", "dump", file, DATABASE_URL=database_url)
    code, out, err = await run("db", "restore", file, DATABASE_URL=second_url)
    assert (code, out) == (2, b"")
    assert "--replace" in err
    assert await content(second_url) == before
    code, _, err = await run("db", "restore", file, "--replace", DATABASE_URL=second_url)
    assert code == 0, err
    assert await content(second_url) == await content(database_url)


@pytest.mark.parametrize("how", ["wrong", "cut off", "empty"])
async def test_replacing_with_a_bad_file_loses_nothing(tmp_path: Path, database_url: str, how: str) -> None:
    await fill(database_url)
    _, good, _ = await run("db", "dump", "-", DATABASE_URL=database_url)
    async with connected(database_url) as connection:
        await add_run(connection, owner="since")
    before = await content(database_url)
    file = tmp_path / "bad.sql"
    end = good.index(b"-- PostgreSQL database dump complete")
    file.write_bytes(
        {
            "wrong": good[:end] + b"SELECT no_such_thing;\n\n" + good[end:],
            "cut off": good[:end],
            "empty": b"",
        }[how]
    )
    code, out, err = await run("db", "restore", file, "--replace", DATABASE_URL=database_url)
    assert (code, out) == (1, b"")
    assert "nothing was changed" in err or "no complete dump" in err
    assert await content(database_url) == before


async def test_no_restore_while_a_process_holds_the_folder(data: Path) -> None:
    file = data.parent / "backup.sql"
    file.write_text("\n-- PostgreSQL database dump complete\n")
    with DataFolder(data):
        code, _, err = await run("db", "restore", file, "--replace", "--data", data)
    assert code == 2
    assert str(os.getpid()) in err


async def test_no_restore_while_a_service_uses_the_database(tmp_path: Path, database_url: str) -> None:
    await fill(database_url)
    file = tmp_path / "backup.sql"
    await run("db", "dump", file, DATABASE_URL=database_url)
    async with connected(database_url) as service:
        await service.execute("SELECT pg_advisory_lock_shared($1)", GUARD)
        code, _, err = await run("db", "restore", file, "--replace", DATABASE_URL=database_url)
    assert code == 2
    assert "stop them" in err


async def test_a_failed_dump_leaves_the_last_one(tmp_path: Path, database_url: str) -> None:
    file = tmp_path / "backup.sql"
    file.write_text("the last one")
    programs = tmp_path / "programs"
    _fake(
        programs,
        "pg_dump",
        'case "$1" in --version) echo "pg_dump (PostgreSQL) 15.1";; *) echo half; exit 1;; esac',
    )
    code, _, err = await run("db", "dump", file, DATABASE_URL=database_url, PYTHONPATH=_only(programs))
    assert code == 1
    assert "pg_dump ended with code 1" in err
    assert file.read_text() == "the last one"
    assert {path.name for path in tmp_path.iterdir()} == {"backup.sql", "programs"}


async def test_the_password_is_in_no_command_line_and_no_message(tmp_path: Path, database_url: str) -> None:
    programs = tmp_path / "programs"
    said = tmp_path / "said"
    _fake(
        programs,
        "pg_dump",
        f'[ "$1" = --version ] && {{ echo "pg_dump (PostgreSQL) 15.1"; exit; }}; echo "$@" > {said}; '
        f"tr '\\0' '\\n' < /proc/$$/cmdline >> {said}; echo \"$PGPASSWORD\" >> {said}.password; exit 1",
    )
    parts = urlsplit(database_url)
    for url in (
        f"postgresql://lingoloop:{PASSWORD}@127.0.0.1:{parts.port}{parts.path}",
        f"{database_url}?password={PASSWORD}&sslmode=disable",
    ):
        code, out, err = await run("db", "dump", "-", DATABASE_URL=url, PYTHONPATH=_only(programs))
        assert (code, out) == (1, b""), err
        assert PASSWORD not in err + said.read_text()
        assert f"127.0.0.1:{parts.port}{parts.path}" in said.read_text()
    assert Path(f"{said}.password").read_text() == f"{PASSWORD}\n" * 2


async def test_an_address_that_cannot_be_used_is_not_shown(tmp_path: Path) -> None:
    for url in (f"postgresql://u:{PASSWORD}@127.0.0.1:1/x", f"postgresql://u:{PASSWORD}/9@127.0.0.1/x"):
        code, _, err = await run("db", "dump", tmp_path / "backup.sql", DATABASE_URL=url)
        assert code == 1
        assert err.startswith("lingoloop: ")
        assert PASSWORD not in err
    assert not list(tmp_path.iterdir())


async def test_url_is_of_a_database_that_runs(data: Path) -> None:
    code, out, err = await run("db", "url", "--data", data)
    assert (code, out) == (1, b"")
    assert "no database was made" in err
    code, _, err = await run("db", "dump", data.parent / "x.sql", "--data", data)
    assert code == 1
    assert "no database was made" in err
    assert not data.exists()
    server = EmbeddedPostgres(data / "postgres")
    await server.start()
    _, running, _ = await run("db", "url", "--data", data)
    assert running.decode() == f"{server.url}\n"
    await server.stop()
    code, out, err = await run("db", "url", "--data", data)
    assert (code, out) == (1, b"")
    assert "does not run" in err
    _, named, _ = await run("db", "url", "--data", data, DATABASE_URL="postgresql://db/lingoloop")
    assert named == b"postgresql://db/lingoloop\n"


def test_wrong_use_says_so(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for words in (("restore", tmp_path / "none.sql"), ("dump", tmp_path / "none" / "x.sql"), ("dump", pipe)):
        ended = lingoloop("db", *words, DATABASE_URL="postgresql://127.0.0.1:1/x")
        assert (ended.returncode, ended.stdout) == (2, b"")
    assert pipe.is_fifo()


def test_a_servers_own_version_comes_first_then_the_next_newer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [tmp_path / name for name in ("package", "old", "next", "own")]
    for place, version in zip(places, ("18.6", "14.9", "16.2 (Debian 16.2-1)", "15.18"), strict=True):
        _fake(place, "pg_dump", f'echo "pg_dump (PostgreSQL) {version}"')
    monkeypatch.setattr(postgres_programs, "_places", lambda: iter(places[:3]))
    monkeypatch.setenv("PATH", f"{places[3]}:/bin")
    assert client_program("pg_dump", 15) == places[3] / "pg_dump"
    assert client_program("pg_dump", 16) == places[2] / "pg_dump"
    assert client_program("pg_dump", 17) == places[0] / "pg_dump"
    with pytest.raises(
        ProgramMissing, match=r"needs pg_dump 19 or newer; here is: 14, 15, 16, 18.*postgresql-client-19"
    ):
        client_program("pg_dump", 19)


async def test_too_old_a_program_is_not_used(tmp_path: Path, database_url: str) -> None:
    programs = tmp_path / "programs"
    _fake(programs, "pg_dump", 'echo "pg_dump (PostgreSQL) 13.4"')
    code, out, err = await run("db", "dump", "-", DATABASE_URL=database_url, PYTHONPATH=_only(programs))
    assert (code, out) == (1, b"")
    assert "needs pg_dump 15 or newer; here is: 13." in err


def _fake(folder: Path, name: str, script: str) -> None:
    """Make a program of a shell script."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def _only(programs: Path) -> str:
    """Return a PYTHONPATH with which only these programs are found."""
    (programs / "sitecustomize.py").write_text(
        "from pathlib import Path\nfrom lingoloop import postgres_programs\n"
        f"postgres_programs._programs_called = lambda name: iter([Path({str(programs)!r}, name)])\n"
    )
    return os.pathsep.join([str(programs), str(Path(lingoloop_package.__file__).parents[1]), *sys.path])
