"""The line that each bench prints last."""

import statistics
from collections.abc import Sequence
from typing import Any


def compared(
    ours: Sequence[float], baseline: Sequence[float], *, unit: str, bigger_is_better: bool, **more: Any
) -> dict[str, Any]:
    """Return medians of alternating rounds; `ratio` is the median of the rounds' ratios, bigger is better for us."""
    pairs = zip(ours, baseline, strict=True)
    return {
        "ours": round(statistics.median(ours), 3),
        "baseline": round(statistics.median(baseline), 3),
        "ratio": round(statistics.median(o / b if bigger_is_better else b / o for o, b in pairs), 3),
        "unit": unit,
        "ours_all": [round(value, 3) for value in ours],
        "baseline_all": [round(value, 3) for value in baseline],
        **more,
    }
