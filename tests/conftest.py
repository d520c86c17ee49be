"""One PostgreSQL and one RabbitMQ for a whole run; a fresh database and virtual host for each test.

With xdist the controller owns both servers and tells the workers their ports; without it they start when first needed.
"""

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.servers.postgres import PostgresServer
from tests.servers.rabbitmq import RabbitServer

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
