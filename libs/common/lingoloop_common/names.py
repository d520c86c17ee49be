"""What clients call their files, made harmless: names are shown and sent back, never used as paths. Pure."""

import re
import unicodedata
from urllib.parse import quote

LONGEST = 255
LONGEST_SUFFIX = 16
UNNAMED = "recording"
UNKNOWN_TYPE = "application/octet-stream"

_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,63}")  # RFC 6838, 4.2
_DROPPED = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode's control characters, surrogates and line ends."""

_TURNING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
"""What turns the direction of text (UAX #9): it makes `talk.exe` look like another kind of file."""


def clean_filename(name: str) -> str:
    """Return the last part of a path, printable and of at most 255 characters; `recording` where nothing is left."""
    text = name.encode(errors="replace").decode().replace("\\", "/").rpartition("/")[2]
    text = "".join(letter for letter in text if _is_kept(letter)).strip()
    if len(text) > LONGEST:
        stem, dot, suffix = text.rpartition(".")
        kept = dot + suffix if stem and len(suffix) < LONGEST_SUFFIX else ""
        text = text[: LONGEST - len(kept)] + kept
    return UNNAMED if text in ("", ".", "..") else text


def _is_kept(letter: str) -> bool:
    return unicodedata.category(letter) not in _DROPPED and unicodedata.bidirectional(letter) not in _TURNING


def clean_content_type(value: str) -> str:
    """Return a media type without its parameters, `application/octet-stream` for what is none."""
    kind = value.partition(";")[0].strip().lower()
    return kind if _MEDIA_TYPE.fullmatch(kind) else UNKNOWN_TYPE


def content_disposition(filename: str) -> str:
    """Return the header that makes browsers save bytes under a name, never show them as a page (RFC 6266).

    Old clients read the first name: letters of ASCII that need no quoting. The others read the second, percent-encoded.
    """
    plain = re.sub(r"[^A-Za-z0-9 ._-]", "_", filename)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"
