"""The shapes of answers. Handlers write them as plain dicts; the contract test holds every answer against these."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, RootModel

from lingoloop_common.contracts.events import ErrorCause, RunState
from lingoloop_common.contracts.states import RunStatus
from lingoloop_common.contracts.transcript import Segment, Wire, Word
from lingoloop_common.errors import PROBLEMS


def left_out() -> Any:
    """Return a field that is left out where it does not apply; all others are always there, if only as null."""
    return Field(None, exclude_if=lambda value: value is None)


Sha256 = Annotated[str, Field(json_schema_extra={"pattern": "^[0-9a-f]{64}$"})]


class Shape(Wire):
    """Part of an answer."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


class Problem(Shape):
    """What went wrong (RFC 9457). Programs read `code`, people `detail`."""

    model_config = ConfigDict(extra="allow")

    type: Literal["about:blank"]
    title: str
    status: int
    detail: str
    code: str = Field(json_schema_extra={"enum": list(PROBLEMS)})
    error: str
    """`detail` again, for older clients."""

    fields: dict[str, str] | None = left_out()
    """Of `invalid_value`: what is wrong with each field."""

    cause: ErrorCause | None = left_out()
    """Of `run_failed`: why; the ids of the audio, the run and the job are beside it."""


class RunOfAudio(Shape):
    """One of an audio's runs."""

    id: UUID
    status: RunStatus


class Audio(Shape):
    """A recording."""

    id: UUID
    filename: str
    content_type: str | None
    """Null, as are its size and SHA-256, while it is still to be fetched from where it is."""

    size_bytes: int | None
    duration_ms: int | None
    """Null until it is known."""

    sha256: Sha256 | None
    metadata: dict[str, Any]
    """What its upload gave as such."""

    created_at: datetime
    runs: list[RunOfAudio]
    """The newest of its runs, up to 100."""


class AudioPage(Shape):
    """A page of recordings, the newest first."""

    items: list[Audio]
    next_cursor: str | None
    """Null on the last page."""


class Receipt(Shape):
    """What was deleted. It is kept, without a name or any content."""

    id: UUID
    audio_id: UUID
    owner: str
    runs: int
    segments: int
    events: int
    size_bytes: int | None
    """Null, as is its SHA-256, where it had not been fetched from where it was."""

    sha256: Sha256 | None
    deleted_at: datetime


class OptionsOfRun(Shape):
    """What was asked for, beside language, engine and model, as far as it is not the default."""

    task: Literal["translate"] | None = left_out()
    hotwords: list[str] | None = left_out()
    diarize: Literal[True] | None = left_out()
    channels: Literal["separate"] | None = left_out()
    track: int | None = left_out()


class Run(Shape, RunState):
    """A run: one transcription of an audio."""

    id: UUID
    filename: str
    duration_ms: int | None
    size_bytes: int | None
    engine: str
    model: str | None
    """Null of an engine without any to choose from."""

    language: str | None
    """As asked for, or as found."""

    options: OptionsOfRun
    speakers: dict[str, str]
    """The names that were given to speakers, by label."""

    edited: bool
    """Whether there are segments that a person has changed."""

    metadata: dict[str, Any]
    """The recording's."""

    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None


class Match(Shape):
    """A segment in which is said what was searched for."""

    index: int
    start: float
    text: str


class ListedRun(Run):
    """A run in a list."""

    matches: list[Match] | None = left_out()
    """With `q`: up to three segments that hold the most of it; none where only the recording's name does."""


class RunPage(Shape):
    """A page of runs, the newest first."""

    items: list[ListedRun]
    next_cursor: str | None
    """Null on the last page."""


class AudioOfRun(Shape):
    """What a run's progress tells of its audio."""

    id: UUID
    filename: str
    duration_ms: int | None
    size_bytes: int | None


class Job(Shape):
    """One try at a run."""

    id: UUID
    job_type: Literal["transcribe_short", "transcribe_long"]
    status: RunStatus
    retry_count: int
    created_at: datetime
    updated_at: datetime
    error_message: str | None


class Progress(Shape, RunState):
    """How far a run is."""

    audio: AudioOfRun
    jobs: list[Job]
    created_at: datetime
    completed_at: datetime | None


class TranscriptSegment(Shape, Segment):
    """A segment with its words."""

    words: list[Word]
    channel: int | None = left_out()
    """The channel in which it is said, from 0, where each is transcribed alone."""

    speaker: str | None = left_out()
    """The label of who speaks."""

    speaker_name: str | None = left_out()
    """The name that was given to this label."""

    edited: Literal[True] | None = left_out()
    """A person has changed it."""


class SegmentPage(Shape):
    """A page of segments, in time order."""

    items: list[TranscriptSegment]
    next_cursor: str | None
    """Null when these are the last so far."""


class Transcript(Run):
    """A run with all its segments: the JSON export."""

    segments: list[TranscriptSegment]


class Waveform(Shape):
    """The least and the greatest sample by turns, from -128 to 127."""

    version: Literal[2]
    channels: Literal[1]
    sample_rate: int = Field(alias="sample_rate")
    samples_per_pixel: int = Field(alias="samples_per_pixel")
    bits: Literal[8]
    length: int
    """Pairs in `data`."""

    data: list[int]
    duration_ms: int | None
    complete: bool
    """Whether this is all of it."""

    pending: bool
    """Whether more is to come. An engine that does not listen leaves none."""


class Taken(Shape):
    """A run that exists from now on; its status is told by `GET /api/runs/{run_id}` and its events."""

    audio_id: UUID
    run_id: UUID
    job_id: UUID
    status: RunStatus
    queued: bool
    """Whether it was begun just now, or still waits."""

    reused: Literal[True] | None = left_out()
    """The run was there already: the same bytes and options."""


class Transcribed(Shape):
    """A run that has succeeded while the client waited."""

    audio_id: UUID
    run_id: UUID
    job_id: UUID
    status: Literal[RunStatus.SUCCEEDED]
    text: str
    language: str | None
    duration_ms: int | None
    segments: list[TranscriptSegment]
    reused: Literal[True] | None = left_out()


class Accepted(RootModel[Transcribed | Taken]):
    """The words of a small recording; where a run was there already and goes on, where it is."""


class Ticket(Shape):
    """Stands in for the token in one address."""

    ticket: str
    path: str
    expires_at: datetime
