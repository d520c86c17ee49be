"""A claim: the unit that a worker holds, in one attempt, and what an engine made of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from lingoloop_common.contracts.states import RunStatus
from lingoloop_common.contracts.transcript import Segment
from lingoloop_common.contracts.units import UnitKind


@dataclass(frozen=True, slots=True)
class Claim:
    """A unit that this worker holds, in one attempt; every write for it is conditioned on that attempt."""

    unit_id: UUID
    run_id: UUID
    lane: str
    kind: UnitKind
    attempt: int
    failures: int
    lost: int
    cost: float
    small: bool
    run_status: RunStatus
    language: str | None
    options: Mapping[str, Any]
    planned_samples: int
    chunks_total: int
    chunks_open: int
    audio_blob: str
    duration_ms: int | None
    chunk_index: int | None
    start_sample: int | None
    end_sample: int | None
    chunk_blob: str | None
    chunk_channels: Sequence[int] | None
    traceparent: str | None
    request_id: str | None

    @property
    def samples(self) -> int:
        """How many samples a chunk has; 0 for a plan."""
        if self.start_sample is None or self.end_sample is None:
            return 0
        return self.end_sample - self.start_sample

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Make a claim from a row of `describe_unit`."""
        return cls(
            unit_id=row["id"],
            kind=UnitKind(row["kind"]),
            run_status=RunStatus(row["run_status"]),
            **{name: row[name] for name in cls.__slots__ if name not in {"unit_id", "kind", "run_status"}},
        )


@dataclass(frozen=True, slots=True)
class Result:
    """What an engine made of a chunk, the claim it was made for, and the slots that the fleet had then.

    `voices`: what was heard of them, where it is asked who speaks.
    """

    claim: Claim
    segments: list[Segment]
    engine_ms: int
    slots: int
    voices: bytes = b""
    traceparent: str | None = None
    """The step in which it was made; results of several are written together."""
    counted: int = 0
    """Samples of the chunk that its progress has counted as done already."""
    language: str | None = None
    """What the engine found to be spoken, if it finds that with the words."""
