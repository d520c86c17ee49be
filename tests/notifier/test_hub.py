"""The hub tells each event to those who follow its run or its owner, and a run's forecast once to each; no stale one."""

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest

from lingoloop_common.broker import EventMessage
from lingoloop_common.contracts import events
from lingoloop_notifier import broadcast
from lingoloop_notifier.arrival import Key
from lingoloop_notifier.broadcast import Forecast
from lingoloop_notifier.frames import Form
from lingoloop_notifier.history import Opening, Stored
from lingoloop_notifier.hub import Hub
from lingoloop_notifier.outlet import Outlet
from lingoloop_notifier.progress import WATCHED_LIMIT
from tests.notifier.lines import Line

pytestmark = pytest.mark.asyncio

RUN = "01a20ef8-220d-7ba1-bd6d-3ad57a4639d4"
ANNS, ANNS_RUN = ("ann", None), ("ann", RUN)
DATA = b'id: %d\ndata: {"text":""}\n\n'


class NoPast:
    """A history that nobody asks."""

    async def opening(self) -> Opening:
        raise AssertionError

    async def after(self, number: int) -> list[Stored] | None:
        raise AssertionError


def event(number: int, *, owner: str = "ann", text: str = "") -> EventMessage:
    headers: dict[str, str | int] = {
        "cloudEvents_type": events.UPDATED,
        "cloudEvents_subject": RUN,
        "cloudEvents_owner": owner,
        "cloudEvents_seq": number,
        "cloudEvents_ownerseq": number,
    }
    return EventMessage(headers, b'{"text":"%s"}' % text.encode())


def forecast(data: bytes, *, seconds_left: int | None = 5, number: int = 1) -> Forecast:
    return Forecast(
        RUN, "ann", seq=number, owner_seq=number, seconds_left=seconds_left, place=None, data=data
    )


def listen(hub: Hub, key: Key = ANNS_RUN, *, last: int = 1, form: Form = Form(False, False)) -> Line:  # noqa: B008  (a tuple)
    """Follow a stream live, from `last` on."""
    follows, line = hub.subscribe(key, NoPast()), Line()
    outlet = Outlet(form, 3600.0, lambda outlet: hub.leave(follows, outlet))
    outlet.connection_made(line)
    hub.join(follows, outlet, last)
    return line


async def come(hub: Hub, *numbers: int) -> None:
    """Let events come at once, and be written."""
    for number in numbers:
        hub.on_event(event(number))
    await asyncio.sleep(0)


async def test_of_a_later_versions_events_those_that_are_known_are_told_whatever_else_they_carry() -> None:
    hub = Hub()
    line = listen(hub)
    headers = {**event(2).headers, "cloudEvents_newer": "x", "traceparent": "y"}
    beside = {**headers, "cloudEvents_type": "lingoloop.run.updated.v2"}
    hub.on_event(EventMessage(beside, b'{"otherwise":1}'))
    hub.on_event(EventMessage(headers, b'{"text":"","newer":{"a":[1]}}'))
    await asyncio.sleep(0)
    assert line.sent == [b'id: 2\ndata: {"text":"","newer":{"a":[1]}}\n\n']


async def test_each_gets_it_in_the_form_it_wished_and_all_of_a_form_the_same_bytes() -> None:
    hub = Hub()
    forms = [Form(named, chunked) for named in (False, True) for chunked in (False, True)]
    lines = [[listen(hub, form=form) for _ in range(2)] for form in forms]
    await come(hub, 2)
    assert [one.sent for one, _ in lines] == [
        [b'id: 2\ndata: {"text":""}\n\n'],
        [b'19\r\nid: 2\ndata: {"text":""}\n\n\r\n'],
        [b'id: 2\nevent: update\ndata: {"text":""}\n\n'],
        [b'27\r\nid: 2\nevent: update\ndata: {"text":""}\n\n\r\n'],
    ]
    assert all(one.sent == other.sent for one, other in lines)


