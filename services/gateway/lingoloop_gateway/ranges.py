"""Which bytes of a file are asked for (RFC 9110, section 14). Pure."""

import re

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII | re.IGNORECASE)


class Unsatisfiable(ValueError):
    """The range asks for bytes beyond the file's end."""


def wanted_bytes(header: str, size: int) -> range | None:
    """Return which of `size` bytes a Range header asks for, None for all.

    What is no range, and several at once, are answered with all, as RFC 9110 lets a server do (14.2).

    Raises:
        Unsatisfiable: the file has none of the bytes.
    """
    found = _RANGE.fullmatch(header.strip())
    if found is None or found.group(1) == found.group(2) == "":
        return None
    first, last = found.groups()
    if not first:
        wanted = range(max(0, size - int(last)), size)
    elif last and int(last) < int(first):
        return None
    else:
        wanted = range(int(first), min(int(last) + 1, size) if last else size)
    if not wanted:
        raise Unsatisfiable(f"the file has {size} bytes")
    return wanted
