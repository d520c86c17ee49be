"""Each process's peak (VmHWM) over a 2-GB upload and all its work (ours), against a 20-MB one's (baseline), in MB.

The file is 32-bit stereo at 96 kHz: 44 minutes. Fresh fleets, three rounds; `raised_mb` is the worst process's difference.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.fleets import bench_fleet, transcribe
from bench.recordings import recording, write_large
from bench.report import compared
from tests.fleet import Fleet
from tests.speech import Clip

ROUNDS = 3
MEGABYTES = 2_000
FEW_MEGABYTES = 20


async def measure(speech: Path) -> dict[str, Any]:
    """Compare the fleets' processes one by one, by their roles."""
    clip = recording(speech, 10)
    large, small = [], []
    for _ in range(ROUNDS):
        small.append(await peaks(clip, FEW_MEGABYTES))
        large.append(await peaks(clip, MEGABYTES))
        print({role: (small[-1][role], peak) for role, peak in large[-1].items()}, flush=True)
    raised = {
        role: [round(many[role] - few[role], 1) for many, few in zip(large, small, strict=True)]
        for role in large[0]
    }
    return compared(
        [max(peak.values()) for peak in large],
        [max(peak.values()) for peak in small],
        unit="MB",
        bigger_is_better=False,
        raised_mb=max(max(values) for values in raised.values()),
        raised_by_role=raised,
        peaks=large[-1],
    )


async def peaks(clip: Clip, megabytes: int) -> dict[str, float]:
    """Upload a file of a size, wait for its end, and return the peak of each process, in MB by role."""
    async with bench_fleet() as (fleet, folder):
        await transcribe(fleet, write_large(folder / "recording.wav", clip, megabytes))
        found: dict[str, float] = {}
        for role, peak in _peaks(fleet):
            found[role] = max(peak, found.get(role, 0.0))
        return found


def _peaks(fleet: Fleet) -> Iterator[tuple[str, float]]:
    parents = {int(path.parent.name): path.read_text() for path in Path("/proc").glob("[0-9]*/status")}
    for service in fleet.services:
        for pid, status in parents.items():
            fields = dict(line.split(":", 1) for line in status.splitlines())
            peak = int(fields["VmHWM"].split()[0]) / 1000 if "VmHWM" in fields else 0.0
            if pid == service.process.pid:
                yield service.name, peak
            elif int(fields["PPid"]) == service.process.pid:
                yield f"{service.name}'s child", peak
