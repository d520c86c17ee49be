"""The checker notices each fault that it is there for, and nothing where there is none."""

import math
import time
from dataclasses import replace

import pytest

from tests.chaos import checker
from tests.chaos.checker import Chunk, Event, Findings, Frame, Run, Stream, Unit
from tests.chaos.schedule import schedule
from tests.chaos.tap import LAG, Tap

CHUNKS = (Chunk(0, 0, 320_000, True), Chunk(1, 320_000, 360_000, True))
STATUSES = ("queued", "processing", "processing", "processing", "succeeded")
WHOLE = Run(
    id="r",
    status="succeeded",
    jobs=("succeeded",),
    seq=5,
    units_left=0,
    planned_samples=360_000,
    done_samples=360_000,
    chunks_total=2,
    chunks_done=2,
    chunks=CHUNKS,
    units=(Unit("plan", "done", 1), Unit("chunk", "done", 1), Unit("chunk", "done", 2)),
    segments=tuple(said for chunk in CHUNKS for said in checker.expected_segments(chunk)),
    events=tuple(Event(seq, seq == 5, status) for seq, status in enumerate(STATUSES, 1)),
)

WRONG = {
    "a segment is missing": ("lost", {"segments": WHOLE.segments[1:]}),
    "a segment came twice": ("doubled", {"segments": (*WHOLE.segments, WHOLE.segments[0])}),
    "a segment says something else": ("doubled", {"segments": (*WHOLE.segments[1:], (0, 0.0, 5.0, "x"))}),
    "a chunk is missing": ("lost", {"chunks": CHUNKS[1:]}),
    "chunks overlap": ("doubled", {"chunks": (CHUNKS[0], Chunk(1, 300_000, 360_000, True))}),
    "a chunk is not done": ("lost", {"chunks": (CHUNKS[0], replace(CHUNKS[1], done=False))}),
    "a chunk counted twice": ("doubled", {"chunks_done": 3}),
    "samples counted twice": ("doubled", {"done_samples": 400_000}),
    "samples were not counted": ("lost", {"done_samples": 320_000}),
    "it failed": ("lost", {"status": "failed", "jobs": ("failed",)}),
    "its job says something else": ("doubled", {"jobs": ("failed",)}),
    "a unit failed": ("lost", {"units": (*WHOLE.units, Unit("chunk", "failed", 1))}),
    "a unit is bound": ("stuck", {"units": (*WHOLE.units, Unit("chunk", "done", 1, bound=True))}),
    "it is not closed": ("stuck", {"status": "processing"}),
    "units were counted twice": ("doubled", {"units_left": -1}),
    "an event is missing": ("gaps", {"events": WHOLE.events[:2] + WHOLE.events[3:]}),
    "it ended twice": ("doubled", {"events": (*WHOLE.events[:3], Event(4, True, "succeeded"), WHOLE.events[4])}),
    "it went back": ("backwards", {"events": (*WHOLE.events[:2], Event(3, False, "queued"), *WHOLE.events[3:])}),
}  # fmt: skip


def kinds(found: Findings) -> set[str]:
    return {line.split(":")[0] for line in found.lines()}


def test_a_whole_run_is_whole() -> None:
    found = Findings()
    checker.check_run(WHOLE, found)
    checker.check_acknowledged({"r": 22_500}, {"r": WHOLE}, found)
    assert found.lines() == []


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_with_a_run_is_noticed(wrong: str) -> None:
    kind, changes = WRONG[wrong]
    found = Findings()
    checker.check_run(replace(WHOLE, **changes), found)  # type: ignore[arg-type]
    assert kind in kinds(found)


def test_an_acknowledged_run_that_is_gone_or_too_short_is_lost() -> None:
    found = Findings()
    checker.check_acknowledged({"gone": 1_000, "r": 30_000}, {"r": WHOLE}, found)
    assert len(found.lost) == 2


def stream(*frames: tuple[int | None, str, str], run_id: str | None = "r", ended: bool = True) -> Stream:
    return Stream(
        run_id, "ann", [Frame(number, event, "r", status) for number, event, status in frames], ended
    )