async def test_only_the_streams_of_its_run_and_its_owner_get_an_event() -> None:
    hub = Hub()
    mine, all_of_mine, others = listen(hub), listen(hub, ANNS), listen(hub, ("ben", None))
    await come(hub, 2)
    assert [len(line.sent) for line in (mine, all_of_mine, others)] == [1, 1, 0]


async def test_a_forecast_is_told_once_and_again_when_it_changes() -> None:
    hub = Hub()
    line = listen(hub)
    for seconds_left in (5, 5, 4, None, None):
        hub.watched()
        hub.on_forecast(forecast(b"{}", seconds_left=seconds_left))
    assert line.sent == [b"data: {}\n\n"] * 3


async def test_forecasts_of_as_many_runs_as_are_looked_at_are_told_once() -> None:
    hub = Hub()
    line = listen(hub, ANNS)
    runs = [replace(forecast(b"{}"), run_id=f"run {number}") for number in range(WATCHED_LIMIT)]
    for _ in range(2):
        hub.watched()
        for run in runs:
            hub.on_forecast(run)
    assert len(line.sent) == WATCHED_LIMIT


async def test_who_comes_later_is_told_too() -> None:
    hub = Hub()
    listen(hub)
    hub.on_forecast(forecast(b"{}"))
    later = listen(hub)
    hub.on_forecast(forecast(b"{}"))
    assert later.sent == [b"data: {}\n\n"]


async def test_who_has_something_to_read_still_is_told_only_the_latest() -> None:
    hub = Hub()
    slow, quick = listen(hub), listen(hub)
    slow.unread = 1
    for seconds_left in (9, 8, 7):
        hub.on_forecast(forecast(b"%d" % seconds_left, seconds_left=seconds_left))
    slow.unread = 0
    hub.on_forecast(forecast(b"7", seconds_left=7))
    assert slow.sent == [b"data: 7\n\n"]
    assert quick.sent == [b"data: 9\n\n", b"data: 8\n\n", b"data: 7\n\n", b"data: 7\n\n"]


@pytest.mark.parametrize("key", [ANNS_RUN, ANNS])
async def test_an_event_that_comes_between_the_look_and_its_telling_overtakes_it(key: Key) -> None:
    hub = Hub()
    line = listen(hub, key)
    hub.watched()
    await come(hub, 2)
    hub.on_forecast(forecast(b"as it was before"))
    assert len(line.sent) == 1


async def test_what_is_ahead_of_the_events_told_is_not_told() -> None:
    hub = Hub()
    lines = listen(hub), listen(hub, ANNS)
    hub.on_forecast(forecast(b"{}", number=2))
    assert [line.sent for line in lines] == [[], []]


async def test_the_runs_and_owners_that_somebody_follows_are_watched() -> None:
    hub = Hub()
    line = listen(hub)
    listen(hub, ANNS)
    assert hub.watched() == ([UUID(RUN)], ["ann"])
    assert not line.closed


async def test_a_first_frame_that_is_ahead_of_the_others_joins_them_when_they_have_come_so_far() -> None:
    hub = Hub()
    first, ahead = listen(hub, last=1), listen(hub, last=3)
    await come(hub, 2, 3, 4)
    assert first.sent == [DATA % 2 + DATA % 3, DATA % 4]
    assert ahead.sent == [DATA % 4]


async def test_what_comes_at_once_is_written_as_one_piece_and_no_piece_is_large(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hub = Hub()
    lines = listen(hub), listen(hub, form=Form(named=False, chunked=True))
    await come(hub, 2, 3)
    assert [line.sent for line in lines] == [
        [DATA % 2 + DATA % 3],
        [b"19\r\n" + DATA % 2 + b"\r\n19\r\n" + DATA % 3 + b"\r\n"],
    ]
    monkeypatch.setattr(broadcast, "PIECE", 20)
    await come(hub, 4, 5, 6, 7)
    assert [len(line.sent) for line in lines] == [3, 3]


async def test_who_joins_between_an_event_and_its_writing_gets_it_once() -> None:
    hub = Hub()
    first = listen(hub)
    hub.on_event(event(2))
    later = listen(hub, last=2)
    await come(hub, 3)
    assert (first.sent, later.sent) == ([DATA % 2, DATA % 3], [DATA % 3])
