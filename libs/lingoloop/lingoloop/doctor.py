"""`doctor`: looks at all that a LingoLoop needs, and says what is wrong and what to do.

Each check is a small function from the set-up to a finding.
"""

import asyncio
import inspect
import re
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Any, TypeAlias, TypeVar
from urllib.parse import urlsplit

import aio_pika
import asyncpg
import httpx
from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import AMQPError

from lingoloop.database import Connection, DatabaseAway, connected
from lingoloop.doctor_database import check_clock, check_connections
from lingoloop.doctor_here import check_disk, check_model, check_settings, check_storage
from lingoloop.finding import Finding, Setup, ok, skipped, wrong
from lingoloop_common.store.migrate import migrations
from lingoloop_common.store.queries import load_queries

SQL = load_queries(__package__, "doctor.sql")

LIMIT = 10.0
"""Seconds that a check may take."""

ANSWER_LIMIT = 8.0
"""Seconds for one answer of another program; fewer than a check has, so that its own reason is told."""

OLDEST_POSTGRES = 15
OLDEST_RABBITMQ = (3, 10)

Check: TypeAlias = "Callable[[Setup], Finding | Awaitable[Finding]]"

T = TypeVar("T")


async def check_database(setup: Setup) -> Finding:
    """Is it there, new enough, with this program's tables? What waits in it?"""
    if setup.database_url is None:
        return skipped(setup.no_database)
    try:
        async with connected(setup.database_url) as connection:
            return await _database(connection, _place(setup.database_url))
    except DatabaseAway as error:
        return wrong(str(error), "does it run, and does DATABASE_URL name it, its account and its password?")


async def _database(connection: Connection, place: str) -> Finding:
    server = f"PostgreSQL {connection.get_settings().server_version.split()[0]} at {place}"
    if connection.get_server_version().major < OLDEST_POSTGRES:
        return wrong(server, f"LingoLoop needs PostgreSQL {OLDEST_POSTGRES} or newer")
    if not await connection.fetchval(SQL["has_migrations"]):
        return wrong(f"{server}, without tables", "apply the migrations: lingoloop migrate")
    known = {migration.number: migration.checksum for migration in migrations()}
    applied = {row["number"]: row["checksum"] for row in await connection.fetch(SQL["migrations"])}
    state = f"{server}, migration {max(applied, default=0):04} of {max(known):04}"
    if applied.keys() - known.keys():
        return wrong(state, "the database is newer than this program: update LingoLoop")
    if known.keys() - applied.keys():
        return wrong(state, "apply the migrations: lingoloop migrate")
    if applied != known:
        return wrong(
            state, "a migration was changed after it was applied: install the release that this came from"
        )
    backlog = await connection.fetchrow(SQL["backlog"])
    assert backlog is not None  # an aggregate has a row
    waits = f", the oldest for {backlog['oldest_s']:.0f} s" if backlog["ready"] else ""
    return ok(f"{state}, {backlog['ready']} units ready{waits}")


async def check_workers(setup: Setup) -> Finding:
    """Is somebody there to do what waits?"""
    if setup.database_url is None:
        return skipped(setup.no_database)
    try:
        async with connected(setup.database_url) as connection:
            lanes = await connection.fetch(SQL["lanes"])
    except (DatabaseAway, asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError):
        return skipped("not known without the database and its tables")
    says = "; ".join(_lane(lane) for lane in lanes)
    if left := [lane["lane"] for lane in lanes if lane["ready"] and not lane["workers"]]:
        return wrong(
            says,
            f"nobody does the work of {', '.join(left)}: start `lingoloop up`, or a transcriber with that engine",
        )
    return ok(says or "none alive, and nothing waits")


def _lane(lane: asyncpg.Record) -> str:
    stopped = f" ({lane['stopped']} told to stop)" if lane["stopped"] else ""
    return f"{lane['lane']}: {lane['workers']} alive{stopped}, {lane['slots']} slots, {lane['ready']} units ready"


