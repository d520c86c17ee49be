"""An operation is begun once, and its end written once, whoever dies in between."""

import asyncio

import pytest
from google.rpc import code_pb2

from lingoloop_common.store.runs import Fenced
from lingoloop_gateway.control import Control
from lingoloop_transcriber.operations import Pending
from tests.google.answers import HELLO
from tests.google.fake import FakeGoogle, status
from tests.google.rig import SECONDS, Rig
from tests.rules.workshop import HandDelivery, settled
from tests.waiting import eventually


async def test_one_that_was_begun_and_not_stored_is_taken_over(rig: Rig, google: FakeGoogle) -> None:
    await rig.step()
    lost = await rig.carry_on(await rig.claim())  # and its worker dies before it writes that down
    assert isinstance(lost, Pending)
    await rig.lose_holder()
    await rig.step()
    assert google.calls["BatchRecognize"] == 1
    assert await rig.shop.value("SELECT name FROM operation") == google.operations[0].name
    with pytest.raises(Fenced):
        await rig.elsewhere.wait(lost)
    google.operations[0].words = HELLO
    assert (await rig.step())["status"] == "succeeded"
    await rig.nothing_left()


async def test_one_that_died_before_the_call_is_begun_by_the_next(rig: Rig, google: FakeGoogle) -> None:
    await rig.step()
    google.failing["BatchRecognize"].append(status(code_pb2.UNAVAILABLE, "the line is down"))
    await rig.step()
    unit = await rig.unit()
    assert (unit["state"], unit["failures"], unit["error_code"]) == ("waiting", 1, "engine_failed")
    await rig.step()
    assert len(google.operations) == 1


@pytest.mark.parametrize("can_list", [True, False])
async def test_of_two_that_were_begun_one_is_cancelled(rig: Rig, google: FakeGoogle, can_list: bool) -> None:
    await rig.step()
    google.call_held["BatchRecognize"] = held = asyncio.Event()
    first = asyncio.create_task(rig.carry_on(await rig.claim()))
    await eventually(lambda: google.calls["BatchRecognize"] == 1)
    await rig.lose_holder()  # frozen, and taken for dead
    del google.call_held["BatchRecognize"]
    await rig.step()
    held.set()  # it goes on
    pending = await first
    assert isinstance(pending, Pending)
    with pytest.raises(Fenced):
        await rig.elsewhere.wait(pending)
    assert len(google.operations) == 2
    if not can_list:
        google.failing["ListOperations"].append(status(code_pb2.UNAVAILABLE, "not now"))
        await rig.step()
    await rig.step()
    kept = await rig.shop.value("SELECT name FROM operation")
    assert [operation.canceled for operation in google.operations if operation.name != kept] == [True]
    google.operations[0].words = google.operations[1].words = HELLO
    assert (await rig.step())["status"] == "succeeded"
    await rig.nothing_left()


async def test_what_calls_after_the_end_finds_nothing_to_transcribe(rig: Rig, google: FakeGoogle) -> None:
    await rig.step()
    google.call_held["BatchRecognize"] = held = asyncio.Event()
    first = asyncio.create_task(rig.carry_on(await rig.claim()))
    await eventually(lambda: google.calls["BatchRecognize"] == 1)
    await rig.lose_holder()
    del google.call_held["BatchRecognize"]
    await rig.step()
    google.operations[0].words = HELLO
    await rig.step()
    await rig.nothing_left()
    held.set()
    with pytest.raises(Exception, match="no object"):
        await first
    assert len(google.operations) == 1


async def test_one_that_is_cancelled_between_call_and_store_is_found(rig: Rig, google: FakeGoogle) -> None:
    await rig.step()
    google.answer_held["BatchRecognize"] = asyncio.Event()
    delivery = HandDelivery()
    rig.transcriber.worker.receive(delivery)
    await eventually(lambda: google.operations)
    await Control(rig.shop.database, rig.shop.relay).cancel(rig.run.run_id, rig.run.owner)
    await rig.transcriber.heartbeat.beat()
    assert await settled(delivery) == "ack"
    await rig.nothing_left()
    assert [operation.canceled for operation in google.operations] == [True]


async def test_an_end_whose_answer_was_lost_is_written_once(rig: Rig, google: FakeGoogle) -> None:
    await rig.step()
    pending = await rig.carry_on(await rig.claim())
    assert isinstance(pending, Pending)
    await rig.elsewhere.wait(pending)
    await rig.elsewhere.wait(pending)
    assert await rig.shop.value("SELECT looks FROM operation") == 1


async def test_an_owner_is_charged_once_for_all_looks(rig: Rig, google: FakeGoogle) -> None:
    await rig.steps(6)
    google.operations[0].words = HELLO
    await rig.step()
    served = await rig.shop.value("SELECT served FROM owner_service")
    assert served == pytest.approx(SECONDS + 1)  # and the plan
