"""Events: what changed in a run, as SSE clients read it and as CloudEvents travel between services."""

import zlib
from datetime import datetime
from typing import Literal
from uuid import UUID, uuid5

from lingoloop_common.contracts.states import RunStatus
from lingoloop_common.contracts.transcript import Segment, Wire

SHARDS = 64
UPDATED = "lingoloop.run.updated.v1"
DONE = "lingoloop.run.done.v1"


class ErrorCause(Wire):
    """Why a run failed: a stable `code` for programs, a `message` for people."""

    code: str
    message: str


class RunState(Wire):
    """A run at one moment; what every frame about it says."""

    run_id: UUID
    audio_id: UUID
    status: RunStatus
    progress: int
    time_elapsed: int
    estimated_time_remaining: int | None = None
    queue_position: int | None = None
    chunks_done: int = 0
    chunks_total: int | None = None
    error: ErrorCause | None = None


class RunUpdated(RunState):
    """The run moved on; `segments` are those of the chunks that were finished.

    Where it is told who speaks, all come once more at the end, with their speakers, some of them split: the last one of an
    index counts.
    """

    event: Literal["update"] = "update"
    segments: list[Segment] | None = None


class RunDone(RunState):
    """The run ended: `succeeded`, or `failed` with its `error`."""

    event: Literal["done"] = "done"
    segments: list[Segment] | None = None


class RunInit(RunState):
    """The first frame of a run's stream: all that is known, up to 1,000 segments without their words."""

    event: Literal["init"] = "init"
    filename: str
    duration_ms: int | None = None
    segments: list[Segment]
    truncated: bool = False


class Snapshot(Wire):
    """The first frame of an owner's stream: the runs that are under way."""

    event: Literal["snapshot"] = "snapshot"
    items: list[RunState]


class StreamError(Wire):
    """Trouble with the stream itself, not with the run."""

    event: Literal["error"] = "error"
    code: str
    message: str


def encode(frame: Wire) -> bytes:
    """Return a frame's JSON, once, for all who will read it. Unknown values are left out."""
    return frame.model_dump_json(by_alias=True, exclude_none=True).encode()


def encode_progress(frame: "RunUpdated") -> bytes:
    """Return the JSON of progress in between. What is not known now is null: it may have been known a moment ago."""
    return frame.model_dump_json(by_alias=True, exclude={"segments", "error"}).encode()


def shard(owner: str) -> int:
    """Return the stable shard of an owner's events, 0 to 63: a notifier binds only those it needs."""
    return zlib.crc32(owner.encode()) % SHARDS


def routing_key(owner: str, run_id: UUID, event_type: str) -> str:
    """Return `<shard>.<run id>.<type>`, the key under which an event goes to the topic exchange."""
    return f"{shard(owner)}.{run_id}.{event_type}"


def event_id(run_id: UUID, seq: int) -> UUID:
    """Return the id of a run's event: the same whoever asks, and however often (version 5, RFC 9562, section 5.5)."""
    return uuid5(run_id, str(seq))


def cloud_event_headers(
    *, event_id: UUID, event_type: str, run_id: UUID, owner: str, seq: int, owner_seq: int, at: datetime
) -> dict[str, str | int]:
    """Return the attributes of an event in AMQP binary mode (CloudEvents AMQP binding 1.0.2, section 3.1).

    `seq` numbers the run's events, `ownerseq` the owner's; both without a gap.
    """
    return {
        "cloudEvents_specversion": "1.0",
        "cloudEvents_id": str(event_id),
        "cloudEvents_type": event_type,
        "cloudEvents_source": "/lingoloop",
        "cloudEvents_subject": str(run_id),
        "cloudEvents_time": at.isoformat(),
        "cloudEvents_owner": owner,
        "cloudEvents_seq": seq,
        "cloudEvents_ownerseq": owner_seq,
    }
