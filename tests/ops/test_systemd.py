"""systemd's units: correct, shut in, and started with the settings that one command writes."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from lingoloop.doctor_here import OTHERS, SERVICES
from tests.fleet import Service
from tests.guide.walk import walk
from tests.servers import free_port

pytestmark = [
    pytest.mark.ops,
    pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here"),
]

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "ops" / "systemd"
PROGRAM = "/opt/lingoloop/bin/lingoloop"
SERVICE_UNITS = sorted(path.name for path in UNITS.glob("*.service"))

EXPOSURE = 2.0
"""Of 10: what `systemd-analyze security` may find at most; 1.6 when this was written."""


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """All units, with a program that is there."""
    folder = tmp_path / "units"
    shutil.copytree(UNITS, folder)
    for path in folder.glob("*.service"):
        path.write_text(path.read_text().replace(PROGRAM, "/bin/true"))
    return folder


def analyze(folder: Path, *words: str) -> str:
    """Return what systemd-analyze says that is wrong."""
    done = subprocess.run(
        ["systemd-analyze", *words], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    return done.stderr + (done.stdout if done.returncode else "")


def lines(unit: str, key: str) -> list[str]:
    """Return a key's values in a unit, with those that hold for all units."""
    texts = [(UNITS / unit).read_text(), (UNITS / "lingoloop-.service.d/10-sandbox.conf").read_text()]
    return [
        line.partition("=")[2] for text in texts for line in text.splitlines() if line.startswith(f"{key}=")
    ]


def test_systemd_finds_nothing_wrong(units: Path) -> None:
    names = [f"./{path.name}" for path in units.iterdir() if path.suffix in (".service", ".target", ".timer")]
    assert len(names) == 8
    assert analyze(units, "verify", "--man=no", *names) == ""


@pytest.mark.parametrize("unit", SERVICE_UNITS)
def test_no_unit_can_reach_more_than_it_must(units: Path, unit: str) -> None:
    threshold = f"--threshold={EXPOSURE * 10:.0f}"
    assert analyze(units, "security", "--offline=yes", "--no-pager", threshold, f"./{unit}") == ""


def test_the_threshold_is_one(units: Path) -> None:
    shutil.rmtree(units / "lingoloop-.service.d")
    assert "UNSAFE" in analyze(
        units, "security", "--offline=yes", "--no-pager", "--threshold=20", "./lingoloop-gateway.service"
    )


@pytest.mark.parametrize("unit", SERVICE_UNITS)
def test_each_is_bounded(unit: str) -> None:
    assert lines(unit, "MemoryMax")
    assert lines(unit, "TasksMax")
    assert lines(unit, "KillMode") == ["mixed"]
    assert lines(unit, "OOMPolicy") == ["continue"]
    assert int(lines(unit, "TimeoutStopSec")[0]) >= 30 + 20, "the grace, and 20 s"
    if lines(unit, "Restart") == ["always"]:
        # Wrong settings end a service at once; waiting for PostgreSQL or RabbitMQ does after STARTUP_TIMEOUT_MS, a minute.
        assert (lines(unit, "StartLimitIntervalSec"), lines(unit, "StartLimitBurst")) == (["5min"], ["10"])


