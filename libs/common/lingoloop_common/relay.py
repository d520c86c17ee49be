"""The relay: sends what transactions put into the outbox, right after they commit. It knows nothing of what it sends."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

import structlog

from lingoloop_common import metrics, tracing
from lingoloop_common.broker import EVENTS, Broker, BrokerError, queue_name
from lingoloop_common.faults import told
from lingoloop_common.lifecycle import background, end_task
from lingoloop_common.store.database import BROKEN, Database
from lingoloop_common.store.queries import load_queries
from lingoloop_common.tracing import Kind

log = structlog.get_logger(__name__)

SQL = load_queries(__package__, "outbox.sql")
BATCH = 200

PAUSE = 0.5
"""Seconds until what was not confirmed is sent again."""


class Relay:
    """Sends outbox rows when told that there are some. A crash leaves rows behind; the sweep tells again.

    A lane whose queue takes nothing, while the broker itself is well, is put aside: the rest goes out without it, and one
    of its tokens is tried at a time until one is confirmed.
    """

    def __init__(self, database: Database, broker: Broker) -> None:
        self._database, self._broker = database, broker
        self._told = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._aside: dict[str, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Begin to send."""
        self._task = background(self._run(), name="relay")

    async def stop(self) -> None:
        """Send what is there now, for at most five seconds, then end."""
        await end_task(self._task)
        for task in list(self._aside.values()):
            await end_task(task)
        self._aside.clear()
        with contextlib.suppress(TimeoutError, BrokerError, *BROKEN):
            async with asyncio.timeout(5):
                while await self.send_batch():
                    pass

    def tell(self) -> None:
        """Something was committed to the outbox."""
        self._told.set()

    async def send_batch(self) -> int:
        """Send up to one batch, without the lanes put aside, and return how many messages were confirmed.

        Raises:
            BrokerError: a message was not confirmed; it stays in the outbox.
        """
        sent, failed = await self._send_rows(SQL["lock_outbox"], BATCH, list(self._aside))
        if failed:
            await self._put_aside({row["lane"] for row, _ in failed})
            raise failed[0][1]
        return sent

    async def _send_rows(
        self, query: str, *values: object
    ) -> tuple[int, list[tuple[Mapping[str, Any], BaseException]]]:
        """Send rows and delete those that were confirmed; return their number, and the others with their errors."""
        async with self._database.pool.acquire() as connection, connection.transaction():
            # A lost deletion sends a message twice, which every consumer takes; a commit need not wait for the disk.
            await connection.execute("SET LOCAL synchronous_commit = off")
            rows = await connection.fetch(query, *values)
            # Started in order and sent in order on one channel; only the confirms are awaited together.
            results = await asyncio.gather(*(self._send(row) for row in rows), return_exceptions=True)
            pairs = list(zip(rows, results, strict=True))
            sent = [row["id"] for row, result in pairs if result is None]
            await connection.execute(SQL["delete_sent"], sent)
        metrics.OUTBOX_SENT.inc(len(sent))
        return len(sent), [(row, result) for row, result in pairs if result is not None]

    async def _put_aside(self, lanes: set[str | None]) -> None:
        """Let lanes that failed keep up nothing else; when events failed too, or the broker is away, it is not the lanes."""
        if None in lanes or self._task is None or self._task.done():
            return
        try:
            await self._broker.check()
        except BrokerError:
            return
        for lane in lanes - self._aside.keys():
            if lane is not None:
                log.warning("a lane takes no tokens; it is put aside", lane=lane)
                self._aside[lane] = background(self._try_again(lane), name=f"relay {lane}")

    async def _try_again(self, lane: str) -> None:
        failed = True
        while failed:
            await asyncio.sleep(PAUSE)
            try:
                _, errors = await self._send_rows(SQL["lock_one_of_lane"], lane)
                failed = bool(errors)
            except Exception as error:
                log.warning("a lane put aside cannot be tried", lane=lane, error=told(error))
        log.info("a lane takes tokens again", lane=lane)
        del self._aside[lane]
        self.tell()

    async def _send(self, row: Mapping[str, Any]) -> None:
        """Send a row. The trace that it names goes on; a row that names none begins no trace."""
        headers, lane = row["headers"], row["lane"]
        if parent := headers.get("traceparent"):
            to = EVENTS if lane is None else queue_name(lane)
            about = {"messaging.system": self._broker.system, "messaging.destination.name": to}
            with tracing.span(f"send {to}", kind=Kind.PRODUCER, parent=parent, attributes=about) as step:
                await self._publish(row, {**headers, "traceparent": step.traceparent})
        else:
            await self._publish(row, headers)

    async def _publish(self, row: Mapping[str, Any], headers: Mapping[str, Any]) -> None:
        if row["lane"] is not None:
            await self._broker.publish_token(row["lane"], row["message_id"], headers)
        else:
            await self._broker.publish_event(row["routing_key"], row["message_id"], headers, row["body"])

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
                    error=told(error),
                    exc_info=unknown,
                )
                self._told.set()
                await asyncio.sleep(PAUSE)
