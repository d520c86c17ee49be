"""Waiting for a run: whoever waits is told, also when others wait for the same."""

import asyncio

from lingoloop_common.broker import EventMessage
from lingoloop_common.broker.memory import MemoryBroker
from lingoloop_common.contracts.events import DONE
from lingoloop_common.store.ids import new_id
from lingoloop_gateway.waiting import DoneWaiter


async def test_all_who_wait_for_one_run_are_told_also_when_one_of_them_has_gone() -> None:
    waiter, run_id, ended = DoneWaiter(MemoryBroker()), new_id(), False

    async def ready() -> bool:
        return ended

    waits = [asyncio.create_task(waiter.until(run_id, ready, seconds=20)) for _ in range(3)]
    await asyncio.sleep(0)
    waits[2].cancel()
    await asyncio.wait(waits[2:])
    ended = True
    waiter._on_event(EventMessage({"cloudEvents_subject": str(run_id), "cloudEvents_type": DONE}, b""))
    assert await asyncio.wait_for(asyncio.gather(*waits[:2]), 5) == [True, True]
    assert not waiter._waiting