def new_env(file: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([UNITS / "new-env", file], capture_output=True, text=True, timeout=30, check=False)


def settings(file: Path) -> dict[str, str]:
    """Read an environment file as systemd does."""
    pairs = (line.partition("=") for line in file.read_text().splitlines() if not line.startswith("#"))
    return {name: value for name, _, value in pairs}


def test_settings_are_made_once_with_secrets_of_their_own(tmp_path: Path) -> None:
    one, other = tmp_path / "one.env", tmp_path / "other.env"
    assert new_env(one).returncode == new_env(other).returncode == 0
    assert one.stat().st_mode & 0o777 == 0o600
    first = settings(one)
    assert len(first["AUTH_JWT_SECRET"]) == 64
    assert first["AUTH_JWT_SECRET"] != settings(other)["AUTH_JWT_SECRET"]
    assert first["BROKER_URL"] != settings(other)["BROKER_URL"]
    text = one.read_text()
    assert new_env(one).returncode == 1
    assert one.read_text() == text


def test_each_setting_is_known(tmp_path: Path) -> None:
    new_env(tmp_path / "env")
    known = OTHERS | {name.upper() for service in SERVICES for name in service.model_fields}
    assert settings(tmp_path / "env").keys() <= known


@pytest.mark.parametrize("unit", ["lingoloop-gateway", "lingoloop-notifier", "lingoloop-transcriber@"])
async def test_what_a_unit_starts_serves_and_ends_in_time(
    tmp_path: Path, migrated_url: str, rabbitmq_url: str, unit: str
) -> None:
    new_env(tmp_path / "env")
    [start] = lines(f"{unit}.service", "ExecStart")
    program, command = start.split()
    assert program == PROGRAM
    environment = {
        **{name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
        **settings(tmp_path / "env"),
        "DATABASE_URL": migrated_url,
        "BROKER_URL": rabbitmq_url,
        "BLOB_DIR": str(tmp_path / "blobs"),
        "LINGOLOOP_CACHE": str(tmp_path / "cache"),
        "ENGINE": "simulated",
        "GATEWAY_PORT": "0",
        "NOTIFIER_PORT": "0",
    }
    service = Service(
        command, environment, tmp_path, free_port(), words=[sys.executable, "-m", "lingoloop", command]
    )
    try:
        await service.ready()
        begin = time.monotonic()
        service.send(signal.SIGTERM)
        assert await service.wait() == 0
        assert time.monotonic() - begin < int(lines(f"{unit}.service", "TimeoutStopSec")[0])
    finally:
        service.kill()


def test_a_log_file_is_turned_while_it_is_written(tmp_path: Path) -> None:
    log = tmp_path / "log" / "lingoloop-gateway.log"
    log.parent.mkdir()
    text = (UNITS / "logrotate.conf").read_text().replace("/var/log/lingoloop", str(log.parent))
    conf = tmp_path / "logrotate.conf"
    conf.write_text(text)
    conf.chmod(0o644)
    with log.open("ab", buffering=0) as held:
        for number in range(3):
            held.write(b"line %d\n" % number)
            program = shutil.which("logrotate") or "/usr/sbin/logrotate"
            subprocess.run([program, "--force", "--state", tmp_path / "state", conf], check=True, timeout=30)
        held.write(b"the last\n")
    assert log.read_bytes() == b"the last\n"
    assert len(list(log.parent.iterdir())) == 4


def test_both_languages_have_the_same_commands() -> None:
    assert walk("operations/one-host.md") == walk("operations/one-host.zh.md")


def own_dependencies() -> set[str]:
    """Return what the packages that `make install` installs say that they need, with the extras it asks for."""
    needed = set()
    for line in (UNITS / "install.in").read_text().splitlines():
        if not line.startswith("./"):
            continue
        folder, _, extras = line.removesuffix("]").partition("[")
        project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]
        wanted = [project["optional-dependencies"][extra] for extra in extras.split(",") if extra]
        needed |= {name for names in [project["dependencies"], *wanted] for name in names}
    return {re.split(r"[\[<>=!;~ ]", name)[0] for name in needed}


def pins(lock: str) -> dict[str, set[str]]:
    """Return each package's versions in a lock file: one for each Python, as a rule one."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)==(\S+)", (ROOT / lock).read_text(), re.MULTILINE):
        found.setdefault(name, set()).add(version)
    return found


def test_a_host_gets_what_the_services_need_as_it_was_tested_and_nothing_of_the_tests() -> None:
    installed, tested = pins("ops/systemd/install.lock"), pins("requirements.lock")
    ours = {name for name in own_dependencies() if name.startswith("lingoloop")}
    assert own_dependencies() - ours <= installed.keys(), "make lock"
    assert {name for name, versions in installed.items() if not versions <= tested.get(name, set())} == set()
    assert not {"pytest", "moto", "ruff", "hypothesis"} & installed.keys()
