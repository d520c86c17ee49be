"""The state of the database as metrics: read when a gateway is scraped, so that each of them tells the same."""

import asyncio
import time
from collections.abc import Sequence

import structlog
from prometheus_client import Gauge, generate_latest

from lingoloop_common import metrics
from lingoloop_common.errors import WORK_ERRORS
from lingoloop_common.faults import told
from lingoloop_common.store.database import BROKEN, Database
from lingoloop_common.store.queries import load_queries
from lingoloop_common.store.runs import Row

log = structlog.get_logger(__name__)

SQL = load_queries(__package__, "state.sql")

FRESH = 5.0
"""Seconds for which what was read is told again: several Prometheus servers cost no more than one."""

PATIENCE = 4.0
"""Seconds that the database has to answer."""

GAUGES: dict[str, Gauge] = {
    "units_waiting": metrics.UNITS_WAITING,
    "units_ready": metrics.UNITS_READY,
    "units_running": metrics.UNITS_RUNNING,
    "oldest_ready_seconds": metrics.OLDEST_READY,
    "backlog_audio_seconds": metrics.BACKLOG_AUDIO,
    "runs": metrics.RUNS,
    "stalled_run_seconds": metrics.STALLED_RUN,
    "dead_letters": metrics.DEAD_LETTERS,
    "outbox_rows": metrics.OUTBOX_ROWS,
    "outbox_oldest_seconds": metrics.OUTBOX_OLDEST,
    "workers": metrics.WORKERS,
    "slots": metrics.SLOTS,
    "webhook_endpoints_paused": metrics.ENDPOINTS_PAUSED,
}
"""What a row of the query sets."""


class State:
    """Tells it, for one gateway."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._asking = asyncio.Lock()
        self._page, self._read_at = b"", -FRESH

    async def page(self) -> bytes:
        """Return it as Prometheus reads it; nothing at all while the database does not answer, for old figures would lie."""
        async with self._asking:
            if time.monotonic() - self._read_at >= FRESH:
                self._page = await self._read()
                self._read_at = time.monotonic()
        return self._page

    async def _read(self) -> bytes:
        try:
            async with self._database.pool.acquire(timeout=PATIENCE) as connection:
                rows = await connection.fetch(SQL["state"], list(WORK_ERRORS), timeout=PATIENCE)
        except BROKEN as error:
            log.warning("the state cannot be told", error=told(error))
            return b""
        _tell(rows)
        return generate_latest(metrics.STATE)


def _tell(rows: Sequence[Row]) -> None:
    """Set all gauges; a lane that is gone is not told any more."""
    for gauge in GAUGES.values():
        gauge.clear()
    for row in rows:
        gauge = GAUGES[row["name"]]
        (gauge.labels(*row["labels"]) if row["labels"] else gauge).set(row["value"])
