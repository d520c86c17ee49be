"""How far a run is, and how long it will take: from audio really done, never from a clock."""


def percent(done_ms: int, total_ms: int | None, *, finished: bool) -> int:
    """Return progress from 0 to 100; 100 only when the run has succeeded."""
    if finished:
        return 100
    if not total_ms:
        return 0
    return min(99, done_ms * 100 // total_ms)


def seconds_left(done_ms: int, total_ms: int | None, working_ms: int | None) -> int | None:
    """Return the seconds the rest will take at the pace so far, or None while nothing is known.

    Args:
        done_ms: audio done.
        total_ms: audio in all.
        working_ms: time since the work began.
    """
    if not total_ms or not working_ms or done_ms <= 0:
        return None
    return round(max(0, total_ms - done_ms) / done_ms * working_ms / 1000)
