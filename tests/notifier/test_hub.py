"""The hub keeps a run's latest forecast beside its events, and drops what an event has overtaken."""

from uuid import UUID

import pytest

from lingoloop_common.broker import EventMessage
from lingoloop_common.contracts import events
from lingoloop_notifier.history import Stored
from lingoloop_notifier.hub import BUFFER, Forecast, Hub, Subscriber

RUN = "01a20ef8-220d-7ba1-bd6d-3ad57a4639d4"


def event(number: int) -> EventMessage:
    headers: dict[str, str | int] = {
        "cloudEvents_type": events.UPDATED,
        "cloudEvents_subject": RUN,
        "cloudEvents_owner": "ann",
        "cloudEvents_seq": number,
        "cloudEvents_ownerseq": number,
    }
    return EventMessage(headers, b"{}")


def forecast(data: bytes) -> Forecast:
    return Forecast(RUN, "ann", seq=1, owner_seq=1, seconds_left=5, place=None, data=data)


@pytest.fixture
def hub() -> Hub:
    return Hub()


@pytest.fixture
def subscriber(hub: Hub) -> Subscriber:
    subscriber = Subscriber(lambda: None)
    hub.subscribe("run", RUN, subscriber)
    return subscriber


def test_only_the_latest_is_kept(hub: Hub, subscriber: Subscriber) -> None:
    for text in (b"old", b"new"):
        hub.on_forecast(forecast(text))
    assert ([kept.data for kept in subscriber.take_forecasts()], subscriber.events.qsize()) == ([b"new"], 1)


def test_an_event_that_comes_between_the_look_and_its_telling_overtakes_it(
    hub: Hub, subscriber: Subscriber
) -> None:
    assert hub.watched() == ([UUID(RUN)], [])
    hub.on_event(event(2))
    hub.on_forecast(forecast(b"as it was before"))
    assert subscriber.take_forecasts() == []


def test_an_event_overtakes_what_was_not_read_yet(hub: Hub, subscriber: Subscriber) -> None:
    hub.on_forecast(forecast(b"as it was before"))
    hub.on_event(event(2))
    assert subscriber.take_forecasts() == []


def test_progress_never_cuts_a_slow_reader_off(hub: Hub) -> None:
    cut = []
    slow = Subscriber(lambda: cut.append(True))
    hub.subscribe("run", RUN, slow)
    for number in range(BUFFER):
        slow.put(Stored(number, events.UPDATED, b"{}"))
    hub.on_forecast(forecast(b"news"))
    assert (cut, [kept.data for kept in slow.take_forecasts()]) == ([], [b"news"])
