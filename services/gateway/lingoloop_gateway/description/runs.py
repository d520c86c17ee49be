"""The calls about runs."""

from lingoloop_common.auth import READ, WRITE
from lingoloop_common.contracts.states import RunStatus
from lingoloop_gateway.description.routes import JSON, TEXT, Answer, Parameter, Route, cursor, json_of, limit
from lingoloop_gateway.description.shapes import (
    Progress,
    Run,
    RunPage,
    SegmentPage,
    Transcript,
    TranscriptSegment,
)
from lingoloop_gateway.edits import SegmentEdit, SpeakerNames
from lingoloop_gateway.exports import FORMATS
from lingoloop_gateway.parameters import INDEX_MOST, LIST_LIMIT, SEGMENTS_LIMIT
from lingoloop_gateway.search_words import QUERY_LENGTH

STATUSES = "|".join(RunStatus)

STATUS = Parameter(
    "status",
    {"type": "string", "pattern": f"^({STATUSES})(,({STATUSES}))*$"},
    "Only runs with one of these statuses, separated by commas.",
)

FORMAT = Parameter("fmt", {"type": "string", "enum": list(FORMATS), "default": "txt"}, "The file's format.")

SAID = Parameter(
    "q",
    {"type": "string", "maxLength": QUERY_LENGTH},
    "Only runs in which all of this is said, or that are called so: words, and phrases in quotes. Each has `matches` then.",
)

ORIGINAL = Parameter(
    "original",
    {"type": "string", "enum": ["0", "1", "false", "true"], "default": "0"},
    "With `1`, as the machine has it, without what people have changed.",
)

SEGMENT_CURSOR = cursor({"type": "integer", "minimum": -1, "maximum": INDEX_MOST})

EVENTS = {
    200: Answer(
        "Server-sent events, until the run ends or the token does.",
        {"text/event-stream": TEXT},
    ),
    204: Answer("The run has ended, and the client has seen its end."),
}

STREAM_PARAMETERS = (
    Parameter("named", {"type": "string"}, "With `1` each frame has an `event:` line."),
    Parameter(
        "Last-Event-ID",
        {"type": "string"},
        "The id of the last frame; what came after it is sent again.",
        place="header",
    ),
    Parameter(
        "lastEventId",
        {"type": "string"},
        "The same, for a new EventSource, which cannot set a header. The header counts where both are sent.",
    ),
    Parameter(
        "heartbeat",
        {"type": "string"},
        "With `1` heartbeats are events named `heartbeat`, the first at once, which scripts in a browser see.",
    ),
)

ABOUT_FRAMES = "Frames are described in `/api/asyncapi.json`."

ROUTES = (
    Route(
        "GET", "/api/runs", "List runs", "Runs", READ,
        {200: json_of(RunPage, "A page.")},
        ("invalid_value",),
        parameters=(STATUS, SAID, limit(50, LIST_LIMIT), cursor()),
    ),
    Route(
        "GET", "/api/runs/events", "Follow all runs", "Runs", READ,
        {200: EVENTS[200]},
        says=f"First a `snapshot` of those under way, then an `update` or `done` for each change. {ABOUT_FRAMES}",
        parameters=STREAM_PARAMETERS,
        token_in_query=True,
    ),
    Route(
        "GET", "/api/runs/{run_id}", "Look at a run", "Runs", READ,
        {200: json_of(Run, "The run.")},
    ),
    Route(
        "GET", "/api/runs/{run_id}/progress", "Ask how far a run is", "Runs", READ,
        {200: json_of(Progress, "How far it is, with its audio and jobs.")},
    ),
    Route(
        "GET", "/api/runs/{run_id}/segments", "Read the segments so far", "Runs", READ,
        {200: json_of(SegmentPage, "A page.")},
        ("invalid_value",),
        parameters=(limit(100, SEGMENTS_LIMIT), SEGMENT_CURSOR, ORIGINAL),
    ),
    Route(
        "PATCH", "/api/runs/{run_id}/segments/{index}", "Correct a segment", "Runs", WRITE,
        {200: json_of(TranscriptSegment, "The segment as it is now.")},
        ("invalid_value",),
        says="What is left out stays; null brings the machine's back. The words of a new text have times, too.",
        body={JSON: SegmentEdit},
    ),
    Route(
        "PUT", "/api/runs/{run_id}/speakers", "Name the speakers", "Runs", WRITE,
        {200: json_of(SpeakerNames, "All names that there are now.")},
        ("invalid_value",),
        body={JSON: SpeakerNames},
    ),
    Route(
        "GET", "/api/runs/{run_id}/export", "Fetch the transcript as a file", "Runs", READ,
        {
            200: Answer(
                "The file.",
                {each.content_type.partition(";")[0]: Transcript if name == "json" else TEXT for name, each in FORMATS.items()},
                ("Content-Disposition",),
            )
        },
        ("invalid_value",),
        parameters=(FORMAT, ORIGINAL),
        token_in_query=True,
    ),
    Route(
        "GET", "/api/runs/{run_id}/events", "Follow a run", "Runs", READ,
        EVENTS,
        says=f"First `init`, all that is known; then an `update` for each change; `done` is the last. {ABOUT_FRAMES}",
        parameters=STREAM_PARAMETERS,
        token_in_query=True,
    ),
    Route(
        "POST", "/api/runs/{run_id}/cancel", "Cancel a run", "Runs", WRITE,
        {202: json_of(Run, "The run, `failed` with the code `canceled`.")},
        ("conflict",),
    ),
    Route(
        "POST", "/api/runs/{run_id}/retry", "Try a failed run again", "Runs", WRITE,
        {202: json_of(Run, "The run; only what is missing is done again.")},
        ("conflict",),
    ),
)  # fmt: skip
