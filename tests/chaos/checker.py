"""What must hold, checked over recorded facts. Pure."""

import itertools
import json
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

RATE = 16_000
SEGMENT = 5.0
"""Seconds; the simulated engine says one segment for each."""
PER_CHUNK = 1_000
"""A segment's index is its chunk's × this + its place."""
ORDER = {"queued": 0, "processing": 1, "succeeded": 2, "failed": 2}

Said = tuple[int, float, float, str]
"""A segment: index, start, end, text."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of the ledger."""

    index: int
    start: int
    end: int
    done: bool


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of work as it is at the end."""

    kind: str
    state: str
    attempt: int
    bound: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """A stored event."""

    seq: int
    done: bool
    status: str
    at: float = 0.0
    """When it was written, in seconds."""


@dataclass(frozen=True, slots=True)
class Run:
    """All that the database says of a run."""

    id: str
    status: str
    jobs: tuple[str, ...]
    seq: int
    units_left: int
    planned_samples: int
    done_samples: int
    chunks_total: int
    chunks_done: int
    chunks: tuple[Chunk, ...]
    units: tuple[Unit, ...]
    segments: tuple[Said, ...]
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame as a subscriber saw it; only durable ones have a number."""

    number: int | None
    event: str
    run_id: str | None
    status: str | None


@dataclass(slots=True)
class Stream:
    """What the subscriber of a run, or of all runs of an owner (`run_id` is None), saw over all its connections."""

    run_id: str | None
    owner: str
    frames: list[Frame] = field(default_factory=list)
    ended: bool = False
    """Whether the server said that there is no more."""

    @property
    def last_id(self) -> int | None:
        """The number of the last frame that had one."""
        return next((frame.number for frame in reversed(self.frames) if frame.number is not None), None)

    @property
    def name(self) -> str:
        """What findings call it."""
        return f"run {self.run_id}" if self.run_id else f"owner {self.owner}"


@dataclass(slots=True)
class Findings:
    """What did not hold, each in a line."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    backwards: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return all, each with its kind."""
        return [f"{kind}: {line}" for kind in self.__slots__ for line in getattr(self, kind)]


def check_acknowledged(acknowledged: Mapping[str, int], runs: Mapping[str, Run], found: Findings) -> None:
    """Every acknowledged upload has one outcome, over its whole length (in ms)."""
    for run_id, milliseconds in acknowledged.items():
        run = runs.get(run_id)
        if run is None:
            found.lost.append(f"run {run_id} was acknowledged, and is not there")
        elif run.planned_samples != milliseconds * RATE // 1000:
            found.lost.append(f"run {run_id}: {run.planned_samples} samples of {milliseconds} ms are planned")


def check_run(run: Run, found: Findings) -> None:
    """A run has succeeded, once, and its ledger is whole: every recording here is sound, and no unit at its limits."""
    if run.status not in ("succeeded", "failed"):
        found.stuck.append(f"run {run.id} is {run.status}, {run.units_left} units left")
        return
    if run.status == "failed":
        found.lost.append(f"run {run.id} failed")
    if run.jobs != (run.status,):
        found.doubled.append(f"run {run.id} is {run.status}, its jobs {run.jobs}")
    _check_units(run, found)
    _check_tiling(run, found)
    _check_segments(run, found)
    _check_events(run, found)


def _check_units(run: Run, found: Findings) -> None:
    for unit in run.units:
        if unit.state != "done":
            found.lost.append(f"run {run.id}: a {unit.kind} is {unit.state}")
        elif unit.bound:
            found.stuck.append(f"run {run.id}: a {unit.kind} that is done has a holder")
    if run.units_left:
        kind = found.doubled if run.units_left < 0 else found.stuck
        kind.append(f"run {run.id}: {run.units_left} units left after its end")


def _check_tiling(run: Run, found: Findings) -> None:
    at = 0
    for place, chunk in enumerate(sorted(run.chunks, key=lambda chunk: chunk.start)):
        if chunk.start != at or chunk.index != place:
            kind = found.lost if chunk.start > at else found.doubled
            kind.append(f"run {run.id}: chunk {chunk.index} begins at {chunk.start}, not at {at}")
        if not chunk.done:
            found.lost.append(f"run {run.id}: chunk {chunk.index} is not done")
        at = chunk.end
    counts = (("planned", run.planned_samples), ("done", run.done_samples))
    for name, samples in counts:
        if samples != at:
            kind = found.lost if samples < at else found.doubled
            kind.append(f"run {run.id}: {samples} samples are {name}, its chunks end at {at}")
    for count in (run.chunks_total, run.chunks_done):
        if count != len(run.chunks):
            kind = found.lost if count < len(run.chunks) else found.doubled
            kind.append(f"run {run.id}: {count} of {len(run.chunks)} chunks are counted")


