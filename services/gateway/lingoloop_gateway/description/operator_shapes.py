"""The shapes of answers to operators: the backlog, workers, dead letters."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from lingoloop_gateway.description.shapes import Shape, left_out


class Depth(Shape):
    """What waits in a lane, and what is worked on."""

    ready: int
    """Units that wait for a slot."""

    running: int
    """Units that slots work on."""

    seconds_waiting: int
    """Seconds of audio still to be done in runs that have not ended."""


class Sample(Depth):
    """What it was in a minute."""

    at: datetime


class LaneBacklog(Depth):
    """A lane, now and before."""

    lane: str
    """`webhook` is the one of deliveries."""

    history: list[Sample]
    """Minute by minute, the oldest first; there is none of minutes in which no gateway ran."""


class BacklogByLane(Shape):
    """What waits, lane by lane."""

    lanes: list[LaneBacklog]


class Worker(Shape):
    """One transcriber process."""

    id: UUID
    state: Literal["running", "draining", "stopped"]
    engine: str
    model: str | None
    slots: int
    busy: int
    last_seen: datetime


class FleetStatus(Shape):
    """All workers as one."""

    is_running: bool
    processing_jobs: list[UUID]
    processing_count: int


class Fleet(Shape):
    """The workers, with a message for people."""

    message: str
    status: FleetStatus
    workers: list[Worker]


class DeadLetter(Shape):
    """A unit of work that failed for good."""

    id: UUID
    run_id: UUID
    unit_id: UUID
    kind: str
    lane: str
    owner: str
    code: str
    message: str
    created_at: datetime


class DeadLetterPage(Shape):
    """A page of dead letters, the newest first."""

    items: list[DeadLetter]
    next_cursor: UUID | None
    """Null on the last page."""


class Replayed(Shape):
    """How many dead letters were put back."""

    replayed: int
    remaining: int | None = left_out()
    """Of those that were chosen; call again while there are any."""
