"""Text that people give, as it is kept. Pure."""

import re

_BLANK = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


def plain(text: str) -> str:
    """Return the text with line breaks, control characters and runs of spaces as single spaces, none at the ends."""
    return _BLANK.sub(" ", text).strip()
