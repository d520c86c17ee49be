"""The private servers start, answer, survive a kill with their data, and leave nothing behind."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import aio_pika
import asyncpg
import pytest

from tests.servers import wait_until
from tests.servers.postgres import PostgresServer
from tests.servers.rabbitmq import RabbitServer

ROOT = Path(__file__).parents[2]


async def ask_postgres(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def declare(url: str, queue: str, *, passive: bool = False) -> int | None:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        declared = await channel.declare_queue(
            queue, durable=True, passive=passive, arguments={"x-queue-type": "quorum"}
        )
        if not passive:
            await channel.default_exchange.publish(
                aio_pika.Message(b"1", delivery_mode=aio_pika.DeliveryMode.PERSISTENT), queue
            )
        return declared.declaration_result.message_count


def processes_that_name(text: str) -> list[str]:
    """Processes with the text in their command line or environment (epmd has its folder only there)."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            seen = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue
        if text.encode() in seen and process.name != str(os.getpid()):
            found.append(seen.decode(errors="replace"))
    return found


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def test_database_url_is_an_empty_database(database_url: str) -> None:
    assert await ask_postgres(database_url, "SELECT 1") == 1
    assert await ask_postgres(database_url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
    assert await ask_postgres(database_url, "SHOW fsync") == "on"


async def test_rabbitmq_url_is_an_empty_vhost(rabbitmq: RabbitServer, rabbitmq_url: str) -> None:
    assert await declare(rabbitmq_url, "q") == 0
    vhost = rabbitmq_url.rpartition("/")[2]
    assert [queue["name"] for queue in rabbitmq.admin("GET", f"queues/{vhost}")] == ["q"]


async def test_postgres_survives_a_kill_and_leaves_nothing(
    private_postgres: Callable[[], PostgresServer],
) -> None:
    server = private_postgres()
    url = server.create_database("kept")
    await ask_postgres(url, "CREATE TABLE t AS SELECT 7 AS n")
    server.kill()
    assert not listens(server.port)
    server.start()
    assert await ask_postgres(url, "SELECT n FROM t") == 7
    server.stop()
    server.start()
    assert await ask_postgres(url, "SELECT n FROM t") == 7
    folder = server.folder
    assert folder is not None
    assert processes_that_name(str(folder))
    server.close()
    assert not folder.exists()
    assert not listens(server.port)
    assert not processes_that_name(str(folder))


async def test_rabbitmq_survives_a_kill_and_leaves_nothing(
    private_rabbitmq: Callable[[], RabbitServer],
) -> None:
    server = private_rabbitmq()
    url = server.create_vhost("kept")
    await declare(url, "q")
    # A quorum queue younger than about a second does not come up again: Ra has not written its directory yet.
    await asyncio.sleep(2)
    server.kill()
    assert not listens(server.port)
    server.start()
    for _ in range(40):  # the queue elects itself a leader first
        if await declare(url, "q", passive=True) == 1:
            break
        await asyncio.sleep(0.25)
    else:
        pytest.fail("the message is lost")
    folder = server.folder
    assert folder is not None
    assert processes_that_name(str(folder))
    server.close()
    assert not folder.exists()
    assert not listens(server.port)
    assert not processes_that_name(str(folder))


def test_a_server_dies_with_whoever_started_it() -> None:
    code = (
        "from tests.servers.postgres import PostgresServer; server = PostgresServer().start();"
        "print(server.folder, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as starter:
        assert starter.stdout is not None
        folder = starter.stdout.readline().strip()
        assert processes_that_name(folder)
        starter.kill()
    wait_until(lambda: not processes_that_name(folder), "PostgreSQL to die", seconds=10)
    shutil.rmtree(folder)


@pytest.mark.skipif(shutil.which("npm") is None, reason="needs Node with npm")
def test_packages_for_node_are_installed_with_the_machines_settings(tmp_path: Path) -> None:
    """Where a certificate or a proxy is set for all users, an empty home must do: npm says which file it reads them from."""
    servers, programs = tmp_path / "tests/servers", tmp_path / "bin"
    for folder in (
        servers,
        programs,
        *(tmp_path / f"tests/gateway/{name}_node" for name in ("openai", "tus")),
    ):
        folder.mkdir(parents=True)
    shutil.copy(ROOT / "tests/servers/install.sh", servers)
    told = tmp_path / "told"
    npm = shutil.which("npm")
    # Asks npm the way it is asked to install. Nothing else is installed here.
    (programs / "npm").write_text(f'#!/bin/sh\nshift\n"{npm}" config get globalconfig "$@" >>"{told}"\n')
    (programs / "apt-get").write_text("#!/bin/sh\nexit 1\n")
    for program in programs.iterdir():
        program.chmod(0o755)
    environment = {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    subprocess.run([servers / "install.sh"], env=environment, check=False)
    asked = [str(npm), "config", "get", "globalconfig"]
    usual = subprocess.run(asked, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert told.read_text() == usual.stdout * 2
