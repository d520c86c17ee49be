"""What receivers are told, whatever they do, and what is known of it afterwards."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from prometheus_client import REGISTRY
from standardwebhooks import Webhook

from lingoloop_common import outbound
from lingoloop_common.broker.memory import MemoryBroker
from lingoloop_common.contracts.webhooks import AT_ONCE, OWNER_AT_ONCE
from lingoloop_common.outbound import NOT_PUBLIC
from lingoloop_common.store.webhooks import resume, send_again
from lingoloop_notifier import deliveries
from lingoloop_notifier.deliveries import Deliveries
from tests.notifier.postroom import Postroom, heard_ids, postroom
from tests.notifier.receiver import Receiver, answers, closes_early, receiving
from tests.rows import WEBHOOK_SECRET
from tests.waiting import eventually

OTHER_SECRET = "whsec_b3RoZXItc2VjcmV0LW90aGVyLXNlY3JldA=="


@pytest.fixture
async def room(module_database_url: str) -> AsyncIterator[Postroom]:
    async with postroom(module_database_url, MemoryBroker()) as room:
        yield room


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


async def test_a_run_s_end_is_told_and_signed(room: Postroom, receiver: Receiver) -> None:
    await room.add_endpoint(receiver.url)
    before = REGISTRY.get_sample_value("lingoloop_webhook_tries_total", {"outcome": "delivered"}) or 0
    async with room.sender():
        await room.end_run()
        heard = await receiver.heard.get()
        await room.until("delivered")
    assert REGISTRY.get_sample_value("lingoloop_webhook_tries_total", {"outcome": "delivered"}) == before + 1
    assert Webhook(WEBHOOK_SECRET).verify(heard.body, dict(heard.headers))["type"] == "lingoloop.run.done.v1"
    assert heard.headers["Content-Type"] == "application/json"
    assert heard.headers["User-Agent"] == "LingoLoop"
    row = await room.row()
    assert heard.id == str(row["event_id"])
    assert heard.data["runId"] == str(row["run_id"])
    assert (heard.data["status"], heard.data["metadata"]) == ("succeeded", {})
    assert not heard.data.keys() & {"segments", "text", "event"}
    assert (row["status_code"], row["error"], row["tries"], row["due_at"]) == (204, None, 1, None)
    assert row["delivered_at"] is not None


async def test_what_failed_is_tried_again_with_the_same_id(room: Postroom, receiver: Receiver) -> None:
    await room.add_endpoint(receiver.url)
    receiver.next = [answers(500), closes_early]
    async with room.sender():
        await room.end_run()
        await room.until("waiting")
        row = await room.row()
        assert (row["status_code"], row["error"]) == (500, "the receiver answered 500")
        assert (await room.endpoint())["failing_since"] == row["failing_since"] is not None
        await room.until_swept("delivered")
    assert len(set(await heard_ids(receiver, 3))) == 1
    row = await room.row()
    assert (row["tries"], row["status_code"], row["error"], row["failing_since"]) == (3, 204, None, None)
    assert (await room.endpoint())["failing_since"] is None


async def test_a_try_waits_as_long_as_the_settings_and_the_receiver_say(
    room: Postroom, receiver: Receiver
) -> None:
    await room.add_endpoint(receiver.url)
    for behaviour, low, high in [(answers(500), 90, 110), (answers(503, Retry_After="900"), 890, 900)]:
        receiver.next = [behaviour]
        async with room.sender(retry_delays=(100.0,)):
            await room.end_run()
            await room.until("waiting")
        left = ((await room.row())["due_at"] - datetime.now(UTC)).total_seconds()
        assert low - 5 < left <= high
        await room.database.pool.execute("DELETE FROM webhook_delivery")


@pytest.mark.parametrize(
    ("behaviour", "status", "error"),
    [
        ("hangs", None, "the server did not answer in time"),
        ("closes", None, "the server broke off"),
        ("redirects", 307, "the receiver answered 307, a redirect; these are not followed"),
        ("refuses", 404, "the receiver answered 404"),
    ],
)
async def test_when_the_last_try_fails_the_delivery_has_failed_and_says_why(
    room: Postroom,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    behaviour: str,
    status: int | None,
    error: str,
) -> None:
    monkeypatch.setattr(outbound, "CALL", 0.3)
    await room.add_endpoint(receiver.url)
    async with receiving() as inside:
        receiver.always = {
            "hangs": receiver.hangs,
            "closes": closes_early,
            "redirects": answers(307, Location=inside.url),
            "refuses": answers(404),
        }[behaviour]
        async with room.sender(retry_delays=(0.0,)):
            await room.end_run()
            await room.until_swept("failed")
        assert len(inside.heard) == 0
    row = await room.row()
    assert (row["tries"], row["status_code"], row["error"], row["due_at"]) == (2, status, error, None)


async def test_an_inside_address_is_not_called(room: Postroom, receiver: Receiver) -> None:
    await room.add_endpoint(receiver.url)
    async with room.sender(allow_private=False, retry_delays=()):
        await room.end_run()
        await room.until("failed")
    assert len(receiver.heard) == 0
    row = await room.row()
    assert (row["status_code"], row["error"]) == (None, NOT_PUBLIC)


async def test_while_a_secret_is_changed_both_sign(room: Postroom, receiver: Receiver) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    await room.add_endpoint(
        receiver.url, secret=OTHER_SECRET, old_secret=WEBHOOK_SECRET, old_secret_until=soon
    )
    async with room.sender():
        await room.end_run()
        heard = await receiver.heard.get()
        for secret in (OTHER_SECRET, WEBHOOK_SECRET):
            Webhook(secret).verify(heard.body, dict(heard.headers))
        await room.database.pool.execute("UPDATE webhook_endpoint SET old_secret_until = now()")
        await room.end_run()
        heard = await receiver.heard.get()
    assert heard.headers["webhook-signature"].count("v1,") == 1
    Webhook(OTHER_SECRET).verify(heard.body, dict(heard.headers))


# --- pausing


async def test_an_endpoint_that_keeps_failing_is_paused_and_says_so(
    room: Postroom, receiver: Receiver
) -> None:
    endpoint = await room.add_endpoint(receiver.url)
    receiver.always = answers(500)
    async with room.sender(retry_delays=(0.0,)):
        await room.end_run()
        await room.until_swept("failed")
        paused = await room.endpoint()
        assert paused["paused_at"] is not None
        assert paused["paused_because"].startswith("nothing has arrived since 2")
        assert paused["paused_because"].endswith("; the last try: the receiver answered 500")
        # What comes meanwhile is kept, and not sent.
        await heard_ids(receiver, 2)
        await room.end_run(count=2)
        await room.until("waiting", count=2)
        for _ in range(3):
            await room.sweep.sweep()
        assert [row["due_at"] for row in await room.rows()] == [None] * 3
        assert len(receiver.heard) == 0
        receiver.always = answers(204)
        async with room.database.pool.acquire() as connection, connection.transaction():
            await resume(connection, endpoint)
        room.relay.tell()
        await room.until("delivered", count=2)
        async with room.database.pool.acquire() as connection, connection.transaction():
            assert await send_again(connection, (await room.rows())[0]["id"])
        room.relay.tell()
        await room.until("delivered", count=3)
    assert (await room.endpoint())["paused_at"] is None


async def test_one_message_that_cannot_be_digested_pauses_nothing(room: Postroom, receiver: Receiver) -> None:
    await room.add_endpoint(receiver.url)
    receiver.next = [answers(500), answers(204), answers(500)]
    async with room.sender(retry_delays=(0.0,)):
        await room.end_run()
        await room.until("waiting")
        await room.end_run()
        await room.until("delivered")
        await room.sweep.sweep()
        await room.until("failed")
    assert (await room.endpoint())["paused_at"] is None


async def test_an_endpoint_that_is_gone_is_paused_at_once(room: Postroom, receiver: Receiver) -> None:
    await room.add_endpoint(receiver.url)
    receiver.next = [answers(500), answers(410)]
    async with room.sender(retry_delays=(60.0,)):
        await room.end_run()
        await room.until("waiting")
        await room.end_run()
        await room.until("failed")
    assert (await room.endpoint())["paused_because"] == "the receiver answered 410: it wants no more"
    # The one that waited for its next try is withheld too.
    assert [(row["state"], row["due_at"]) for row in await room.rows()] == [
        ("waiting", None),
        ("failed", None),
    ]


# --- one after the other, and beside each other


async def test_an_endpoint_that_hangs_delays_no_other(room: Postroom, receiver: Receiver) -> None:
    async with receiving() as hanging:
        hanging.always = hanging.hangs
        await room.add_endpoint(hanging.url, owner="bob")
        await room.add_endpoint(receiver.url, owner="ann")
        async with room.sender():
            await room.end_run(owner="bob", count=50)
            await heard_ids(hanging, AT_ONCE)
            await room.end_run(owner="bob", count=5)
            await room.end_run(owner="ann", count=10)
            await heard_ids(receiver, 10)
            await room.until("delivered", count=10)
            assert len(hanging.heard) == 0
            await room.until("sending", count=AT_ONCE)
            await room.until("waiting", count=55 - AT_ONCE)
            hanging.go.set()
            await room.until("delivered", count=65)
        assert hanging.most_busy == AT_ONCE


async def test_an_owner_all_of_whose_endpoints_hang_delays_no_other(
    room: Postroom, receiver: Receiver
) -> None:
    async with receiving() as hanging:
        hanging.always = hanging.hangs
        for number in range(20):
            await room.add_endpoint(f"{hanging.url}?{number}", owner="bob")
        await room.add_endpoint(receiver.url, owner="ann")
        async with room.sender():
            await room.end_run(owner="bob", count=AT_ONCE)
            await heard_ids(hanging, OWNER_AT_ONCE)
            await room.end_run(owner="ann", count=10)
            await heard_ids(receiver, 10)
            await room.until("delivered", count=10)
            await room.until("waiting", count=20 * AT_ONCE - OWNER_AT_ONCE)
            await room.sweep.sweep()
            assert len(hanging.heard) == 0
            hanging.go.set()
            await room.until("delivered", count=10 + 20 * AT_ONCE)
        assert hanging.most_busy == OWNER_AT_ONCE


async def test_the_first_call_that_ends_makes_room_for_where_nothing_is_under_way(
    room: Postroom, receiver: Receiver
) -> None:
    one = asyncio.Event()

    async def ends(request: web.Request) -> web.StreamResponse:
        await one.wait()
        return web.Response(status=204)

    async with receiving() as hanging:
        hanging.next, hanging.always = [ends], hanging.hangs
        for number in range(OWNER_AT_ONCE // AT_ONCE):
            await room.add_endpoint(f"{hanging.url}?{number}")
        async with room.sender():
            await room.end_run(count=2 * AT_ONCE)
            await heard_ids(hanging, OWNER_AT_ONCE)
            await room.add_endpoint(receiver.url)
            await room.end_run()
            await room.until("ready", count=0)
            assert len(receiver.heard) == 0
            one.set()
            await heard_ids(receiver, 1)
            hanging.go.set()
            await room.until("delivered", count=len(await room.rows()))


async def test_a_claim_looks_at_so_many_deliveries_and_the_rest_is_withheld_by_later_ones(
    room: Postroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "BATCH", 10)
    await room.add_endpoint("https://receiver.example/")
    await room.end_run(count=40)
    claims = Deliveries(room.database)
    assert await claims.claim() is not None
    await room.until("waiting", count=10 - AT_ONCE)
    assert [await claims.claim() is not None for _ in range(AT_ONCE)] == [True] * (AT_ONCE - 1) + [False]
    await room.until("waiting", count=40 - AT_ONCE)


async def test_one_endpoint_is_told_in_order_but_for_those_at_once(
    room: Postroom, receiver: Receiver
) -> None:
    await room.add_endpoint(receiver.url)
    async with room.sender():
        await room.end_run(count=40)
        await room.until("delivered", count=40)
    told = await heard_ids(receiver, 40)
    written = [str(row["event_id"]) for row in await room.rows()]
    assert sorted(told) == sorted(written)
    assert max(abs(told.index(event) - place) for place, event in enumerate(written)) <= 2 * AT_ONCE
    assert receiver.most_busy <= AT_ONCE


# --- ends


async def test_a_stop_finishes_what_is_in_flight(room: Postroom, receiver: Receiver) -> None:
    await room.add_endpoint(receiver.url)
    receiver.always = receiver.hangs
    async with room.sender():
        await room.end_run()
        await receiver.heard.get()
        asyncio.get_running_loop().call_later(0.2, receiver.go.set)
    assert (await room.row())["state"] == "delivered"


async def test_a_stop_hands_back_what_takes_longer(room: Postroom, receiver: Receiver) -> None:
    await room.add_endpoint(receiver.url)
    receiver.next = [receiver.hangs]
    async with room.sender(grace=0.1):
        await room.end_run()
        first = await receiver.heard.get()
    row = await room.row()
    assert (row["state"], row["tries"], row["due_at"], row["error"]) == ("ready", 0, None, None)
    async with room.sender():  # its token is in the queue again
        assert (await receiver.heard.get()).id == first.id
        await room.until("delivered")


async def test_what_a_sender_did_not_end_is_sent_again_and_the_late_end_changes_nothing(
    room: Postroom, receiver: Receiver
) -> None:
    await room.add_endpoint(receiver.url)
    late = asyncio.Event()

    async def answers_late(request: web.Request) -> web.StreamResponse:
        await late.wait()
        return web.Response(status=410)

    receiver.next = [answers_late, receiver.hangs]
    async with room.sender() as sender:
        await room.end_run()
        first = await receiver.heard.get()
        # As if the sender had vanished: its claim ends, and the sweep finds that.
        await room.database.pool.execute("UPDATE webhook_delivery SET due_at = now()")
        await room.sweep.sweep()
        assert (await receiver.heard.get()).id == first.id
        late.set()
        await eventually(lambda: len(sender._tasks) == 1)
        row = await room.row()
        assert (row["state"], row["attempt"], row["status_code"]) == ("sending", 2, None)
        receiver.go.set()
        await room.until("delivered")
    assert (await room.endpoint())["paused_at"] is None


async def test_an_endpoint_deleted_meanwhile_is_no_fault(room: Postroom, receiver: Receiver) -> None:
    await room.add_endpoint(receiver.url)
    receiver.always = receiver.hangs
    async with room.sender():
        await room.end_run()
        await receiver.heard.get()
        await room.database.pool.execute("DELETE FROM webhook_endpoint")
        receiver.go.set()
    assert await room.rows() == []
