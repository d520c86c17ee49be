"""How long a server asks to be left alone, in all the ways in which servers say it. Pure."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LEAST, MOST = 1.0, 3600.0
"""Seconds: one that says less is not asked in a circle, one that says more is asked again."""

UNSAID = 15.0
"""Seconds to wait where the server does not say how long."""

RESET = "x-ratelimit-reset-"
REMAINING = "x-ratelimit-remaining-"

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d{1,12}(?:\.\d{0,12})?)(ms|s|m|h|d)")
_DURATION = re.compile(rf"(?:{_PART.pattern})+")
_NUMBER = re.compile(r"\d{1,12}(?:\.\d{0,12})?")


def seconds_to_wait(headers: Mapping[str, str], now: datetime) -> float:
    """Return the seconds until the server may be asked again.

    `Retry-After` (RFC 9110, section 10.2.3: seconds or a date) comes first; then OpenAI's `x-ratelimit-reset-…`: of those
    whose `x-ratelimit-remaining-…` is 0, or of all, the longest.

    Args:
        headers: their names in small letters.
        now: with its time zone.
    """
    milliseconds = headers.get("retry-after-ms", "")
    said = [
        float(milliseconds) / 1000 if _NUMBER.fullmatch(milliseconds) else None,
        _seconds(headers.get("retry-after", ""), now),
        _longest_reset(headers, now),
    ]
    found = next((seconds for seconds in said if seconds is not None), UNSAID)
    return min(MOST, max(LEAST, found))


def _longest_reset(headers: Mapping[str, str], now: datetime) -> float | None:
    resets = {
        name.removeprefix(RESET): seconds
        for name, value in headers.items()
        if name.startswith(RESET) and (seconds := _seconds(value, now)) is not None
    }
    spent = [seconds for name, seconds in resets.items() if headers.get(REMAINING + name, "").strip() == "0"]
    return max(spent or resets.values(), default=None)


def _seconds(text: str, now: datetime) -> float | None:
    """Read `12`, `1.5`, `1m30s`, `20ms` or a date; None for anything else."""
    text = text.strip()
    if _NUMBER.fullmatch(text):
        return float(text)
    if _DURATION.fullmatch(text):
        return math.fsum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return (until.replace(tzinfo=until.tzinfo or UTC) - now).total_seconds()
