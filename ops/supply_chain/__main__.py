"""`python -m ops.supply_chain`: what comes with the code. Exit code 0: in order; 1: look at it; 3: nobody to ask.

`licences` writes the pages of licences instead.
"""

import sys
import tomllib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from ops.supply_chain import advisories, licences, secrets

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / ".venv-ops" / "bin"
ACCEPTED: dict[str, Any] = tomllib.loads((Path(__file__).parent / "accepted.toml").read_text())
PAGES = {
    ROOT / "docs" / "operations" / "licences.md": licences.ENGLISH,
    ROOT / "docs" / "operations" / "licences.zh.md": licences.CHINESE,
}
LOCKS = ("requirements.lock", "ops/systemd/install.lock", "ops/images/cuda.lock", "ops/tools.lock")


def known_faults() -> Iterable[str]:
    """Yield what the advisory services know of pinned packages; raise NotAsked at the end if one did not answer."""
    found: list[advisories.Fault] = []
    silent = []
    sources: list[Callable[[], list[advisories.Fault]]] = [partial(_pip, lock) for lock in LOCKS]
    for read in [*sources, _npm]:
        try:
            found += read()
        except advisories.NotAsked as error:
            silent.append(str(error))
    yield from advisories.judged(found, ACCEPTED.get("advisory", []), datetime.now(UTC).date())
    if silent:
        raise advisories.NotAsked("\n".join(silent))


def _pip(lock: str) -> list[advisories.Fault]:
    program, how = str(TOOLS / "pip-audit"), ["--require-hashes", "--disable-pip", "--progress-spinner=off"]
    answer = advisories.ask([program, *how, "--format=json", "-r", lock], ROOT)
    return list(advisories.of_pip(answer, lock))


def _npm() -> list[advisories.Fault]:
    command = ["npm", "audit", "--json", "--package-lock-only"]
    return list(advisories.of_npm(advisories.ask(command, ROOT / "web"), "web/package-lock.json"))


def secrets_in_files() -> list[str]:
    """Return what looks like a secret, and was not explained."""
    found = secrets.found(TOOLS / "detect-secrets", ROOT, secrets.tracked(ROOT))
    return secrets.unexplained(found, ACCEPTED["secret"])


def shipped() -> tuple[list[licences.Package], list[licences.Package]]:
    """Return the Python and the npm packages that are shipped."""
    lock = (ROOT / "ops" / "systemd" / "install.lock").read_text()
    python = licences.of_python(TOOLS / "pip-licenses", Path(sys.executable), lock)
    return python, licences.of_npm((ROOT / "web" / "package-lock.json").read_text())


def licences_refused() -> list[str]:
    """Return the packages whose licence is not allowed."""
    python, npm = shipped()
    return licences.refused([*python, *npm], ACCEPTED["licences"])


CHECKS: tuple[tuple[str, Callable[[], Iterable[str]]], ...] = (
    ("secrets in files", secrets_in_files),
    ("licences", licences_refused),
    ("known faults", known_faults),
)


def main(words: list[str]) -> int:
    """Run all checks, and say what each found."""
    if words == ["licences"]:
        packages = shipped()
        for page, texts in PAGES.items():
            page.write_text(licences.page(*packages, ACCEPTED["licences"], texts))
        return 0
    wrong = unknown = False
    for name, check in CHECKS:
        count = 0
        try:
            for line in check():
                count += 1
                print(f"{name}: {line}")
        except advisories.NotAsked as error:
            unknown = True
            print(f"{name}: NOT KNOWN\n{error}")
        else:
            print(f"{name}: {count} to look at")
        wrong = wrong or count > 0
    return 1 if wrong else 3 if unknown else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
