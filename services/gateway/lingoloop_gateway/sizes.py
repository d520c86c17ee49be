"""Small or large: the document's rule. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SyncLimits:
    """What is still answered at once: bytes and milliseconds, both inclusive."""

    max_bytes: int
    max_duration_ms: int


def is_large(size_bytes: int, duration_ms: int | None, model: str | None, limits: SyncLimits) -> bool:
    """Whether an upload goes the long way: by `model=long`, by size, by length, or because its length is unknown."""
    return (
        model == "long"
        or size_bytes > limits.max_bytes
        or duration_ms is None
        or duration_ms > limits.max_duration_ms
    )
