"""Servers say in many ways when to come again."""

from datetime import UTC, datetime

import pytest

from lingoloop_transcriber.engines.retry_after import LEAST, MOST, UNSAID, seconds_to_wait

NOW = datetime(2026, 11, 27, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 2.5 "}, 2.5),
        ({"retry-after": "1m30s"}, 90.0),
        ({"retry-after": "Fri, 27 Nov 2026 12:00:20 GMT"}, 20.0),
        ({"retry-after": "Fri, 27 Nov 2026 12:00:20 -0000"}, 20.0),
        ({"retry-after": "Friday, 27-Nov-26 12:00:20 GMT"}, 20.0),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"x-ratelimit-reset-requests": "6m0s"}, 360.0),
        ({"x-ratelimit-reset-requests": "1h2m3.5s"}, 3600.0),
        ({"x-ratelimit-reset-tokens": "2m59.56s"}, 179.56),
        ({"x-ratelimit-reset-tokens": "1200ms"}, 1.2),
        ({"x-ratelimit-reset-requests": "12"}, 12.0),
        ({"x-ratelimit-reset-requests": "3s", "x-ratelimit-reset-tokens": "40s"}, 40.0),
        (
            {
                "x-ratelimit-reset-requests": "3s",
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-tokens": "40s",
                "x-ratelimit-remaining-tokens": "900",
            },
            3.0,
        ),
        ({"retry-after": "5", "x-ratelimit-reset-requests": "40s"}, 5.0),
    ],
)
def test_each_way_is_understood(headers: dict[str, str], seconds: float) -> None:
    assert seconds_to_wait(headers, NOW) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "0"}, LEAST),
        ({"x-ratelimit-reset-requests": "20ms"}, LEAST),
        ({"retry-after": "Fri, 27 Nov 2026 11:00:00 GMT"}, LEAST),
        ({"retry-after": "999999999999"}, MOST),
        ({"retry-after": "Fri, 27 Nov 2099 11:00:00 GMT"}, MOST),
    ],
)
def test_no_wait_is_a_circle_and_none_is_without_end(headers: dict[str, str], seconds: float) -> None:
    assert seconds_to_wait(headers, NOW) == seconds


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"retry-after": "soon"},
        {"retry-after": "-3"},
        {"retry-after": "1m 30s"},
        {"retry-after": "9" * 400},
        {"retry-after": "nan"},
        {"x-ratelimit-reset-requests": ""},
        {"retry-after": "Fri, 99 Nov 2026 12:00:20 GMT"},
    ],
)
def test_what_cannot_be_read_is_not_said(headers: dict[str, str]) -> None:
    assert seconds_to_wait(headers, NOW) == UNSAID


def test_what_cannot_be_read_does_not_hide_what_can() -> None:
    assert seconds_to_wait({"retry-after": "soon", "x-ratelimit-reset-tokens": "4s"}, NOW) == 4.0
