"""The shapes of answers. Handlers write them as plain dicts; the contract test holds every answer against these."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, RootModel

from lingoloop_common.contracts.engines import Ability
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


class Oidc(Shape):
    """An identity provider at which the web app's users sign in (OpenID Connect, authorization code with PKCE)."""

    authority: str
    client_id: str
    scope: str


class WaysIn(Shape):
    """How one signs in at the web app, beside with a token."""

    oidc: Oidc | None
    link: bool
    """Whether the server prints a link that is good once."""


class Limits(Shape):
    """How much a recording may have."""

    upload_bytes: int
    audio_duration_ms: int


class PageSettings(Shape):
    """What a page must know before anybody has signed in."""

    version: str
    sign_in: WaysIn
    limits: Limits


class SignedIn(Shape):
    """A token in place of a one-time link's code."""

    token: str
    expires_at: datetime


class Me(Shape):
    """Who calls, and what that one may."""

    owner: str
    scopes: list[str]
    expires_at: datetime | None
    """Null of an API key, which is good until it is revoked."""


class EngineChoice(Shape):
    """An engine, and its model, null of one without any to choose from."""

    engine: str
    model: str | None


class Engine(EngineChoice):
    """What workers offer."""

    lane: str
    languages: list[str] | None
    """Codes of the languages it knows; null: it takes any."""

    can: list[Ability]
    """What it can beside writing down what is said in one language."""

    alive: bool
    """Whether a worker of it is alive; else what is asked of it waits for one."""


class EngineList(Shape):
    """The engines that workers have ever offered."""

    default: EngineChoice
    """What an upload gets that names none."""

    items: list[Engine]


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
