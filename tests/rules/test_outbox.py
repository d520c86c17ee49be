"""Rule 12, the sender's side: a relay deletes what it sent and remembers no position."""

from collections.abc import Mapping
from uuid import UUID

from lingoloop_common.broker import BrokerError, Delivery
from lingoloop_common.broker.memory import MemoryBroker
from lingoloop_common.relay import Relay
from lingoloop_common.store.runs import Change, change_run, lock_run
from tests.rows import add_token
from tests.rules.workshop import LANE, Workshop
from tests.waiting import Inbox


async def test_a_row_that_is_committed_after_a_later_one_was_sent_is_sent_all_the_same(
    plant: Workshop,
) -> None:
    inbox: Inbox[Delivery] = Inbox()
    await plant.broker.consume(LANE, inbox.put, limit=5)
    async with plant.database.pool.acquire() as slow:
        transaction = slow.transaction()
        await transaction.start()
        early = await add_token(slow)
        async with plant.database.pool.acquire() as fast:
            late = await add_token(fast)
        plant.relay.tell()
        assert (await inbox.get()).message_id == late
        await transaction.commit()
    plant.relay.tell()
    assert (await inbox.get()).message_id == early


class Refuses(MemoryBroker):
    """Confirms nothing but the second token."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[UUID] = []

    async def publish_token(
        self, lane: str, message_id: UUID, headers: Mapping[str, str] | None = None
    ) -> None:
        self.asked.append(message_id)
        if len(self.asked) != 2:
            raise BrokerError("not confirmed")


async def test_what_was_not_confirmed_stays_and_what_was_is_deleted(shop: Workshop) -> None:
    async with shop.database.pool.acquire() as connection:
        ids = [await add_token(connection) for _ in range(3)]
    broker = Refuses()
    try:
        await Relay(shop.database, broker).send_batch()
    except BrokerError:
        left = await shop.database.pool.fetch("SELECT message_id FROM outbox ORDER BY id")
    assert broker.asked == ids
    assert [row["message_id"] for row in left] == [ids[0], ids[2]]


async def test_a_change_that_is_rolled_back_sends_nothing(shop: Workshop) -> None:
    run = await shop.add_run()
    async with shop.database.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await change_run(connection, await lock_run(connection, run.run_id), Change())
        await add_token(connection)
        await transaction.rollback()
    assert await shop.value("SELECT count(*) FROM outbox") == 0
    assert await shop.value("SELECT count(*) FROM run_event") == 0
    assert (await shop.run(run.run_id))["seq"] == 0


async def test_two_relays_at_once_send_each_row_once(shop: Workshop) -> None:
    sent: list[UUID] = []

    class Counts(MemoryBroker):
        async def publish_token(
            self, lane: str, message_id: UUID, headers: Mapping[str, str] | None = None
        ) -> None:
            sent.append(message_id)
            if len(sent) == 1:
                await Relay(shop.database, self).send_batch()

    async with shop.database.pool.acquire() as connection:
        ids = [await add_token(connection) for _ in range(5)]
    assert await Relay(shop.database, Counts()).send_batch() == 5
    assert sent == ids
