"""Small or large: the document's rule."""

import pytest

from lingoloop_gateway.sizes import SyncLimits, is_large

LIMITS = SyncLimits(max_bytes=10_485_760, max_duration_ms=60_000)


@pytest.mark.parametrize(
    ("size", "duration", "model", "large"),
    [
        (1, 0, None, False),
        (10_485_760, 60_000, None, False),
        (10_485_761, 1, None, True),
        (1, 60_001, None, True),
        (1, None, None, True),
        (1, 1, "long", True),
        (1, 1, "longer", False),
        (1, 1, "base", False),
    ],
)
def test_a_recording_is_large_by_size_length_wish_or_when_its_length_is_unknown(
    size: int, duration: int | None, model: str | None, large: bool
) -> None:
    assert is_large(size, duration, model, LIMITS) is large
