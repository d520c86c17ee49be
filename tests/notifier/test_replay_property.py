"""In order, each once, none missing: whatever was stored before, and whatever arrives live, late, twice or never (rule 12).

`test_sequence.py` says so for the order alone. Here it is whole streams, over a history in this test and a hub that the
test feeds: what a client is sent is what follows its last id, or a fresh first frame and what follows that. Some come while
others are live already, and are told from memory what it has.
"""

import asyncio
import selectors
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lingoloop_common.broker import EventMessage
from lingoloop_common.contracts.events import DONE, UPDATED
from lingoloop_notifier import history
from lingoloop_notifier.frames import Form, frame
from lingoloop_notifier.history import Opening, Stored
from lingoloop_notifier.hub import Hub
from lingoloop_notifier.outlet import Outlet
from lingoloop_notifier.stream import Stream
from tests.notifier.lines import Line

RECONNECT = 0
A_WHILE = 60.0
"""Seconds after the last arrival in which a stream would send whatever it still could."""
FORM = Form(named=False, chunked=False)


@dataclass(frozen=True)
class Client:
    """One who subscribes after some arrivals."""

    comes_after: int
    covers: int
    """The last event that its first frame covers."""
    last_id: int | None


@dataclass(frozen=True)
class Case:
    """Events 1, 2, … of a run or an owner, and how subscribers come to know of them."""

    scope: str
    dones: list[bool]
    """For each event whether it is a `done`; a run that is retried has several."""
    stored: int
    """The last event that is stored when the history is read first."""
    forgotten: int
    """The last event that is not kept any more."""
    clients: list[Client]
    arrivals: list[tuple[int, float | None]]
    """Events that arrive live, or a reconnect of the broker; and the seconds until the next, if it does not come along."""
    page: int

    @property
    def events(self) -> list[Stored]:
        return [
            Stored(number, DONE if done else UPDATED, b'{"number":%d}' % number)
            for number, done in enumerate(self.dones, start=1)
        ]

    def opening(self, covers: int) -> Opening:
        """Return the first frame, and the last one too where a run has ended."""
        over = self.scope == "run" and covers > 0 and self.dones[covers - 1]
        return Opening(covers, "init", b'{"all":true}', b'{"over":true}' if over else None)

    def expected(self, client: Client) -> tuple[list[bytes], bool]:
        """Return the frames that a subscriber should get, and whether the stream should then end."""
        covers, last = client.covers, client.last_id
        opening, frames = self.opening(covers), []
        if last is None or last > covers or last < self.forgotten:
            last = covers
            frames = [frame(data, event_id=last) for data in (opening.data, opening.last_frame) if data]
        over = opening.last_frame is not None
        for event in self.events[last : covers if over else None]:
            frames.append(frame(event.data, event_id=event.number))
            if self.scope == "run" and event.type == DONE:
                return frames, True
        return frames, over


@st.composite
def cases(draw: st.DrawFn) -> Case:
    count = draw(st.integers(0, 12))
    pause = st.sampled_from([None, 0.0, 0.02, 0.1])  # a gap is read after 50 ms
    # Without a reconnect nothing but a gap tells of a loss.
    first = min(count, draw(st.sampled_from([RECONNECT, 1])))
    live = st.tuples(st.integers(first, count), pause)
    arrivals = draw(st.lists(live, max_size=draw(st.sampled_from([0, 3, 30]))))
    clients, covers = [], 0
    for comes_after in sorted({0, *draw(st.lists(st.integers(0, len(arrivals)), max_size=3))}):
        # Whoever reads the state finds all that has arrived by then, and perhaps more.
        come = max((number for number, _ in arrivals[:comes_after]), default=0)
        covers = draw(st.integers(max(covers, come), count))
        clients.append(Client(comes_after, covers, draw(st.none() | st.integers(0, count + 2))))
    dones = {*draw(st.sets(st.integers(0, count), max_size=2)), draw(st.sampled_from([0, covers, count]))}
    return Case(
        scope=draw(st.sampled_from(["run", "owner"])),
        dones=[number in dones for number in range(1, count + 1)],
        stored=draw(st.integers(clients[0].covers, count)),
        forgotten=draw(st.just(0) | st.integers(0, clients[0].covers)),
        clients=clients,
        arrivals=arrivals,
        page=draw(st.integers(1, 5)),
    )


