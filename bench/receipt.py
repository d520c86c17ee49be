"""A notifier whose events come from this bench, as if from the broker: `python -m bench.receipt`.

Everything in it is as it ships but the broker, in whose place each line on stdin says what has come: a run's place among
all, and its event's number.
"""

import asyncio
import os
import sys

import lingoloop_notifier.app
from lingoloop_common.broker import EventFeed, EventMessage, OnEvent, OnReconnect
from lingoloop_common.broker.memory import MemoryBroker
from lingoloop_common.contracts.events import UPDATED
from lingoloop_common.lifecycle import running, spare_the_collector
from lingoloop_common.log import configure_logging
from lingoloop_common.relay import Relay
from lingoloop_common.settings import read_settings
from lingoloop_common.store.database import Database
from lingoloop_notifier.settings import NotifierSettings

DATA = b'{"event":"update","status":"processing","text":"' + b"x" * 160 + b'"}'


class Receipt(MemoryBroker):
    """A broker from which events come when the bench says so."""

    def __init__(self) -> None:
        super().__init__()
        self.on_event: OnEvent

    async def feed(self, on_event: OnEvent, on_reconnect: OnReconnect) -> EventFeed:
        """Note where events go."""
        self.on_event = on_event
        return await super().feed(on_event, on_reconnect)


async def main() -> None:
    """Run a notifier on DATABASE_URL until stdin ends."""
    settings = read_settings(NotifierSettings)
    configure_logging(level="WARNING", log_format="json")
    database = Database(os.environ["DATABASE_URL"], pool_max=10, startup_timeout=10, exclusive=False)
    broker = Receipt()
    spare_the_collector()
    relay = Relay(database, broker)
    parts, _ = lingoloop_notifier.app.parts(settings, database=database, broker=broker, relay=relay)
    async with running([database, broker, relay, *parts]):
        rows = await database.pool.fetch("SELECT id, owner FROM transcript_run ORDER BY id")
        runs = [(str(row["id"]), row["owner"]) for row in rows]
        lines = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(lines), sys.stdin
        )
        print("ready", flush=True)
        rest = b""
        while part := await lines.read(2**16):
            *whole, rest = (rest + part).split(b"\n")
            for line in whole:
                run, number = line.split()
                broker.on_event(event(runs[int(run)], int(number)))


def event(run: tuple[str, str], number: int) -> EventMessage:
    """Return a message as it comes from RabbitMQ."""
    run_id, owner = run
    headers: dict[str, str | int] = {
        "cloudEvents_specversion": "1.0",
        "cloudEvents_id": run_id,
        "cloudEvents_type": UPDATED,
        "cloudEvents_source": "/lingoloop",
        "cloudEvents_subject": run_id,
        "cloudEvents_time": "2026-11-27T00:00:00+00:00",
        "cloudEvents_owner": owner,
        "cloudEvents_seq": number,
        "cloudEvents_ownerseq": number,
    }
    return EventMessage(headers, DATA)


if __name__ == "__main__":
    asyncio.run(main())
