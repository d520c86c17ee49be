"""Secrets in the repository's files: what detect-secrets finds, without what was explained."""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

SUMS = (".lock", "package-lock.json")
"""Files that hold the sums of others, thousands of them."""

BINARY = (".onnx", ".ogg", ".png", ".woff2")


def tracked(root: Path) -> list[str]:
    """Return the repository's files, and those that are to become some."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=root, check=True, capture_output=True).stdout.decode().split("\0")
    return [name for name in names if name and (root / name).is_file() and not name.endswith(BINARY + SUMS)]


def found(program: Path, root: Path, files: Sequence[str]) -> Iterator[tuple[str, int, str]]:
    """Yield file, line and kind of all that looks like a secret. Nothing is asked of anybody outside."""
    done = subprocess.run(
        [program, "scan", "--no-verify", *files],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    for name, secrets in json.loads(done.stdout)["results"].items():
        for secret in secrets:
            yield name, secret["line_number"], secret["type"]


def unexplained(results: Iterator[tuple[str, int, str]], explained: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what no explanation covers. Pure."""
    return [
        f"{name}:{line}: {kind}"
        for name, line, kind in results
        if not any(
            kind in entry["types"] and any(fnmatch(name, pattern) for pattern in entry["files"])
            for entry in explained
        )
    ]
