"""The calls about recordings."""

from lingoloop_common.auth import READ, WRITE
from lingoloop_gateway.description.routes import (
    ANY_BYTES,
    JSON,
    Answer,
    Parameter,
    Route,
    cursor,
    form_of,
    in_query,
    json_of,
    limit,
)
from lingoloop_gateway.description.shapes import Accepted, Audio, AudioPage, Receipt, Taken, Ticket, Waveform
from lingoloop_gateway.options import AgainOptions, ImportOptions, UploadOptions
from lingoloop_gateway.parameters import LIST_LIMIT
from lingoloop_gateway.peaks import MOST_POINTS, POINTS
from lingoloop_gateway.tickets import Wish

FORM = "multipart/form-data"

ABOUT_UPLOADS = (
    "Send the bytes as the body, with their `Content-Type` and the options in the query; or a form with one part named "
    "`file`, its options in the query or as fields; or JSON with the `url` of a file that the server is to fetch. A small "
    "recording is answered with its words, a large one and one that is to be fetched with 202. The same bytes and options as "
    "before give the run that exists and has not failed, `reused`, unless `force` is set."
)

ACCEPTED = {
    200: json_of(Accepted, "It is transcribed; or there was such a run already.", sometimes=("Location",)),
    202: json_of(Taken, "It will be transcribed.", headers=("Location",)),
}

CONDITIONS = tuple(
    Parameter(name, {"type": "string"}, says, place="header")
    for name, says in {
        "Range": "Which bytes, like `bytes=0-65535`.",
        "If-Range": "The `ETag` or `Last-Modified` of the bytes that are there already.",
        "If-Match": "Answers 412 unless the recording has this `ETag`.",
        "If-None-Match": "Answers 304 where the recording has this `ETag`.",
        "If-Modified-Since": "Answers 304 where the recording is not newer.",
        "If-Unmodified-Since": "Answers 412 where the recording is newer.",
    }.items()
)

REDIRECT = Parameter(
    "redirect",
    {"type": "string", "enum": ["0", "1", "false", "true"], "default": "0"},
    "With `1`, answers 307 with an address of the storage itself, where that can sign one; else with the bytes. Not for `HEAD`.",
)

ROUTES = (
    Route(
        "POST", "/api/audios", "Upload a recording", "Recordings", WRITE,
        ACCEPTED,
        # `not_found`: it was deleted while the client waited. `conflict`: uploads have named too many addresses.
        ("not_found", "conflict", "unsupported_media_type", "invalid_value", "not_audio", "too_long", "unknown_lane", "unsupported", "run_failed",
         "storage_full", "storage_quota", "queue_quota"),
        says=ABOUT_UPLOADS,
        parameters=in_query(UploadOptions),
        body={"*/*": ANY_BYTES, FORM: form_of(UploadOptions, others=False), JSON: ImportOptions},
        once=True,
    ),
    Route(
        "GET", "/api/audios", "List recordings", "Recordings", READ,
        {200: json_of(AudioPage, "A page.")},
        ("invalid_value",),
        parameters=(limit(50, LIST_LIMIT), cursor()),
    ),
    Route(
        "GET", "/api/audios/{audio_id}", "Look at a recording", "Recordings", READ,
        {200: json_of(Audio, "The recording and its runs.")},
    ),
    Route(
        "DELETE", "/api/audios/{audio_id}", "Delete a recording and all that came of it", "Recordings", WRITE,
        {200: json_of(Receipt, "The receipt.")},
        says="What runs is cancelled. Bytes, text and events are removed; the receipt is kept.",
    ),
    Route(
        "GET", "/api/audios/{audio_id}/content", "Fetch a recording's bytes", "Recordings", READ,
        {
            200: Answer("All bytes.", {"*/*": ANY_BYTES}, ("ETag", "Last-Modified", "Accept-Ranges", "Content-Disposition")),
            206: Answer("The bytes that `Range` names.", {"*/*": ANY_BYTES}, ("ETag", "Content-Range")),
            304: Answer("The client has them already.", headers=("ETag",)),
            307: Answer("Where they are, for five minutes and without a token.", headers=("Location",)),
        },
        # `conflict`: it is still to be fetched.
        ("conflict", "precondition_failed", "range_not_satisfiable", "invalid_value"),
        parameters=(*CONDITIONS, REDIRECT),
        token_in_query=True,
    ),
    Route(
        "GET", "/api/audios/{audio_id}/peaks", "Fetch a recording's waveform", "Recordings", READ,
        {
            200: json_of(Waveform, "As much of it as was heard so far.", sometimes=("ETag",)),
            304: Answer("The client has it already.", headers=("ETag",)),
        },
        ("invalid_value",),
        says="In the JSON of BBC's audiowaveform, with `durationMs`, `complete` and `pending` beside it.",
        parameters=(
            Parameter(
                "points",
                {"type": "integer", "minimum": 1, "maximum": MOST_POINTS, "default": POINTS},
                "How many pairs it may have at most.",
            ),
            Parameter("If-None-Match", {"type": "string"}, "Answers 304 where the waveform has this `ETag`.", place="header"),
        ),
    ),
    Route(
        "POST", "/api/audios/{audio_id}/transcribe", "Transcribe a recording again", "Recordings", WRITE,
        ACCEPTED,
        ("conflict", "invalid_value", "unknown_lane", "unsupported", "run_failed", "queue_quota"),
        says="With other options: the same ones give the run that exists, unless `force` is set.",
        parameters=in_query(AgainOptions),
        body={JSON: AgainOptions},
        body_required=False,
        once=True,
    ),
    Route(
        "POST", "/api/tickets", "Make a ticket for an address", "Recordings", READ,
        {201: json_of(Ticket, "The ticket; put it behind `?access_token=`.")},
        ("invalid_value",),
        says="A ticket stands in for the token where a browser cannot set a header: event streams, content, exports. It "
        "must be opened within a minute, and is good for that path for 12 hours. An `Idempotency-Key` counts together with "
        "the token: with another token it stands for another request.",
        body={JSON: Wish},
        once=True,
    ),
)  # fmt: skip
