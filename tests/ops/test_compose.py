"""docker-compose.yml, as compose itself reads it: pinned, shut in, bounded, started in order, with secrets of its own."""

import json
import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[2]
COMPOSE = REPOSITORY / ".venv-ops/bin/docker-compose"
OURS = {"gateway", "notifier", "transcriber"}
ONCE = {"migrate", "reader", "lingoloop"}

pytestmark = [
    pytest.mark.ops,
    pytest.mark.skipif(not COMPOSE.exists(), reason="there is no docker-compose: run `make ops-tools`"),
]


def make_env(file: Path) -> str:
    subprocess.run([REPOSITORY / "ops/env.sh", file], check=True, stdout=subprocess.DEVNULL)
    return file.read_text()


def compose(env: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [
        str(COMPOSE),
        "--env-file",
        str(env),
        "--project-directory",
        str(REPOSITORY),
        "--profile",
        "*",
        *arguments,
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"})


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("env") / ".env"
    make_env(file)
    return file


@pytest.fixture(scope="module")
def system(secrets: Path) -> dict[str, Any]:
    done = compose(secrets, "config", "--format", "json")
    assert done.returncode == 0, done.stderr
    system: dict[str, Any] = json.loads(done.stdout)
    return system


@pytest.fixture(scope="module")
def services(system: dict[str, Any]) -> dict[str, dict[str, Any]]:
    services: dict[str, dict[str, Any]] = system["services"]
    return services


def test_it_is_correct(secrets: Path) -> None:
    assert (done := compose(secrets, "config", "--quiet")).returncode == 0
    assert done.stderr == ""


def test_the_secrets_are_long_differ_and_are_read_by_their_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    made = dict(line.split("=") for line in make_env(file).splitlines())
    assert len(set(made.values())) == len(made) == 5
    assert all(re.fullmatch("[0-9a-f]{64}", secret) for secret in made.values())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_secrets_that_are_there_stay_and_what_is_missing_is_added(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("LINGOLOOP_PORT=8080\nPOSTGRES_PASSWORD=mine\nAUTH_JWT_SECRET=\n")
    first = make_env(file)
    assert first.startswith("LINGOLOOP_PORT=8080\nPOSTGRES_PASSWORD=mine\n")
    assert len(re.findall("^POSTGRES_PASSWORD=", first, re.MULTILINE)) == 1
    assert re.search("^AUTH_JWT_SECRET=[0-9a-f]{64}$", first, re.MULTILINE)
    assert make_env(file) == first
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_without_secrets_it_does_not_start_and_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / ".env").touch()
    done = compose(tmp_path / ".env", "config", "--quiet")
    assert done.returncode != 0
    assert "run make env" in done.stderr


def test_no_secret_is_written_into_the_file_nor_has_a_default() -> None:
    text = (REPOSITORY / "docker-compose.yml").read_text()
    for name, value in re.findall(r"^ +(\w*(?:PASS|PASSWORD|SECRET)): *(\S.*)$", text, re.MULTILINE):
        assert re.fullmatch(r"\$\{\w+:\?run make env\}", value), name
    taken = re.findall(r"\$\{(\w*(?:PASSWORD|SECRET))([^}]*)\}", text)
    assert {otherwise for _, otherwise in taken} == {":?run make env"}
    assert not re.search(r"//\w+:(?!\$\{)[^/@\s]+@", text)


def test_everything_is_bounded_and_shut_in(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        limits = service["deploy"]["resources"]["limits"]
        assert all(limits.get(what) for what in ("cpus", "memory", "pids")), name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not service.get("privileged"), name
        assert "cap_add" not in service, name
        assert service["logging"]["options"]["max-size"], name
        assert service["image"].startswith("lingoloop/") or service["user"].split(":")[0].isdecimal(), name


def test_what_is_not_ours_is_pinned_by_tag_and_digest(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        if not service["image"].startswith("lingoloop/"):
            assert re.fullmatch(r"[a-z./]+:v?\d[\w.-]+@sha256:[0-9a-f]{64}", service["image"]), name
    assert services["rabbitmq"]["image"].split(":")[1].startswith("4.")


def test_only_the_gateway_and_what_watches_can_be_reached_and_only_from_this_host(
    services: dict[str, dict[str, Any]], system: dict[str, Any]
) -> None:
    published = {
        name: {(port["host_ip"], port["target"]) for port in service["ports"]}
        for name, service in services.items()
        if "ports" in service
    }
    assert published == {
        "gateway": {("127.0.0.1", 3002)},
        "prometheus": {("127.0.0.1", 9090)},
        "grafana": {("127.0.0.1", 3000)},
    }
    assert system["networks"]["inside"]["internal"] is True
    for name in ("postgres", "rabbitmq", "migrate", "reader", "lingoloop"):
        assert set(services[name]["networks"]) == {"inside"}, name
    assert not any(service.get("network_mode") == "host" for service in services.values())


def test_it_starts_in_order(services: dict[str, dict[str, Any]]) -> None:
    def waits(name: str) -> dict[str, str]:
        return {on: how["condition"] for on, how in services[name].get("depends_on", {}).items()}

    assert waits("migrate") == {"postgres": "service_healthy"}
    for name in OURS:
        assert waits(name) == {"migrate": "service_completed_successfully", "rabbitmq": "service_healthy"}, (
            name
        )
    assert waits("grafana") == {"reader": "service_completed_successfully", "prometheus": "service_healthy"}
    for name, service in services.items():
        assert (name in ONCE) == bool(service["healthcheck"].get("disable")), name
        assert service["restart"] == ("no" if name in ONCE else "unless-stopped"), name


def test_a_stop_leaves_time_to_finish(services: dict[str, dict[str, Any]]) -> None:
    """SHUTDOWN_GRACE_MS, and 20 s as the operators' pages say."""
    assert {services[name]["stop_grace_period"] for name in OURS} == {"1m0s"}


def settings_of(service: str) -> set[str]:
    """What the guide says that a service reads."""
    rows = re.findall(
        r"^\| `([A-Z0-9_]+)` \| ([^|]+) \|", (REPOSITORY / "docs/guide.md").read_text(), re.MULTILINE
    )
    return {name for name, of in rows if of.strip() == "all" or service in of or (service == "lingoloop")}


@pytest.mark.parametrize("name", [*sorted(OURS), "migrate", "lingoloop"])
def test_each_variable_is_a_setting_that_the_service_knows(
    services: dict[str, dict[str, Any]], name: str
) -> None:
    known = settings_of("gateway" if name == "migrate" else name)
    assert len(known) > 5
    assert set(services[name]["environment"]) <= known


def test_the_secret_of_tokens_is_given_to_those_alone_who_check_them(
    services: dict[str, dict[str, Any]],
) -> None:
    have = {name for name, service in services.items() if "AUTH_JWT_SECRET" in service.get("environment", {})}
    assert have == {"gateway", "notifier", "lingoloop"}


def test_slots_are_as_many_as_the_processors_that_they_get(services: dict[str, dict[str, Any]]) -> None:
    """Without the setting a transcriber takes as many as the host has, whatever its limit."""
    worker = services["transcriber"]
    assert float(worker["environment"]["MAX_CONCURRENT_JOBS"]) == float(
        worker["deploy"]["resources"]["limits"]["cpus"]
    )


def test_transcribers_can_be_many(services: dict[str, dict[str, Any]]) -> None:
    assert "container_name" not in services["transcriber"]
    assert "ports" not in services["transcriber"]
    [blobs] = [
        mount for mount in services["gateway"]["volumes"] if mount["target"] == "/var/lib/lingoloop/blobs"
    ]
    assert blobs in services["transcriber"]["volumes"]


def test_what_is_mounted_is_there_and_read_only_or_a_named_volume(
    services: dict[str, dict[str, Any]], system: dict[str, Any]
) -> None:
    for name, service in services.items():
        for mount in service.get("volumes", []):
            if mount["type"] == "bind":
                assert Path(mount["source"]).exists(), (name, mount["source"])
                assert mount["read_only"] is True, name
            else:
                assert mount["source"] in system["volumes"], name


def test_what_is_built_is_a_target_of_the_dockerfile(services: dict[str, dict[str, Any]]) -> None:
    targets = re.findall(r"^FROM \S+ AS (\S+)$", (REPOSITORY / "Dockerfile").read_text(), re.MULTILINE)
    for service in services.values():
        if "build" in service:
            assert service["build"]["target"] in targets
            assert service["image"].startswith(f"lingoloop/{service['build']['target']}:")


@pytest.mark.skipif(not shutil.which("promtool"), reason="there is no promtool: run `make ops-tools`")
def test_prometheus_takes_its_settings() -> None:
    config = REPOSITORY / "ops/prometheus/prometheus.yml"
    done = subprocess.run(
        ["promtool", "check", "config", config], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
