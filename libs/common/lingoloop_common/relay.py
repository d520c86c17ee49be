"""The relay: sends what transactions put into the outbox, right after they commit. It knows nothing of what it sends."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

import structlog

from lingoloop_common import metrics
from lingoloop_common.broker import Broker, BrokerError
from lingoloop_common.lifecycle import background, end_task
from lingoloop_common.store.database import BROKEN, Database
from lingoloop_common.store.queries import load_queries

log = structlog.get_logger(__name__)

SQL = load_queries(__package__, "outbox.sql")
BATCH = 200


class Relay:
    """Sends outbox rows when told that there are some. A crash leaves rows behind; the sweep tells again."""

    def __init__(self, database: Database, broker: Broker) -> None:
        self._database, self._broker = database, broker
        self._told = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to send."""
        self._task = background(self._run(), name="relay")

    async def stop(self) -> None:
        """Send what is there now, for at most five seconds, then end."""
        await end_task(self._task)
        with contextlib.suppress(TimeoutError, BrokerError, *BROKEN):
            async with asyncio.timeout(5):
                while await self.send_batch():
                    pass

    def tell(self) -> None:
        """Something was committed to the outbox."""
        self._told.set()

    async def send_batch(self) -> int:
        """Send up to one batch and return how many messages were confirmed.

        Raises:
            BrokerError: a message was not confirmed; it stays in the outbox.
        """
        async with self._database.pool.acquire() as connection, connection.transaction():
            # A lost deletion sends a message twice, which every consumer takes; a commit need not wait for the disk.
            await connection.execute("SET LOCAL synchronous_commit = off")
            rows = await connection.fetch(SQL["lock_outbox"], BATCH)
            # Started in order and sent in order on one channel; only the confirms are awaited together.
            results = await asyncio.gather(*(self._send(row) for row in rows), return_exceptions=True)
            errors = [result for result in results if result is not None]
            sent = [row["id"] for row, result in zip(rows, results, strict=True) if result is None]
            await connection.execute(SQL["delete_sent"], sent)
        metrics.OUTBOX_SENT.inc(len(sent))
        if errors:
            raise errors[0]
        return len(sent)

    async def _send(self, row: Mapping[str, Any]) -> None:
        if row["lane"] is not None:
            await self._broker.publish_token(row["lane"], row["message_id"])
        else:
            await self._broker.publish_event(
                row["routing_key"], row["message_id"], row["headers"], row["body"]
            )

    async def _run(self) -> None:
        while True:
            await self._told.wait()
            self._told.clear()
            try:
                while await self.send_batch() == BATCH:
                    pass
            except Exception as error:
                metrics.OUTBOX_FAILURES.inc()
                unknown = not isinstance(error, (BrokerError, *BROKEN))
                log.warning(
                    "outbox not sent; will try again",
                    error=str(error) or type(error).__name__,
                    exc_info=unknown,
                )
                self._told.set()
                await asyncio.sleep(0.5)
