"""What the headers of answers mean."""

from collections.abc import Mapping

HEADERS: Mapping[str, str] = {
    "X-Request-Id": "Names this request in the server's log.",
    "Retry-After": "Seconds to wait.",
    "WWW-Authenticate": "`Bearer`.",
    "Location": "Where it is.",
    "ETag": "Names what is answered: of bytes, their SHA-256.",
    "Last-Modified": "When the recording came.",
    "Accept-Ranges": "`bytes`.",
    "Content-Range": "Which bytes these are, and of how many.",
    "Content-Disposition": "The file's name.",
    "Idempotent-Replayed": "`true`: this `Idempotency-Key` was answered before, and nothing was made anew.",
    "Lingoloop-Run-Id": "The run's id in this API.",
    "Content-Security-Policy": "What the page may do: nothing but what it comes with, from here.",
    "Cache-Control": "For how long it may be kept.",
    "Lingoloop-Reused": "`true`: the same bytes with the same options had this run already.",
    "Tus-Resumable": "The protocol's version.",
    "Tus-Version": "The versions that are spoken here.",
    "Tus-Extension": "The extensions that are spoken here.",
    "Tus-Max-Size": "How many bytes an upload may have.",
    "Tus-Checksum-Algorithm": "What `Upload-Checksum` may be of.",
    "Upload-Offset": "How many bytes have come.",
    "Upload-Length": "How many bytes it will have.",
    "Upload-Defer-Length": "`1` where that is not known yet.",
    "Upload-Metadata": "What the client has told of the file.",
    "Upload-Concat": "Whether it is a part, or what it is made of.",
    "Upload-Expires": "When it is forgotten, unless more of it comes.",
}

OF_STATUS: Mapping[int, tuple[str, ...]] = {
    401: ("WWW-Authenticate",),
    416: ("Content-Range",),
    429: ("Retry-After",),
}
"""What refusals always have."""