class Past:
    """A history whose events the test stores."""

    def __init__(self, case: Case) -> None:
        self._case, self.stored = case, case.stored
        self._reads = 0

    async def opening(self) -> Opening:
        raise AssertionError("each client has its own")

    async def after(self, number: int) -> list[Stored] | None:
        await asyncio.sleep(0)
        self._reads += 1
        assert self._reads < 1_000, "the stream reads without end"
        kept = self._case.events[max(number, self._case.forgotten) : self.stored][: history.PAGE]
        return None if kept and kept[0].number != number + 1 else kept


class Clock(selectors.DefaultSelector):
    """Waits for nothing: its time leaps to the next timer, so that an hour of a stream takes no time and no luck."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now += timeout or 0.0
        return super().select(0)


def loop_without_waiting() -> asyncio.AbstractEventLoop:
    clock = Clock()
    loop = asyncio.SelectorEventLoop(clock)
    loop.time = lambda: clock.now  # type: ignore[method-assign]
    return loop


async def follow(case: Case, hub: Hub, past: "Past", client: Client) -> Line:
    """Subscribe as the server does; return the connection, which closes when the stream ends."""
    key, line = ("an owner", "a run" if case.scope == "run" else None), Line()
    broadcast = hub.subscribe(key, past)
    recent, last_id = partial(hub.ring.after, key), client.last_id
    stream = Stream(past, recent, broadcast, FORM)
    # What memory has of what is not kept any more would be right too, but is not what is expected here.
    missed = recent(last_id) if last_id is not None and last_id >= case.forgotten else None
    if last_id is not None and missed is not None:
        telling = stream.resume(missed, last_id)
    else:
        telling = stream.begin(case.opening(client.covers), last_id)
    async for part in telling:
        line.write(part)
    if stream.over:
        hub.unsubscribe(broadcast)
        line.close()
        return line
    outlet = Outlet(FORM, 3600.0, lambda outlet: hub.leave(broadcast, outlet))
    outlet.connection_made(line)
    hub.join(broadcast, outlet, stream.last)
    return line


async def sent(case: Case) -> list[tuple[list[bytes], bool]]:
    """Return the frames that each subscriber gets while the events arrive, and whether its stream ended."""
    hub, past, readers = Hub(), Past(case), []
    for place in range(len(case.arrivals) + 1):
        for client in case.clients:
            if client.comes_after == place:
                past.stored = max(past.stored, client.covers)
                readers.append(asyncio.create_task(follow(case, hub, past, client)))
        await asyncio.sleep(0)  # they have subscribed
        if place < len(case.arrivals):
            number, pause = case.arrivals[place]
            arrive(case, hub, past, number)
            if pause is not None:
                await asyncio.sleep(pause)
    if all(number < len(case.events) for number, _ in case.arrivals):
        past.stored = len(case.events)  # the last event is lost, and only a reconnect can tell
        arrive(case, hub, past, RECONNECT)
    await asyncio.sleep(A_WHILE)
    lines = [await reader for reader in readers]
    return [(list(frames_of(b"".join(line.sent))), line.closed) for line in lines]


def frames_of(told: bytes) -> Iterator[bytes]:
    for part in told.split(b"\n\n"):
        if part and not part.startswith(b"retry:"):
            yield part + b"\n\n"


def arrive(case: Case, hub: Hub, past: Past, number: int) -> None:
    """Let an event arrive; it and all before it were stored before it was sent."""
    if number == RECONNECT:
        hub.on_reconnect()
        return
    past.stored = max(past.stored, number)
    event = case.events[number - 1]
    headers: dict[str, str | int] = {
        "cloudEvents_type": event.type,
        "cloudEvents_subject": "a run",
        "cloudEvents_owner": "an owner",
        "cloudEvents_seq": number,
        "cloudEvents_ownerseq": number,
    }
    hub.on_event(EventMessage(headers, event.data))


@settings(max_examples=600, deadline=None)
@given(cases())
def test_a_subscriber_is_sent_what_follows_its_last_id_in_order_and_once(case: Case) -> None:
    with pytest.MonkeyPatch.context() as patch, asyncio.Runner(loop_factory=loop_without_waiting) as runner:
        patch.setattr(history, "PAGE", case.page)
        assert runner.run(sent(case)) == [case.expected(client) for client in case.clients]
