"""What clients keep with a recording: a JSON object of their own, which nothing here reads. Pure."""

from typing import Annotated, Any

import orjson
from pydantic import BeforeValidator, WithJsonSchema

BYTES_MOST = 16 * 1024
"""Of all of it, as JSON without blanks."""

DEPTH_MOST = 8
"""Objects and lists within each other."""

LARGEST, SMALLEST = 1e20, 1e-20
"""The database writes numbers out digit by digit: beyond these, a short text would become a long one."""

NO_OBJECT = "must be a JSON object"


def read_metadata(text: Any) -> Any:
    """Return what a field's text says, a value that was read before as it is; raise ValueError for one that is no JSON."""
    if not isinstance(text, str):
        return text
    try:
        return orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        raise ValueError(NO_OBJECT) from None


def check_metadata(value: Any) -> Any:
    """Return an object that can be kept, and given back as it came.

    Raises:
        ValueError: it is none, or cannot; the text says why.
    """
    if not isinstance(value, dict):
        raise ValueError(NO_OBJECT)  # noqa: TRY004 - pydantic reads it
    _look(value, depth=1)
    if len(orjson.dumps(value)) > BYTES_MOST:
        raise ValueError(f"may have {BYTES_MOST} bytes")
    return value


def _look(value: Any, *, depth: int) -> None:
    if isinstance(value, dict | list):
        if depth > DEPTH_MOST:
            raise ValueError(f"may have {DEPTH_MOST} objects and lists within each other")
        for each in [*value, *value.values()] if isinstance(value, dict) else value:
            _look(each, depth=depth + 1)
    elif isinstance(value, str) and "\0" in value:
        raise ValueError("may hold no NUL character")
    elif isinstance(value, float) and value and not SMALLEST <= abs(value) <= LARGEST:
        raise ValueError(f"may hold numbers from {SMALLEST:g} to {LARGEST:g}")


Metadata = Annotated[dict[str, Any], BeforeValidator(check_metadata)]
"""As an object, in JSON."""

MetadataText = Annotated[
    Metadata,
    BeforeValidator(read_metadata),
    WithJsonSchema({"type": "string", "contentMediaType": "application/json"}),
]
"""As text, in a query, a form or the like."""
