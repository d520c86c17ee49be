"""From the commit of a change to the client, through outbox, relay, RabbitMQ and notifier; and clients that come again."""

import asyncio
import itertools
import time
from typing import Any
from uuid import UUID

from bench.following import FIRST, LIVE, Listeners, processor_seconds, requests_for
from lingoloop_common.broker.rabbitmq import RabbitBroker
from lingoloop_common.lifecycle import running
from lingoloop_common.relay import Relay
from lingoloop_common.store.database import Database
from lingoloop_common.store.runs import Change, change_runs, lock_run
from tests.fleet import Fleet, Service

FOLLOWED = 100
"""Runs that change."""
EVENTS = 500
"""Events a second."""
AT_ONCE = 5
"""Events of a transaction: workers end several chunks in one."""
SECONDS = 10
AGAIN = 5_000
"""Clients that come again at once."""


async def from_commit(fleet: Fleet, runs: list[tuple[str, str]]) -> dict[str, Any]:
    """Change runs as workers do, several in a transaction; return how long after its commit a client has the frame.

    Then let many clients come again at once: once for what memory has, and once for one event more, which is only stored.
    """
    database = Database(fleet.database_url, pool_max=4, startup_timeout=10, exclusive=False)
    broker = RabbitBroker(fleet.environment["BROKER_URL"], startup_timeout=10)
    relay = Relay(database, broker)
    ids = [UUID(run) for run, _ in runs]
    async with running([database, broker, relay]):
        await _change(database, ids)
        await database.pool.execute("DELETE FROM outbox")
        notifier = fleet.start("notifier")
        await notifier.ready()
        listeners = await asyncio.to_thread(Listeners, fleet.notifier_port, requests_for(fleet, runs), LIVE)
        cpu = processor_seconds(notifier.process.pid)
        found = await _paced_changes(database, relay, ids, listeners)
        cpu = processor_seconds(notifier.process.pid) - cpu
        found["notifier_us"] = round(cpu / (SECONDS * EVENTS) * 1e6)
        for name, last_id in (("memory", FIRST), ("database", FIRST - 1)):
            found[f"again_from_{name}"] = await _again(fleet, database, notifier, runs, last_id)
        listeners.close()
    return found


async def _paced_changes(
    database: Database, relay: Relay, ids: list[UUID], listeners: Listeners
) -> dict[str, Any]:
    ticks = SECONDS * EVENTS // AT_ONCE
    sent: list[list[float]] = [[] for _ in ids]
    places = itertools.cycle(range(len(ids)))
    listeners.ask(frames=ticks * AT_ONCE // len(ids))
    begin = time.monotonic()
    for tick in range(ticks):
        await asyncio.sleep(begin + tick * AT_ONCE / EVENTS - time.monotonic())
        some = [next(places) for _ in range(AT_ONCE)]
        await _change(database, [ids[place] for place in some])
        committed = time.monotonic()
        relay.tell()
        for place in some:
            sent[place].append(committed)
    took = time.monotonic() - begin
    found = await asyncio.to_thread(listeners.hear)
    assert not found["missing"], found
    late = await asyncio.to_thread(lambda: listeners.ask(sent=sent))
    return {
        "events_per_s": round(ticks * AT_ONCE / took),
        **{name: round(ms, 2) for name, ms in late.items()},
    }


async def _change(database: Database, ids: list[UUID]) -> None:
    async with database.pool.acquire() as connection, connection.transaction():
        locked = [await lock_run(connection, run_id) for run_id in ids]
        await change_runs(connection, [(run, Change()) for run in locked])


async def _again(
    fleet: Fleet, database: Database, notifier: Service, runs: list[tuple[str, str]], last_id: int
) -> dict[str, float]:
    """Let clients come again with a last id, all at once; return seconds, the notifier's processor time, transactions."""
    followed = [runs[place % len(runs)] for place in range(AGAIN)]
    requests = [
        request.replace("\r\n\r\n", f"\r\nLast-Event-ID: {last_id}\r\n\r\n")
        for request in requests_for(fleet, followed)
    ]
    count = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
    await asyncio.sleep(2)  # until PostgreSQL has counted
    before, cpu = await database.pool.fetchval(count), processor_seconds(notifier.process.pid)
    clients = await asyncio.to_thread(Listeners, fleet.notifier_port, requests, LIVE, at_once=len(requests))
    cpu = processor_seconds(notifier.process.pid) - cpu
    await asyncio.sleep(2)
    transactions = await database.pool.fetchval(count) - before
    clients.close()
    return {
        "clients": AGAIN,
        "s": round(clients.opened_s, 2),
        "cpu_s": round(cpu, 2),
        "transactions": transactions,
    }
