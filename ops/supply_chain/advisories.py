"""Known faults of what we depend on: what pip-audit and npm say, and what was accepted. Pure, but for `ask`."""

import json
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Fault:
    """An advisory about a package in use; `ids` are all its names."""

    package: str
    ids: frozenset[str]
    where: str

    def __str__(self) -> str:
        return f"{self.where}: {self.package} has {', '.join(sorted(self.ids))}"


class NotAsked(Exception):
    """The advisory service did not answer: nothing is known, which is not the same as nothing found."""


def of_pip(answer: str, where: str) -> Iterator[Fault]:
    """Read pip-audit's JSON.

    Raises:
        NotAsked: a package was left out, as pip-audit does where the service does not know it, or nothing was said.
    """
    try:
        found = json.loads(answer)["dependencies"]
    except (ValueError, KeyError):
        raise NotAsked(f"{where}: pip-audit gave no answer") from None
    if left_out := [one["name"] for one in found if "skip_reason" in one]:
        raise NotAsked(
            f"{where}: nothing is known of {len(left_out)} packages of {len(found)}: {left_out[0]}, …"
        )
    for one in found:
        for fault in one["vulns"]:
            yield Fault(one["name"], frozenset([fault["id"], *fault.get("aliases", [])]), where)


def of_npm(answer: str, where: str) -> Iterator[Fault]:
    """Read `npm audit --json`; raise NotAsked when it holds no report."""
    try:
        found = json.loads(answer)["vulnerabilities"]
    except (ValueError, KeyError):
        raise NotAsked(f"{where}: npm audit gave no answer") from None
    for name, one in found.items():
        for cause in one["via"]:
            if isinstance(
                cause, Mapping
            ):  # else the name of the package that has it, which is told by itself
                yield Fault(name, frozenset([cause["url"].rpartition("/")[2]]), where)


def judged(faults: Iterable[Fault], accepted: Sequence[Mapping[str, Any]], today: date) -> list[str]:
    """Return what must be looked at: faults that nobody accepted, or no longer; entries that match nothing."""
    found = list(faults)
    valid = [entry for entry in accepted if entry["until"] >= today]
    lines = [f"accepted until {one['until']}: {one['id']}" for one in accepted if one not in valid]
    lines += [
        f"accepted, but not found: {one['id']} of {one['package']}"
        for one in valid
        if not any(_same(one, fault) for fault in found)
    ]
    return lines + [str(fault) for fault in found if not any(_same(one, fault) for one in valid)]


def _same(entry: Mapping[str, Any], fault: Fault) -> bool:
    return entry["package"] == fault.package and entry["id"] in fault.ids


def ask(command: Sequence[str], folder: Path) -> str:
    """Return what a program prints; both end with 1 when they find something."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    return done.stdout