async def check_broker(setup: Setup) -> Finding:
    """Does RabbitMQ take this account?"""
    if setup.broker_url == "memory://":
        return skipped("memory:// (one process)")
    try:
        connection = await aio_pika.connect(setup.broker_url, timeout=ANSWER_LIMIT)
    except ValueError:  # its text may hold a piece of a password that was not encoded
        return wrong(
            "BROKER_URL is no usable address",
            "write amqp://USER:PASSWORD@HOST:PORT/VHOST, and %-encode special characters of the password",
        )
    except OSError as error:
        return wrong(
            f"cannot be reached: {str(error) or type(error).__name__}",
            "does it run, and does BROKER_URL name it, its account and its password?",
        )
    except AMQPError as error:
        return wrong(
            f"refuses: {type(error).__name__}",
            "is there the virtual host that BROKER_URL ends with, and may this account use it?",
        )
    async with connection:
        return broker(await _version(connection), _place(setup.broker_url))


async def _version(connection: AbstractConnection) -> str:
    assert connection.transport is not None  # it is open
    return str(connection.transport.connection.server_properties["version"])


def broker(version: str, place: str) -> Finding:
    """Judge a RabbitMQ that has taken the account."""
    says = f"RabbitMQ {version} at {place}"
    if tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < OLDEST_RABBITMQ:
        return wrong(says, f"LingoLoop needs RabbitMQ {'.'.join(map(str, OLDEST_RABBITMQ))} or newer")
    return ok(says)


async def check_gateway(setup: Setup) -> Finding:
    """Does the server answer as a LingoLoop does: not without a token?"""
    return await _ask(setup, "/api/runs", "does it run, and does LINGOLOOP_URL name it? its log says more")


async def check_notifier(setup: Setup) -> Finding:
    """Are event streams to be had through the server?"""
    return await _ask(
        setup, "/api/runs/events", "does the notifier run, and does the gateway's NOTIFIER_URL name it?"
    )


async def _ask(setup: Setup, path: str, do: str) -> Finding:
    if setup.server_url is None:
        return skipped("no server is ready here, and LINGOLOOP_URL is not set")
    try:
        async with httpx.AsyncClient(base_url=setup.server_url, timeout=ANSWER_LIMIT) as http:
            response = await http.get(path)
    except httpx.InvalidURL:
        return wrong("LINGOLOOP_URL is no usable address", "write http://HOST:PORT")
    except httpx.TransportError as error:
        return wrong(f"cannot be reached: {str(error) or type(error).__name__}", do)
    if response.status_code != httpx.codes.UNAUTHORIZED:
        return wrong(f"{path} answers {response.status_code} where 401 was to come", do)
    return ok(f"answers at {_place(setup.server_url)}")


def _place(url: str) -> str:
    """Return host and name of an address that has proved usable, without its account."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2] or "this machine"
    return host + parts.path.rstrip("/")


CHECKS: tuple[tuple[str, Check], ...] = (
    ("settings", check_settings),
    ("database", check_database),
    ("connections", check_connections),
    ("clock", check_clock),
    ("broker", check_broker),
    ("workers", check_workers),
    ("model", check_model),
    ("storage", check_storage),
    ("disk", check_disk),
    ("gateway", check_gateway),
    ("notifier", check_notifier),
)


async def examine(setup: Setup) -> list[tuple[str, Finding]]:
    """Run all checks side by side; each has ten seconds, and one that breaks keeps none from its finding."""
    findings = await asyncio.gather(*(_bounded(check, setup) for _, check in CHECKS))
    return [(name, finding) for (name, _), finding in zip(CHECKS, findings, strict=True)]


async def _bounded(check: Check, setup: Setup) -> Finding:
    try:
        async with asyncio.timeout(LIMIT):
            if inspect.iscoroutinefunction(check):
                found: Finding = await check(setup)
            else:
                found = await _in_thread(check, setup)
            return found
    except TimeoutError:
        return wrong(f"no answer within {LIMIT:.0f} s", "is the network or the disk behind it away?")
    except PermissionError as error:
        return wrong(
            f"{error.filename} is closed to this account", "run it as the account that runs LingoLoop"
        )
    except Exception as error:  # its text is not shown: nobody knows what it holds
        return wrong(
            f"could not be looked at ({type(error).__name__})", "this is a fault of `lingoloop doctor`"
        )


async def _in_thread(work: Callable[..., Any], *arguments: object) -> Any:
    """Wait for a call in a thread that keeps nobody, even if it never returns: a network disk may be away."""
    result: Future[Any] = Future()

    def call() -> None:
        with suppress(InvalidStateError):  # nobody waits any more
            try:
                result.set_result(work(*arguments))
            except Exception as error:
                result.set_exception(error)

    threading.Thread(target=call, daemon=True).start()
    return await asyncio.wrap_future(result)