INIT, GOES_ON = (2, "init", "queued"), (3, "update", "processing")
END = (4, "done", "succeeded")
PROGRESS = (None, "update", "processing")

SEEN = {
    "all": ("", stream(INIT, GOES_ON, PROGRESS, END)),
    "a fresh first frame": ("", stream(INIT, (3, "init", "processing"), END)),
    "who comes after the end": ("", stream((4, "init", "succeeded"), END)),
    "an owner's": ("", stream((2, "snapshot", ""), GOES_ON, END, run_id=None, ended=False)),
    "one was left out": ("gaps", stream(INIT, END)),
    "the last was left out": ("gaps", stream(INIT, GOES_ON)),
    "nothing": ("gaps", stream()),
    "no first frame": ("gaps", stream(GOES_ON, END)),
    "one came twice": ("doubled", stream(INIT, GOES_ON, GOES_ON, END)),
    "the end came twice": ("doubled", stream(INIT, GOES_ON, END, END)),
    "an old first frame": ("doubled", stream(INIT, GOES_ON, (3, "init", "processing"), END)),
    "a status went back": ("backwards", stream(INIT, GOES_ON, (None, "update", "queued"), END)),
    "an end was taken back": ("backwards", stream(INIT, (3, "update", "failed"), END)),
    "it did not end": ("stuck", stream(INIT, GOES_ON, END, ended=False)),
}


@pytest.mark.parametrize("seen", SEEN)
def test_what_is_wrong_with_a_stream_is_noticed(seen: str) -> None:
    kind, told = SEEN[seen]
    found = Findings()
    checker.check_stream(told, 4, found)
    assert kinds(found) == ({kind} if kind else set())


def test_an_event_that_nobody_published_is_noticed_unless_the_broker_was_away() -> None:
    run = replace(WHOLE, events=tuple(replace(event, at=100.0) for event in WHOLE.events))
    seen = {("r", seq) for seq in (1, 2, 4, 5)}
    assert checker.unpublished([run], seen, [(50.0, 60.0)]) == ["event 3 of run r was never published"]
    assert checker.unpublished([run], seen, [(90.0, 110.0)]) == []
    assert checker.unpublished([run], {*seen, ("r", 3)}, []) == []


def test_the_tap_is_deaf_from_the_oldest_unsent_event_to_the_brokers_return(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tap = Tap("amqp://127.0.0.1/")
    assert tap.away() == []
    for struck, oldest in ((100.0, 95.0), (200.0, 200.0)):
        monkeypatch.setattr(time, "time", lambda struck=struck: struck)
        tap.loses(oldest)
    tap._returns += [108.0, 110.0]
    assert tap.away() == [(95.0 - LAG, 110.0), (200.0 - LAG, math.inf)]


def test_what_is_left_over_is_stuck() -> None:
    found = Findings()
    checker.check_left({"units ready": 0, "outbox rows": 2, "tokens in the queue": -1}, found)
    assert len(found.stuck) == 2


def test_a_result_that_only_a_key_stopped_is_doubled() -> None:
    found = Findings()
    checker.check_logs(
        [
            '{"event": "a fault in the worker", "exception": "… UniqueViolationError: …"}',
            '{"event": "ready"}',
        ],
        found,
    )
    assert len(found.doubled) == 1


def test_executions_are_those_of_chunks() -> None:
    assert checker.executions_per_chunk([WHOLE]) == 1.5
    assert checker.executions_per_chunk([]) == 0


def test_a_seed_gives_the_same_faults_and_each_kind_its_share() -> None:
    first, again, other = (schedule(seed, 40, "abc") for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert sorted(fault.kind for faults in first for fault in faults) == list("aabbcc")


def test_a_request_that_failed_as_no_code_expects_is_told_with_the_end_of_its_trace() -> None:
    lines = [
        '{"event": "request failed", "error": "KeyError", "exception": "Traceback\\n  in a\\n  in b\\nKeyError: 1"}',
        '{"event": "request failed", "error": "OSError"}',
        '{"event": "request", "status": 200}',
    ]
    assert checker.unforeseen(lines) == ["Traceback …   in a …   in b … KeyError: 1"]
