"""One PostgreSQL and one RabbitMQ for a whole run; a fresh database and virtual host for each test.

With xdist the controller owns both servers and tells the workers their ports; without it they start when first needed.
"""

import asyncio
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from lingoloop_common.store.migrate import migrate
from tests.servers.postgres import PostgresServer
from tests.servers.rabbitmq import RabbitServer

# Before any test loads gRPC: servers are forked, to run as somebody else, and its handlers would crash those children.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

JOURNEYS = Path(__file__).parent / "web"
SERVERS = pytest.StashKey[ExitStack]()
PORTS = pytest.StashKey[dict[str, int]]()


def pytest_configure(config: pytest.Config) -> None:
    """In the xdist controller, start both servers side by side."""
    if config.getoption("dist", "no") == "no" or config.option.collectonly or hasattr(config, "workerinput"):
        return
    servers = config.stash[SERVERS] = ExitStack()
    postgres, rabbitmq = PostgresServer(), RabbitServer()
    for server in (rabbitmq, postgres):
        servers.callback(server.close)
        server.launch()
    for server in (rabbitmq, postgres):
        server.wait_ready()
    config.stash[PORTS] = {
        "postgres": postgres.port,
        "rabbitmq": rabbitmq.port,
        "rabbitmq_admin": rabbitmq.admin_port,
    }


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the browser's journeys first: at the end, one worker would be at them for minutes beside an idle one."""
    items.sort(key=lambda item: JOURNEYS not in item.path.parents)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell an xdist worker where the servers are."""
    node.workerinput["server_ports"] = node.config.stash[PORTS]


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what `pytest_configure` started, after the last worker."""
    if SERVERS in config.stash:
        config.stash[SERVERS].close()


def _ports(config: pytest.Config) -> dict[str, int] | None:
    return getattr(config, "workerinput", {}).get("server_ports")


@pytest.fixture(scope="session")
def postgres(pytestconfig: pytest.Config) -> Iterator[PostgresServer]:
    """The run's PostgreSQL; never stop it, others use it too."""
    if ports := _ports(pytestconfig):
        yield PostgresServer(ports["postgres"])
    else:
        with PostgresServer() as server:
            yield server


@pytest.fixture(scope="session")
def rabbitmq(pytestconfig: pytest.Config) -> Iterator[RabbitServer]:
    """The run's RabbitMQ; never stop it, others use it too."""
    if ports := _ports(pytestconfig):
        yield RabbitServer(ports["rabbitmq"], ports["rabbitmq_admin"])
    else:
        with RabbitServer() as server:
            yield server


@pytest.fixture
def database_url(postgres: PostgresServer) -> Iterator[str]:
    """A fresh, empty database."""
    name = f"test_{uuid.uuid4().hex}"
    yield postgres.create_database(name)
    postgres.drop_database(name)


@pytest.fixture
def migrated_url(database_url: str) -> str:
    """A fresh database with all tables."""
    make_tables(database_url)
    return database_url


@pytest.fixture(scope="module")
def module_database_url(postgres: PostgresServer) -> Iterator[str]:
    """A database with all tables, for all tests of a module."""
    with own_database(postgres) as url:
        yield url


@contextmanager
def own_database(postgres: PostgresServer) -> Iterator[str]:
    """Give a database with all tables for as long as the block lasts."""
    name = f"test_{uuid.uuid4().hex}"
    url = postgres.create_database(name)
    make_tables(url)
    yield url
    postgres.drop_database(name)


def make_tables(url: str) -> None:
    """Apply all migrations, in a loop of its own: tests have theirs."""

    async def make() -> None:
        connection = await asyncpg.connect(url)
        await migrate(connection)
        await connection.close()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, make()).result()


@pytest.fixture
def data() -> Iterator[Path]:
    """A data folder that PostgreSQL's account can enter, as root's temporary folders are not."""
    folder = Path(tempfile.mkdtemp(prefix="lingoloop-test-"))
    folder.chmod(0o711)
    yield folder / "data"
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def rabbitmq_url(rabbitmq: RabbitServer) -> Iterator[str]:
    """A fresh, empty virtual host."""
    name = f"test_{uuid.uuid4().hex}"
    yield rabbitmq.create_vhost(name)
    rabbitmq.delete_vhost(name)


@pytest.fixture
def private_postgres() -> Iterator[Callable[[], PostgresServer]]:
    """Call it for a running PostgreSQL of the test's own, to stop and kill at will."""
    with ExitStack() as servers:
        yield lambda: servers.enter_context(PostgresServer())


@pytest.fixture
def private_rabbitmq() -> Iterator[Callable[[], RabbitServer]]:
    """Call it for a running RabbitMQ of the test's own, to stop and kill at will."""
    with ExitStack() as servers:
        yield lambda: servers.enter_context(RabbitServer())
