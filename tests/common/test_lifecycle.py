"""Parts start in order and stop in reverse, whatever happens; tasks end when they are told to."""

import asyncio
import signal

import pytest

from lingoloop_common.lifecycle import Started, end_task, running, serve


class Noted:
    """A part that notes what is done to it."""

    def __init__(self, notes: list[str], name: str, *, fails: str = "") -> None:
        self._notes, self._name, self._fails = notes, name, fails

    async def start(self) -> None:
        self._note("start")

    async def stop(self) -> None:
        self._note("stop")

    def _note(self, what: str) -> None:
        self._notes.append(f"{what} {self._name}")
        if what == self._fails:
            raise RuntimeError(f"{self._name} fails")


async def test_parts_stop_in_reverse_order() -> None:
    notes: list[str] = []
    async with running([Noted(notes, "a"), Noted(notes, "b")]):
        notes.append("run")
    assert notes == ["start a", "start b", "run", "stop b", "stop a"]


async def test_the_last_part_knows_whether_all_are_up() -> None:
    last, seen = Started(), []

    class Looks(Noted):
        def _note(self, what: str) -> None:
            seen.append(what)
            assert not last._up

    async with running([Looks([], "a"), last]):
        await last.check()
    assert seen == ["start", "stop"]
    with pytest.raises(RuntimeError, match="not up yet"):
        await last.check()


async def test_a_part_that_does_not_start_is_stopped_with_those_before_it() -> None:
    notes: list[str] = []
    parts = [Noted(notes, "a"), Noted(notes, "b", fails="start"), Noted(notes, "c")]
    with pytest.raises(RuntimeError, match="b fails"):
        async with running(parts):
            pytest.fail("must not run")
    assert notes == ["start a", "start b", "stop b", "stop a"]


async def test_a_part_that_does_not_stop_keeps_no_other_from_it() -> None:
    notes: list[str] = []
    async with running([Noted(notes, "a"), Noted(notes, "b", fails="stop")]):
        pass
    assert notes[-2:] == ["stop b", "stop a"]


async def test_a_task_that_swallows_a_cancellation_ends_all_the_same() -> None:
    async def stubborn() -> None:
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            await asyncio.sleep(600)

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await asyncio.wait_for(end_task(task), 5)
    assert task.cancelled()
    await end_task(task)
    await end_task(None)


async def test_whoever_ends_a_task_can_be_cancelled() -> None:
    begun = asyncio.Event()

    async def slow() -> None:
        try:
            await asyncio.sleep(600)
        finally:
            begun.set()
            await asyncio.sleep(0.3)

    task = asyncio.create_task(slow())
    await asyncio.sleep(0)
    ending = asyncio.create_task(end_task(task))
    await begun.wait()
    ending.cancel()
    await asyncio.wait([ending])
    assert ending.cancelled()
    await end_task(task)


class Waits:
    """A part whose start waits for what never comes."""

    def __init__(self) -> None:
        self.waiting, self.stopped = asyncio.Event(), False

    async def start(self) -> None:
        self.waiting.set()
        await asyncio.Event().wait()

    async def stop(self) -> None:
        self.stopped = True


async def test_a_signal_during_the_start_ends_it_and_stops_what_was_started() -> None:
    notes: list[str] = []
    waits = Waits()
    serving = asyncio.create_task(serve("worker", [Noted(notes, "a"), waits, Noted(notes, "b")]))
    await waits.waiting.wait()
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGTERM)
    await asyncio.wait_for(serving, 5)  # which is an end without an error: exit code 0
    assert waits.stopped
    assert notes == ["start a", "stop a"]


async def test_a_second_signal_does_not_cut_the_stop_short() -> None:
    stopping, go_on = asyncio.Event(), asyncio.Event()
    notes: list[str] = []

    class Drains(Noted):
        async def stop(self) -> None:
            stopping.set()
            await go_on.wait()
            self._note("drained")

    started = asyncio.Event()

    class Last(Noted):
        async def start(self) -> None:
            asyncio.get_running_loop().call_soon(started.set)

    serving = asyncio.create_task(serve("worker", [Drains(notes, "a"), Last(notes, "b")]))
    await started.wait()
    signal.raise_signal(signal.SIGTERM)
    await asyncio.wait_for(stopping.wait(), 5)
    signal.raise_signal(signal.SIGTERM)
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.wait_for(serving, 5)
    assert notes[-1] == "drained a"
