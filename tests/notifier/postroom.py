"""All that delivers webhooks over a real database: senders, a relay and a sweep, and a broker that is given."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from lingoloop_common.broker import Broker
from lingoloop_common.lifecycle import running
from lingoloop_common.outbound import Outbound
from lingoloop_common.relay import Relay
from lingoloop_common.store.database import Database
from lingoloop_common.store.runs import Change, change_run, lock_run
from lingoloop_common.sweep import Sweep
from lingoloop_notifier.deliveries import Deliveries
from lingoloop_notifier.webhooks import Webhooks
from tests.notifier.receiver import Receiver
from tests.rows import add_endpoint, add_run
from tests.waiting import eventually


@dataclass
class Postroom:
    """Endpoints, runs that end, and what became of it. The sweep is not started: tests say when it looks."""

    database: Database
    broker: Broker
    relay: Relay
    sweep: Sweep

    async def add_endpoint(self, url: str, **columns: Any) -> UUID:
        return await add_endpoint(self.database.pool, url=url, **columns)

    async def end_run(self, *, owner: str = "ann", count: int = 1) -> None:
        """Let runs end."""
        async with self.database.pool.acquire() as connection, connection.transaction():
            for _ in range(count):
                run = await add_run(connection, owner=owner)
                await change_run(connection, await lock_run(connection, run.run_id), Change(units_ended=1))
        self.relay.tell()

    async def rows(self) -> list[dict[str, Any]]:
        return [
            dict(row)
            for row in await self.database.pool.fetch(
                "SELECT * FROM webhook_delivery ORDER BY created_at, id"
            )
        ]

    async def row(self) -> dict[str, Any]:
        [row] = await self.rows()
        return row

    async def endpoint(self) -> dict[str, Any]:
        row = await self.database.pool.fetchrow("SELECT * FROM webhook_endpoint")
        assert row is not None
        return dict(row)

    async def until(self, state: str, *, count: int = 1) -> None:
        """Wait until so many deliveries are in a state."""

        async def there_are() -> bool:
            sql = "SELECT count(*) FROM webhook_delivery WHERE state = $1"
            return bool(await self.database.pool.fetchval(sql, state) == count)

        await eventually(there_are)

    async def until_swept(self, state: str) -> None:
        """Let due tries be made until the only delivery is in a state."""

        async def it_is() -> bool:
            await self.sweep.sweep()
            return bool((await self.row())["state"] == state)

        await eventually(it_is)

    @contextlib.asynccontextmanager
    async def sender(
        self,
        *,
        retry_delays: tuple[float, ...] = (0.0, 0.0),
        grace: float = 5.0,
        allow_private: bool = True,
        broker: Broker | None = None,
    ) -> AsyncIterator[Webhooks]:
        """Run a notifier's half that sends webhooks."""
        outbound = Outbound(allow_private=allow_private)
        webhooks = Webhooks(
            broker=broker or self.broker,
            relay=self.relay,
            deliveries=Deliveries(self.database),
            outbound=outbound,
            retry_delays=retry_delays,
            grace=grace,
        )
        async with running([outbound, webhooks]):
            yield webhooks


@contextlib.asynccontextmanager
async def postroom(database_url: str, broker: Broker) -> AsyncIterator[Postroom]:
    """Run a relay on a migrated database, from which earlier tests' endpoints are removed."""
    database = Database(database_url, pool_max=20, startup_timeout=10, exclusive=False)
    relay = Relay(database, broker)
    async with running([database, broker, relay]):
        await database.pool.execute("DELETE FROM webhook_endpoint")
        await database.pool.execute("DELETE FROM outbox")
        yield Postroom(database, broker, relay, Sweep(database, broker, relay))


async def heard_ids(receiver: Receiver, count: int) -> list[str]:
    """Return the message ids of so many webhooks."""
    return [(await receiver.heard.get()).id for _ in range(count)]
