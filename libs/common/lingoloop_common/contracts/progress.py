"""How far a run is: from audio really done, never from a clock."""


def percent(done_ms: int, total_ms: int | None, *, finished: bool) -> int:
    """Return progress from 0 to 100; 100 only when the run has succeeded."""
    if finished:
        return 100
    if not total_ms:
        return 0
    return min(99, done_ms * 100 // total_ms)
