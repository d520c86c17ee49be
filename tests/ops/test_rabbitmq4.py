"""RabbitMQ 4.x, as docker-compose.yml runs it: with its settings no token is dropped, and the transport's own tests hold."""

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import aio_pika
import pytest

from tests.servers.rabbitmq import RabbitServer

REPOSITORY = Path(__file__).parents[2]
CONFIG = REPOSITORY / "ops/rabbitmq/rabbitmq.conf"

pytestmark = [
    pytest.mark.ops,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        os.geteuid() != 0 or not shutil.which("debootstrap"),
        reason="RabbitMQ 4 cannot be put here: that needs root and debootstrap (make ops-tools)",
    ),
]


@pytest.fixture(scope="module")
def program() -> Iterator[str]:
    """A RabbitMQ 4.x: the one that is named, or Debian's newest."""
    if named := os.environ.get("LINGOLOOP_TEST_RABBITMQ"):
        yield named
        return
    folder = tempfile.mkdtemp(prefix="lingoloop-rabbitmq4-")
    made = subprocess.run(
        ["nice", REPOSITORY / "tests/servers/rabbitmq4.sh", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr[-3000:]
    yield made.stdout.strip()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def server(program: str) -> Iterator[RabbitServer]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LINGOLOOP_TEST_RABBITMQ", program)
        server = RabbitServer(config=CONFIG.read_text()).start()
    with contextlib.closing(server):
        assert server.admin("GET", "overview")["rabbitmq_version"].startswith("4.")
        yield server


@pytest.mark.parametrize("how", ["rejected", "its channel closed"])
async def test_a_token_comes_back_more_often_than_the_broker_s_own_limit(
    server: RabbitServer, how: str
) -> None:
    connection = await aio_pika.connect(server.url)
    async with connection, connection.channel() as own:
        name = f"work.{how.replace(' ', '-')}"
        queue = await own.declare_queue(name, durable=True, arguments={"x-queue-type": "quorum"})
        await own.default_exchange.publish(aio_pika.Message(b""), routing_key=queue.name)
        for _ in range(25):  # the limit is 20
            channel = await connection.channel()
            async with (await channel.get_queue(name)).iterator() as tokens:
                token = await asyncio.wait_for(anext(tokens), 20)
                if how == "rejected":
                    await token.reject(requeue=True)
                await channel.close()


def test_the_transport_s_own_tests_hold(program: str) -> None:
    tests = ["tests/common/test_broker.py", "tests/common/test_rabbitmq.py"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
        env={**os.environ, "LINGOLOOP_TEST_RABBITMQ": program},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:]