def expected_segments(chunk: Chunk) -> list[Said]:
    """Return what the simulated engine says of a chunk."""
    origin, limit, seconds = chunk.start / RATE, chunk.end / RATE, (chunk.end - chunk.start) / RATE
    said: list[Said] = []
    begin = 0.0
    while begin < seconds:
        end = min(seconds, begin + SEGMENT)
        times = (round(min(limit, origin + begin), 3), round(min(limit, origin + end), 3))
        said.append((chunk.index * PER_CHUNK + len(said), *times, f"simulated {begin:.1f}"))
        begin = end
    return said


def _check_segments(run: Run, found: Findings) -> None:
    expected = Counter(said for chunk in run.chunks for said in expected_segments(chunk))
    told = Counter(run.segments)
    for kind, difference in ((found.lost, expected - told), (found.doubled, told - expected)):
        if difference:
            kind.append(f"run {run.id}: {difference.total()} segments, first {min(difference)}")


def _check_events(run: Run, found: Findings) -> None:
    if [event.seq for event in run.events] != list(range(1, run.seq + 1)):
        found.gaps.append(f"run {run.id}: its stored events are not 1 to {run.seq}")
    ends = [event.seq for event in run.events if event.done]
    if ends != [run.seq]:
        kind = found.doubled if len(ends) > 1 else found.lost
        kind.append(f"run {run.id} ended at {ends} of {run.seq} events")
    _check_forward(f"run {run.id} as stored", (event.status for event in run.events), found)


def unpublished(
    runs: Iterable[Run], seen: Container[tuple[str, int]], away: Sequence[tuple[float, float]]
) -> list[str]:
    """Return the events that nobody published, save for those of the times that the broker was `away`."""
    return [
        f"event {event.seq} of run {run.id} was never published"
        for run in runs
        for event in run.events
        if (run.id, event.seq) not in seen and not any(begin < event.at < end for begin, end in away)
    ]


def check_stream(stream: Stream, last: int, found: Findings) -> None:
    """A subscriber saw `init` (an owner's `snapshot`), then n + 1, n + 2, …, up to the `last` that there is."""
    at: int | None = None
    before: Frame | None = None
    for frame in stream.frames:
        number = frame.number
        if number is None:
            pass
        elif frame.event in ("init", "snapshot"):
            if at is not None and number <= at:
                found.doubled.append(f"{stream.name}: {frame.event} {number} after {at}")
            at = number
        elif at is None:
            found.gaps.append(f"{stream.name} began with {frame.event} {number}")
            at = number
        # Whoever comes after the end gets `init` and `done` under one number.
        elif not (frame.event == "done" and before and before.event == "init" and number == at):
            if number != at + 1:
                kind = found.gaps if number > at + 1 else found.doubled
                kind.append(f"{stream.name}: {number} after {at}")
            at = number
        before = frame
    if at is None or at < last:
        found.gaps.append(f"{stream.name} was told up to {at} of {last}")
    if stream.run_id and not stream.ended:
        found.stuck.append(f"{stream.name}: its stream has not ended")
    _check_statuses(stream, found)


def _check_statuses(stream: Stream, found: Findings) -> None:
    by_run: dict[str, list[str]] = {}
    for frame in stream.frames:
        if frame.run_id and frame.status:
            by_run.setdefault(frame.run_id, []).append(frame.status)
    for run_id, statuses in by_run.items():
        _check_forward(f"run {run_id} in the stream of {stream.name}", statuses, found)


def _check_forward(name: str, statuses: Iterable[str], found: Findings) -> None:
    for before, after in itertools.pairwise(statuses):
        if ORDER[after] < ORDER[before] or (ORDER[before] == 2 and after != before):
            found.backwards.append(f"{name} went from {before} to {after}")


def check_logs(lines: Iterable[str], found: Findings) -> None:
    """No result came a second time so far that only a key of the tables stopped it."""
    found.doubled += [
        line[:300] for line in lines if "a fault in the worker" in line and "UniqueViolation" in line
    ]


def unforeseen(lines: Iterable[str]) -> list[str]:
    """Return the ends of the traces of requests that failed for a reason that no code expects: each is a fault of ours."""
    entries = (json.loads(line) for line in lines if '"request failed"' in line and '"exception"' in line)
    return [" … ".join(entry["exception"].splitlines()[-5:]) for entry in entries]


def check_left(left: Mapping[str, int], found: Findings) -> None:
    """Nothing is left over: units by state, outbox rows, tokens."""
    found.stuck += [f"{count} left: {name}" for name, count in left.items() if count]


def executions_per_chunk(runs: Iterable[Run]) -> float:
    """Return how often a chunk was claimed on average.

    An upper bound of how often the engine did it: `attempt` also counts claims that ended before they reached it.
    """
    attempts = [unit.attempt for run in runs for unit in run.units if unit.kind == "chunk"]
    return sum(attempts) / len(attempts) if attempts else 0.0
