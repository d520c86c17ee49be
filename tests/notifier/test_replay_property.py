"""In order, each once, none missing: whatever was stored before, and whatever arrives live, late, twice or never (rule 12).

`test_sequence.py` says so for the order alone. Here it is the whole stream, over a history in this test and a hub that
the test feeds: what a client is sent is what follows its last id, or a fresh first frame and what follows that.
"""

import asyncio
import selectors
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lingoloop_common.broker import EventMessage
from lingoloop_common.contracts.events import DONE, UPDATED
from lingoloop_notifier import history
from lingoloop_notifier.frames import frame
from lingoloop_notifier.history import Opening, Stored
from lingoloop_notifier.hub import Hub, Scope, Subscriber
from lingoloop_notifier.stream import Stream

RECONNECT = 0
A_WHILE = 60.0
"""Seconds after the last arrival in which a stream would send whatever it still could."""


@dataclass(frozen=True)
class Case:
    """Events 1, 2, … of a run or an owner, and how a subscriber comes to know of them."""

    scope: Scope
    dones: list[bool]
    """For each event whether it is a `done`; a run that is retried has several."""
    covers: int
    """The last event that the first frame covers."""
    stored: int
    """The last event that is stored when the history is read first."""
    forgotten: int
    """The last event that is not kept any more."""
    last_id: int | None
    arrivals: list[tuple[int, float | None]]
    """Events that arrive live, or a reconnect of the broker; and the seconds until the next, if it does not come along."""
    page: int

    @property
    def events(self) -> list[Stored]:
        return [
            Stored(number, DONE if done else UPDATED, b'{"number":%d}' % number)
            for number, done in enumerate(self.dones, start=1)
        ]

    @property
    def opening(self) -> Opening:
        """Return the first frame, and the last one too where a run has ended."""
        over = self.scope == "run" and self.covers > 0 and self.dones[self.covers - 1]
        return Opening(self.covers, "init", b'{"all":true}', b'{"over":true}' if over else None)

    def expected(self) -> tuple[list[bytes], bool]:
        """Return the frames that the subscriber should get, and whether the stream should then end."""
        opening, frames, last = self.opening, [], self.last_id
        if last is None or last > self.covers or last < self.forgotten:
            last = self.covers
            frames = [frame(data, event_id=last) for data in (opening.data, opening.last_frame) if data]
        over = opening.last_frame is not None
        for event in self.events[last : self.covers if over else None]:
            frames.append(frame(event.data, event_id=event.number))
            if self.scope == "run" and event.type == DONE:
                return frames, True
        return frames, over


@st.composite
def cases(draw: st.DrawFn) -> Case:
    count = draw(st.integers(0, 12))
    covers = draw(st.integers(0, count))
    pause = st.sampled_from([None, 0.0, 0.02, 0.1])  # a gap is read after 50 ms
    # Without a reconnect nothing but a gap tells of a loss.
    first = min(count, draw(st.sampled_from([RECONNECT, 1])))
    live = st.tuples(st.integers(first, count), pause)
    dones = {*draw(st.sets(st.integers(0, count), max_size=2)), draw(st.sampled_from([0, covers, count]))}
    return Case(
        scope=draw(st.sampled_from(["run", "owner"])),
        dones=[number in dones for number in range(1, count + 1)],
        covers=covers,
        stored=draw(st.integers(covers, count)),
        forgotten=draw(st.just(0) | st.integers(0, covers)),
        last_id=draw(st.none() | st.integers(0, count + 2)),
        arrivals=draw(st.lists(live, max_size=draw(st.sampled_from([0, 3, 30])))),
        page=draw(st.integers(1, 5)),
    )


class Past:
    """A history whose events the test stores."""

    def __init__(self, case: Case) -> None:
        self._case, self.stored = case, case.stored
        self._reads = 0

    async def opening(self) -> Opening:
        return self._case.opening

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


async def sent(case: Case) -> tuple[list[bytes], bool]:
    """Return the frames that a subscriber gets while the events arrive, and whether the stream ended by itself."""
    hub, past, subscriber = Hub(), Past(case), Subscriber(cut=lambda: None)
    hub.subscribe(case.scope, "somebody", subscriber)
    stream = Stream(past, subscriber, named=False, lifetime=3600, ends=case.scope == "run")

    async def read() -> list[bytes]:
        parts = [part async for part in stream.run(case.opening, case.last_id)]
        return [part for part in parts if not part.startswith((b"retry:", b":"))]

    reader = asyncio.create_task(read())
    for number, pause in case.arrivals:
        arrive(case, hub, past, number)
        if pause is not None:
            await asyncio.sleep(pause)
    if case.covers < len(case.events) and all(number < len(case.events) for number, _ in case.arrivals):
        past.stored = len(case.events)  # the last event is lost, and only a reconnect can tell
        arrive(case, hub, past, RECONNECT)
    ended, _ = await asyncio.wait({reader}, timeout=A_WHILE)
    hub.end()
    return await reader, bool(ended)


def arrive(case: Case, hub: Hub, past: Past, number: int) -> None:
    """Let an event arrive; it and all before it were stored before it was sent."""
    if number == RECONNECT:
        hub.on_reconnect()
        return
    past.stored = max(past.stored, number)
    event = case.events[number - 1]
    headers: dict[str, str | int] = {
        "cloudEvents_type": event.type,
        "cloudEvents_subject": "somebody" if case.scope == "run" else "a run",
        "cloudEvents_owner": "somebody" if case.scope == "owner" else "an owner",
        "cloudEvents_seq": number,
        "cloudEvents_ownerseq": number,
    }
    hub.on_event(EventMessage(headers, event.data))


@settings(max_examples=400, deadline=None)
@given(cases())
def test_a_subscriber_is_sent_what_follows_its_last_id_in_order_and_once(case: Case) -> None:
    with pytest.MonkeyPatch.context() as patch, asyncio.Runner(loop_factory=loop_without_waiting) as runner:
        patch.setattr(history, "PAGE", case.page)
        assert runner.run(sent(case)) == case.expected()
