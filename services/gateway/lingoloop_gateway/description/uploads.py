"""The calls of tus."""

from lingoloop_common.auth import WRITE
from lingoloop_gateway.description.routes import ANY_BYTES, TEXT, Answer, Parameter, Route, Schema
from lingoloop_gateway.tus import ALGORITHMS, CONTENT_TYPE, VERSION

ABOUT = (
    "See https://tus.io/protocols/resumable-upload. Of `Upload-Metadata`, `filename` (or `name`) and `filetype` (or `type`) "
    "tell of the file; all other keys are the options of `POST /api/audios`. Whatever has the last bytes come, answers with "
    "`Lingoloop-Run-Id`, and with `Lingoloop-Reused` if that run was there already; a client that lost that answer asks by "
    "HEAD. What is wrong with the recording is told then, too. "
    "Without `Tus-Resumable`, or with another version, the answer is 412 and names those that are spoken by `Tus-Version`."
)

BYTES: Schema = {"type": "integer", "minimum": 0, "maximum": 10**18 - 1}


def header(name: str, schema: Schema, says: str, *, required: bool = False) -> Parameter:
    """Return a header of a request."""
    return Parameter(name, schema, says, required=required, place="header")


SPOKEN = header(
    "Tus-Resumable", {"type": "string", "enum": [VERSION]}, "The protocol's version.", required=True
)
LENGTH = header(
    "Upload-Length", BYTES, "How many bytes the upload will have; without it, `Upload-Defer-Length: 1`."
)
LATE_LENGTH = header(
    "Upload-Length", BYTES, "How many bytes the upload will have, where that was not told before."
)
DEFERRED = header("Upload-Defer-Length", {"type": "string", "enum": ["1"]}, "`1`: the length is told later.")
METADATA = header(
    "Upload-Metadata", TEXT, "Keys, each with its value in Base64 after a space; commas between them."
)
CONCAT = header(
    "Upload-Concat", TEXT, "`partial`, or `final;` and the addresses of the parts with spaces between them."
)
OFFSET = header("Upload-Offset", BYTES, "Where these bytes begin: how many have come before.", required=True)
CHECKSUM = header(
    "Upload-Checksum",
    {"type": "string", "pattern": f"^({'|'.join(ALGORITHMS)}) [A-Za-z0-9+/]+={{0,2}}$"},
    f"What these bytes sum up to: one of {', '.join(ALGORITHMS)}, a space, the digest in Base64. If they do not, none is kept.",
)
OTHER_METHOD = header(
    "X-HTTP-Method-Override",
    {"type": "string", "enum": ["HEAD", "PATCH", "DELETE"]},
    "The method that is meant.",
    required=True,
)

BODY = {CONTENT_TYPE: ANY_BYTES}
EVERYWHERE = ("method_not_allowed", "precondition_failed", "gone")
OF_THE_LAST_BYTES = (
    "conflict", "not_audio", "too_long", "unknown_lane", "unsupported", "storage_quota", "queue_quota", "storage_full",
)  # fmt: skip
OF_BYTES = ("unsupported_media_type", "locked", "checksum_mismatch", *OF_THE_LAST_BYTES)

TUS = ("Tus-Resumable",)
RUN_OR_END = ("Lingoloop-Run-Id", "Lingoloop-Reused", "Upload-Expires")
STATE = (
    "Upload-Offset",
    "Upload-Length",
    "Upload-Defer-Length",
    "Upload-Metadata",
    "Upload-Concat",
    *RUN_OR_END,
)

CAPABLE = {
    204: Answer(
        "What is spoken here, and how large an upload may be.",
        headers=("Tus-Version", "Tus-Extension", "Tus-Max-Size", "Tus-Checksum-Algorithm"),
    )
}

ROUTES = (
    Route(
        "POST", "/api/uploads", "Begin a resumable upload", "Uploads", WRITE,
        {
            201: Answer(
                "It has begun; the first bytes may come with this call. `Location` is absolute.",
                headers=("Location",),
                sometimes=("Upload-Offset", *RUN_OR_END),
            )
        },
        (*EVERYWHERE, "not_found", *OF_BYTES),
        says=ABOUT,
        parameters=(SPOKEN, LENGTH, DEFERRED, METADATA, CONCAT, CHECKSUM),
        body=BODY,
        body_required=False,
        once=True,
        headers=TUS,
    ),
    Route(
        "OPTIONS", "/api/uploads", "Ask what of tus is spoken", "Uploads", None,
        CAPABLE,
        ("method_not_allowed", "precondition_failed", "unauthorized"),  # another method may stand in a header
        headers=TUS,
    ),
    Route(
        "HEAD", "/api/uploads/{upload_id}", "Ask how far an upload is", "Uploads", WRITE,
        {200: Answer("How far it is.", sometimes=STATE)},
        (*EVERYWHERE, *OF_THE_LAST_BYTES),
        parameters=(SPOKEN,),
        headers=TUS,
    ),
    Route(
        "PATCH", "/api/uploads/{upload_id}", "Send bytes of an upload", "Uploads", WRITE,
        {204: Answer("They have come.", headers=("Upload-Offset",), sometimes=RUN_OR_END)},
        (*EVERYWHERE, *OF_BYTES),
        parameters=(SPOKEN, OFFSET, LATE_LENGTH, CHECKSUM),
        body=BODY,
        headers=TUS,
    ),
    Route(
        "DELETE", "/api/uploads/{upload_id}", "End an upload", "Uploads", WRITE,
        {204: Answer("It is gone with all its bytes; so is the recording that it has become.")},
        EVERYWHERE,
        parameters=(SPOKEN,),
        headers=TUS,
    ),
    Route(
        "POST", "/api/uploads/{upload_id}", "Do one of these where only POST gets through", "Uploads", WRITE,
        {
            200: Answer("As HEAD answers.", sometimes=STATE),
            204: Answer("As PATCH and DELETE answer.", sometimes=("Upload-Offset", *RUN_OR_END)),
        },
        (*EVERYWHERE, *OF_BYTES),
        parameters=(
            OTHER_METHOD,
            SPOKEN,
            header("Upload-Offset", BYTES, "As with PATCH."),
            LATE_LENGTH,
            CHECKSUM,
        ),
        body=BODY,
        body_required=False,
        headers=TUS,
    ),
    Route(
        "OPTIONS", "/api/uploads/{upload_id}", "Ask the same of an upload", "Uploads", None,
        CAPABLE,
        ("method_not_allowed", "precondition_failed", "unauthorized"),  # another method may stand in a header
        headers=TUS,
    ),
)  # fmt: skip
