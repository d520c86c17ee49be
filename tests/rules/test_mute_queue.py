"""Rule 7: a queue that counts its tokens, but neither takes nor gives any, is made again too.

A RabbitMQ that is killed within seconds of a quorum queue's declaration may come back so: declaring it is answered, and no
token is confirmed.
"""

import pytest

from lingoloop_common import sweep as sweep_module
from lingoloop_common.broker.memory import MemoryBroker
from lingoloop_common.sweep import Sweep
from tests.rows import add_token
from tests.rules.workshop import LANE, Workshop


class CountingBroker(MemoryBroker):
    """Says how many tokens wait; remembers which queues were made again."""

    def __init__(self) -> None:
        super().__init__()
        self.made_again: list[str] = []

    async def recreate(self, lane: str) -> None:
        self.made_again.append(lane)


async def age(shop: Workshop, seconds: float) -> None:
    await shop.database.pool.execute(
        "UPDATE outbox SET created_at = now() - make_interval(secs => $1)", seconds
    )


@pytest.mark.parametrize(("seconds", "limit", "expected"), [(6, 0.0, [LANE]), (6, 30.0, []), (4, 0.0, [])])
async def test_a_queue_that_confirms_nothing_for_long_is_made_again(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch, seconds: float, limit: float, expected: list[str]
) -> None:
    await shop.add_run(units=1)
    await add_token(shop.database.pool)
    await age(shop, seconds)
    monkeypatch.setattr(sweep_module, "MUTE_LIMIT", limit)
    broker = CountingBroker()
    await Sweep(shop.database, broker, shop.relay).sweep()
    assert broker.made_again == expected


async def test_a_queue_that_has_confirmed_in_between_is_not_made_again(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.add_run(units=1)
    await add_token(shop.database.pool)
    broker = CountingBroker()
    sweep = Sweep(shop.database, broker, shop.relay)
    for seconds in (6, 0, 6):
        await age(shop, seconds)
        monkeypatch.setattr(sweep_module, "MUTE_LIMIT", 1e-9 if seconds == 0 else 30.0)
        await sweep.sweep()
    monkeypatch.setattr(sweep_module, "MUTE_LIMIT", 1e-9)
    assert broker.made_again == []
    await sweep.sweep()
    assert broker.made_again == [LANE]
