"""The connection pool, and the guard that keeps a one-process server and a fleet apart."""

import asyncio
import contextlib
from typing import Any, TypeAlias

import asyncpg
import orjson
import structlog

from lingoloop_common import metrics
from lingoloop_common.faults import told
from lingoloop_common.lifecycle import background, end_task

log = structlog.get_logger(__name__)

Connection: TypeAlias = "asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any]"

GUARD = 0x11600B
"""Advisory lock key: shared by processes that use a broker, exclusive for one that keeps the queue in memory."""

GUARD_LOOK = 5.0
"""Seconds between looks whether the guard's session still lives; a restart of PostgreSQL ends it, and the lock with it."""

GUARD_PATIENCE = 30.0
"""Seconds in which a lost guard is asked for again: the server may still hold it for this process's own dead session."""

BROKEN = (
    OSError,
    asyncio.TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # used between the server's word that it ends the session and the end
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.QueryCanceledError,
    asyncpg.InvalidCachedStatementError,  # a migration has altered a table since the statement was prepared
)
"""What a query raises while the database is away or busy; the same query may succeed later."""


SESSION = {
    "application_name": "lingoloop",
    # A host that vanishes gives up its locks, the guard among them, within half a minute.
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "idle_in_transaction_session_timeout": "60000",
}


class DatabaseInUse(RuntimeError):
    """`memory://` was asked for while other processes use the same database, or the reverse."""


class DatabaseRefuses(RuntimeError):
    """It is there, but not for this account, under this name, or at this address."""


async def _prepare(connection: Connection) -> None:
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: b"\x01" + orjson.dumps(value),
        decoder=lambda data: orjson.loads(data[1:]),
        format="binary",
    )


class _Session(asyncpg.Connection):
    """Knows whether a query was cut off.

    asyncpg sends no Sync between a statement's preparation and its execution. A task that ends in between leaves
    the server in a transaction of which the client knows nothing: `now()` stands still in it, and the next
    transaction can't choose its isolation.
    """

    cut_off = False

    async def _do_execute(self, *arguments: Any, **options: Any) -> Any:
        try:
            return await super()._do_execute(*arguments, **options)  # type: ignore[misc]  # not in the stubs
        except BaseException:
            self.cut_off = True
            raise


async def _reset(connection: "asyncpg.Connection[Any]") -> None:
    """Spare the round trip that cleans a session: queries leave nothing in it but, cut off, a transaction.

    One that asyncpg knows of, it has rolled back.
    """
    assert isinstance(connection, _Session)
    if connection.cut_off:
        await connection.execute("SELECT")  # ends with a Sync
        connection.cut_off = False


class Database:
    """A pool of connections, open between `start` and `stop`."""

    def __init__(self, url: str, *, pool_max: int, startup_timeout: float, exclusive: bool) -> None:
        self._url, self._pool_max, self._startup_timeout, self._exclusive = (
            url,
            pool_max,
            startup_timeout,
            exclusive,
        )
        self._guard: asyncpg.Connection[Any] | None = None
        self._watching: asyncio.Task[None] | None = None
        self.pool: asyncpg.Pool[Any] = None  # type: ignore[assignment]  # set by start

    async def start(self) -> None:
        """Connect, waiting for the database up to the start-up time-out.

        Raises:
            DatabaseInUse: the guard is held the other way by another process.
            DatabaseRefuses: the account, its password or the database's name is wrong.
            TimeoutError: the database could not be reached in time.
        """
        await self._take_guard()
        self.pool = await asyncpg.create_pool(
            self._url,
            min_size=1,
            max_size=self._pool_max,
            init=_prepare,
            reset=_reset,
            connection_class=_Session,
            command_timeout=60,
            max_inactive_connection_lifetime=60,
            server_settings=SESSION,
        )
        self._measure(self.pool)
        self._watching = background(self._watch_guard(), name="guard")

    async def stop(self) -> None:
        """Close all connections; wait at most ten seconds for those in use."""
        await end_task(self._watching)
        if self.pool is not None:
            try:
                await asyncio.wait_for(self.pool.close(), 10)
            except TimeoutError:
                self.pool.terminate()
        if self._guard is not None:
            with contextlib.suppress(*BROKEN):
                await self._guard.close(
                    timeout=2
                )  # said goodbye, so that the guard is free when this returns

    async def check(self) -> None:
        """Raise when the database does not answer within two seconds."""
        async with self.pool.acquire(timeout=2) as connection:
            await connection.execute("SELECT 1", timeout=2)

    @staticmethod
    def _measure(pool: "asyncpg.Pool[Any]") -> None:
        metrics.DATABASE_CONNECTIONS_MAX.set(pool.get_max_size())
        metrics.DATABASE_CONNECTIONS.labels("idle").set_function(pool.get_idle_size)
        metrics.DATABASE_CONNECTIONS.labels("busy").set_function(
            lambda: pool.get_size() - pool.get_idle_size()
        )

    async def _take_guard(self) -> None:
        self._guard = guard = await self._reach()
        how = "pg_try_advisory_lock" if self._exclusive else "pg_try_advisory_lock_shared"
        if not await guard.fetchval(f"SELECT {how}($1)", GUARD, timeout=5):
            await guard.close(timeout=2)
            raise DatabaseInUse(
                "another process uses this database; the one-process mode (memory://) needs one of its own, "
                "and services need BROKER_URL to be the same RabbitMQ"
            )

    async def _watch_guard(self) -> None:
        """Take the guard again whenever its session ended.

        Raises:
            DatabaseInUse: meanwhile another process took it the other way; this one must end.
        """
        while True:
            await asyncio.sleep(GUARD_LOOK)
            guard = self._guard
            assert guard is not None  # taken by start
            try:
                await guard.fetchval("SELECT 1", timeout=GUARD_LOOK)
            except BROKEN:
                guard.terminate()
                await self._take_guard_again()
                log.info("took the database's guard again")

    async def _take_guard_again(self) -> None:
        loop = asyncio.get_running_loop()
        end: float | None = None
        while True:
            try:
                return await self._take_guard()
            except DatabaseInUse:
                end = end or loop.time() + GUARD_PATIENCE
                if loop.time() >= end:
                    raise
            except (DatabaseRefuses, *BROKEN) as error:
                log.warning("the database's guard is not taken yet", error=told(error))
            await asyncio.sleep(0.5)

    async def _reach(self) -> "asyncpg.Connection[Any]":
        loop = asyncio.get_running_loop()
        end = loop.time() + self._startup_timeout
        said = False
        while True:
            try:
                return await asyncpg.connect(self._url, timeout=5, server_settings=SESSION)
            except BROKEN as error:
                if loop.time() >= end:
                    raise TimeoutError(f"PostgreSQL (DATABASE_URL) cannot be reached: {error}") from error
                if not said:
                    log.warning("waiting for PostgreSQL", error=told(error))
                    said = True
                await asyncio.sleep(0.5)
            except asyncpg.PostgresError as error:
                raise DatabaseRefuses(f"PostgreSQL (DATABASE_URL) refuses: {error}") from error
