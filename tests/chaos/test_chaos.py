"""A short chaos, each kind of fault once: nothing is lost, doubled or stuck, every subscriber is told all in order."""

import shutil
import tempfile
from pathlib import Path

import pytest

from tests.chaos.driver import chaos
from tests.chaos.faults import KINDS


@pytest.mark.timeout(240)
async def test_a_fleet_comes_through_each_kind_of_fault_whole() -> None:
    folder = Path(tempfile.mkdtemp(prefix="lingoloop-chaos-"))
    report = await chaos(14, 10, folder, size=len(KINDS))
    assert report.found.lines() == [], f"the services' logs are in {folder}"
    assert report.holds, f"{report.executions} executions a chunk; the services' logs are in {folder}"
    assert report.runs >= 10
    shutil.rmtree(folder)
    missed = [kind for kind in KINDS if not report.hits[kind] and kind not in report.skipped]
    assert missed == []
