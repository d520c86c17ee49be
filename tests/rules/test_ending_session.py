"""A write over a connection that the server is just ending is repeated: it is no fault of the unit's."""

import asyncpg
import pytest

from lingoloop_common.lifecycle import running
from lingoloop_transcriber.claims import Claims
from tests.rules.workshop import HandDelivery, HandSlots, Workshop, settled


async def test_a_result_is_stored_though_the_connection_was_just_ending(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the server's word that it shuts down and the connection's end, asyncpg fails in this way."""
    run = await shop.add_run(units=1)
    slots = HandSlots(1)
    transcriber = shop.transcriber(slots)
    finish_chunk, calls = Claims.finish_chunk, 0

    async def ending_first(*values: object, **named: object) -> bool:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise asyncpg.InternalClientError(
                "cannot switch to state 15; another operation (2) is in progress"
            )
        return await finish_chunk(*values, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Claims, "finish_chunk", ending_first)
    async with running(transcriber.parts):
        delivery = HandDelivery()
        transcriber.worker.receive(delivery)
        (await slots.call()).finish()
        assert await settled(delivery) == "ack"
    unit = await shop.unit(run.unit_ids[0])
    assert (unit["state"], unit["failures"], unit["attempt"], calls) == ("done", 0, 1, 2)
