"""What k8s/ puts together fits together, and fits what the services do: names, keys, ports, settings, times, numbers."""

import re
from pathlib import Path
from typing import Any

import pytest

from lingoloop_common.broker import queue_name
from lingoloop_common.contracts.units import lane_name
from lingoloop_common.settings import read_settings
from lingoloop_gateway.settings import GatewaySettings
from lingoloop_notifier.settings import NotifierSettings
from lingoloop_transcriber.settings import TranscriberSettings
from tests.ops.clusters import (
    PAGES,
    ROOT,
    WAYS,
    Cluster,
    Thing,
    cluster,
    container_of,
    env_of,
    needs_tools,
    pod_of,
    references,
    selects,
)

pytestmark = [pytest.mark.ops, needs_tools]

SETTINGS: dict[str, type[Any]] = {
    "gateway": GatewaySettings,
    "notifier": NotifierSettings,
    "transcriber": TranscriberSettings,
}
FROM_ELSEWHERE = {
    # Kept by hand, as the overlay's first lines say.
    "lingoloop": {
        "DATABASE_URL",
        "BROKER_URL",
        "AUTH_JWT_SECRET",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
    },
    # Made by RabbitMQ's and PostgreSQL's operators: default_user_secret.go, specs/secrets.go.
    "rabbitmq-default-user": {"connection_string"},
    "postgres-app": {"uri"},
}
THEIRS = {"AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "OTEL_EXPORTER_OTLP_ENDPOINT"}
"""Read by the clients of Amazon and OpenTelemetry."""
SECRET = re.compile("PASS|SECRET|_KEY|DATABASE_URL|BROKER_URL")
"""In names of settings that nobody may read."""
STOPPING = 20
"""Seconds that a service needs at its end beside the grace period, as docs/operations/failures.md says."""
SPREAD = ("gateway", "notifier")
OPERATED = {
    "rabbitmq": {"app.kubernetes.io/name": "rabbitmq", "app.kubernetes.io/component": "rabbitmq"},
    "postgres": {"cnpg.io/cluster": "postgres"},
}
"""What the operators label the pods with that they make for us."""

ways = pytest.mark.parametrize("name", WAYS)
whole = pytest.mark.parametrize("name", [name for name in WAYS if name != "base"])


def labels(workload: Thing) -> dict[str, str]:
    return dict(pod_of(workload)["metadata"]["labels"])


def matched(made: Cluster, selector: Thing) -> list[str]:
    """Return the workloads whose pods a selector finds."""
    return [thing["metadata"]["name"] for thing in made.workloads if selects(selector, labels(thing))]


@ways
def test_everything_is_in_one_namespace_that_is_restricted(name: str) -> None:
    made = cluster(name)
    (namespace,) = made.all("Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    others = {thing["metadata"].get("namespace") for thing in made.things if thing["kind"] != "Namespace"}
    assert others == {namespace["metadata"]["name"]}


@ways
def test_services_find_their_pods_by_ports_that_these_have(name: str) -> None:
    made = cluster(name)
    for service in made.all("Service"):
        (found,) = matched(made, {"matchLabels": service["spec"]["selector"]})
        (workload,) = [thing for thing in made.workloads if thing["metadata"]["name"] == found]
        ports = {port["name"]: port["containerPort"] for port in container_of(workload)["ports"]}
        for port in service["spec"]["ports"]:
            assert ports[port["targetPort"]] == port["port"]


@ways
def test_every_pod_selector_finds_something(name: str) -> None:
    made = cluster(name)
    for thing in made.all("Deployment", "StatefulSet"):
        assert selects(thing["spec"]["selector"], labels(thing))
        for spread in pod_of(thing)["spec"].get("topologySpreadConstraints", []):
            assert selects(spread["labelSelector"], labels(thing))
    for thing in made.all("PodDisruptionBudget", "NetworkPolicy"):
        selector = thing["spec"].get("selector", thing["spec"].get("podSelector"))
        operated = [each for each in OPERATED.values() if selects(selector, each)]
        assert matched(made, selector) or operated, thing["metadata"]["name"]
    for thing in made.all("HorizontalPodAutoscaler", "ScaledObject"):
        assert thing["spec"]["scaleTargetRef"]["name"] in made.services
    for monitor in made.all("ServiceMonitor"):
        found = [
            service
            for service in made.all("Service")
            if selects(monitor["spec"]["selector"], service["metadata"].get("labels", {}))
        ]
        assert {service["metadata"]["labels"][monitor["spec"]["jobLabel"]] for service in found} == set(
            SETTINGS
        )
        for service in found:
            assert monitor["spec"]["endpoints"][0]["port"] in [
                port["name"] for port in service["spec"]["ports"]
            ]


@ways
def test_a_rabbitmq_of_the_operator_is_scraped_as_the_rules_know_it(name: str) -> None:
    made = cluster(name)
    monitors = made.all("PodMonitor")
    assert bool(monitors) == bool(made.all("ServiceMonitor"))
    for monitor in monitors:
        assert selects(monitor["spec"]["selector"], OPERATED["rabbitmq"])
        assert OPERATED["rabbitmq"][monitor["spec"]["jobLabel"]] == "rabbitmq"
        for thing in made.workloads:
            assert not selects(monitor["spec"]["selector"], labels(thing)), "it has no such port"


@ways
def test_what_is_taken_from_secrets_and_settings_is_there(name: str) -> None:
    made = cluster(name)
    known = {
        ("Secret" if thing["kind"] == "Secret" else "ConfigMap", thing["metadata"]["name"]): set(
            thing.get("data", {})
        )
        for thing in made.all("Secret", "ConfigMap")
    }
    if not made.all("Secret"):
        known |= {("Secret", secret): keys for secret, keys in FROM_ELSEWHERE.items()}
    for thing in made.workloads:
        for kind, named, key, optional in references(thing):
            assert (kind, named) in known
            assert (
                key is None
                or key in known[kind, named]
                or (optional and (key in THEIRS or key in names_in_the_guide()))
            )
    assert all(re.search(r"-[a-z0-9]{10}$", named) for kind, named in known if kind == "ConfigMap"), (
        "a change of settings must start pods anew"
    )


@ways
@pytest.mark.parametrize("service", SETTINGS)
def test_what_is_secret_comes_from_the_secret(name: str, service: str) -> None:
    own = env_of(cluster(name).services[service])
    for entry, services in names_in_the_guide().items():
        if SECRET.search(entry) and services & {service, "all"}:
            assert "secretKeyRef" in own[entry]["valueFrom"], (
                "else it could only be put among the settings, for all to read"
            )


@ways
def test_no_secret_is_written_down(name: str) -> None:
    made = cluster(name)
    assert bool(made.all("Secret")) == (WAYS[name][0] == "dev")
    for thing in made.workloads:
        for entry in container_of(thing).get("env", []):
            if SECRET.search(entry["name"]):
                assert "valueFrom" in entry, entry["name"]


@ways
def test_volumes_and_accounts_are_there(name: str) -> None:
    made = cluster(name)
    claims = {thing["metadata"]["name"] for thing in made.all("PersistentVolumeClaim")}
    accounts = {thing["metadata"]["name"] for thing in made.all("ServiceAccount")}
    for thing in made.workloads:
        spec = pod_of(thing)["spec"]
        if thing["kind"] != "StatefulSet":
            assert spec["serviceAccountName"] in accounts
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        templates = {each["metadata"]["name"] for each in thing["spec"].get("volumeClaimTemplates", [])}
        mounted = {mount["name"] for mount in container_of(thing)["volumeMounts"]}
        assert mounted == set(volumes) | templates
        for volume in volumes.values():
            if "emptyDir" in volume:
                assert volume["emptyDir"]["sizeLimit"], "nothing unbounded"
            else:
                assert volume["persistentVolumeClaim"]["claimName"] in claims


@ways
def test_pods_may_do_no_more_than_they_must(name: str) -> None:
    for thing in cluster(name).workloads:
        spec, container = pod_of(thing)["spec"], container_of(thing)
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "/tmp" in [mount["mountPath"] for mount in container["volumeMounts"]]
        for kind in ("requests", "limits"):
            assert {"cpu", "memory"} <= set(container["resources"][kind])


@ways
def test_each_service_is_watched_and_kept_while_nodes_are_emptied(name: str) -> None:
    made = cluster(name)
    assert set(made.services) == set(SETTINGS)
    budgets = made.all("PodDisruptionBudget")
    for service, thing in made.services.items():
        container = container_of(thing)
        assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "ops"}
        assert container["startupProbe"]["httpGet"] == {"path": "/healthz", "port": "ops"}
        assert "readinessProbe" in container
        (budget,) = [each for each in budgets if selects(each["spec"]["selector"], labels(thing))]
        assert budget["spec"]["maxUnavailable"]
        update = thing["spec"]["strategy"]["rollingUpdate"]
        if "nvidia.com/gpu" in container["resources"]["limits"]:
            assert update["maxSurge"] == 0, "there may be no other GPU: an update would wait for one for ever"
        else:
            assert update["maxUnavailable"] == 0
        keys = [each["topologyKey"] for each in pod_of(thing)["spec"].get("topologySpreadConstraints", [])]
        wanted = ["topology.kubernetes.io/zone", "kubernetes.io/hostname"] if service in SPREAD else []
        assert keys == wanted


@whole
@pytest.mark.parametrize("service", SETTINGS)
def test_a_service_can_use_its_settings_and_they_are_its_own(
    name: str, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, thing = settings_of(cluster(name), service, monkeypatch)
    ports = {port["name"]: port["containerPort"] for port in container_of(thing)["ports"]}
    assert ports["ops"] == read.ops_port
    if service != "transcriber":
        assert ports["http"] == getattr(read, f"{service}_port")
    known = names_in_the_guide()
    for entry in env_of(thing):
        assert known.get(entry, set()) & {service, "all"} or entry in THEIRS, entry
    (shared,) = cluster(name).all("ConfigMap")
    for entry in shared["data"]:
        assert entry in known or entry in THEIRS, entry


@whole
@pytest.mark.parametrize("service", SETTINGS)
def test_there_is_time_to_end_what_was_begun(
    name: str, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, thing = settings_of(cluster(name), service, monkeypatch)
    container = container_of(thing)
    pause = container.get("lifecycle", {}).get("preStop", {"sleep": {"seconds": 0}})["sleep"]["seconds"]
    grace = 5 if service == "gateway" else read.shutdown_grace_ms / 1000
    assert pod_of(thing)["spec"]["terminationGracePeriodSeconds"] >= pause + grace + STOPPING
    assert (pause > 0) == ("http" in [port["name"] for port in container["ports"]])
    probe = container["startupProbe"]
    # For PostgreSQL, for the migrations, for RabbitMQ.
    assert probe["periodSeconds"] * probe["failureThreshold"] > 3 * read.startup_timeout_ms / 1000


@whole
def test_a_processor_has_as_many_slots_as_cores(name: str) -> None:
    thing = cluster(name).services["transcriber"]
    limits = container_of(thing)["resources"]["limits"]
    slots = int(env_of(thing)["MAX_CONCURRENT_JOBS"]["value"])
    if "nvidia.com/gpu" not in limits:
        assert slots == int(limits["cpu"])
        memory = limits["memory"]
        mebibytes = int(memory[:-2]) * (1024 if memory.endswith("Gi") else 1)
        assert mebibytes > 400 * slots + 200, "a slot of base takes 390 MB at its peak"


@whole
def test_the_gateway_knows_its_notifiers(name: str) -> None:
    made = cluster(name)
    port = made.one("Service", "notifier")["spec"]["ports"][0]["port"]
    assert env_of(made.services["gateway"])["NOTIFIER_URL"]["value"] == f"http://notifier:{port}"


@whole
def test_keda_looks_at_the_fleets_own_lane(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = cluster(name)
    if not made.all("ScaledObject"):
        assert WAYS[name][0] == "dev" or len(made.all("HorizontalPodAutoscaler")) == 2
        return
    read, thing = settings_of(made, "transcriber", monkeypatch)
    lane = lane_name(read.engine, read.model_name)
    scaled = made.one("ScaledObject", "transcriber")["spec"]
    assert scaled["minReplicaCount"] == 0
    assert scaled["initialCooldownPeriod"] >= 120, "time to announce the lane"
    audio, queue = (trigger["metadata"] for trigger in scaled["triggers"])
    assert f'lane="{lane}"' in audio["query"]
    assert audio["ignoreNullValues"] == "false", "a database that is away is no empty queue"
    assert queue["queueName"] == queue_name(lane)
    assert queue["hostFromEnv"] in env_of(thing)
    assert scaled["scaleTargetRef"]["envSourceContainerName"] == container_of(thing)["name"]
    notifier = made.one("ScaledObject", "notifier")["spec"]
    assert "notifier" not in [each["metadata"]["name"] for each in made.all("HorizontalPodAutoscaler")]
    assert notifier["minReplicaCount"] >= 2
    for each in (audio, notifier["triggers"][0]["metadata"]):
        (metric,) = re.findall(r"lingoloop_\w+", each["query"])
        assert metric in SOURCE, f"no service has {metric}"
        if WAYS[name][0] == "production":
            namespace = made.all("Namespace")[0]["metadata"]["name"]
            assert f'namespace="{namespace}"' in each["query"]


@pytest.mark.parametrize("name", [name for name in WAYS if "operators" in name or name == "all at once"])
def test_the_database_has_connections_for_all_pods(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = cluster(name)
    most = {
        each["spec"]["scaleTargetRef"]["name"]: each["spec"].get(
            "maxReplicas", each["spec"].get("maxReplicaCount")
        )
        for each in made.all("HorizontalPodAutoscaler", "ScaledObject")
    }
    assert set(most) == set(SETTINGS)
    # In an update: one more of each at a time, and those that end; transcribers finish their chunks, maybe all of them at once.
    pods = {service: 2 * count if service == "transcriber" else count + 2 for service, count in most.items()}
    needed = sum(
        count * (settings_of(made, service, monkeypatch)[0].db_pool_max + 1)
        for service, count in pods.items()
    )
    parameters = made.one("Cluster", "postgres")["spec"]["postgresql"]["parameters"]
    assert needed + 10 <= int(parameters["max_connections"])
    for page in PAGES:
        assert {str(needed), parameters["max_connections"]} <= set(re.findall(r"\d+", page.read_text()))


def settings_of(made: Cluster, service: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Thing]:
    """Return what a service reads in its pod, with something in place of what is secret, and its deployment."""
    thing = made.services[service]
    stands_for = {
        "DATABASE_URL": "postgresql://lingoloop@postgres/lingoloop",
        "BROKER_URL": "amqp://lingoloop@rabbitmq/",
        "AUTH_JWT_SECRET": "a-secret-for-tests-that-is-long-enough-0123456789",
    }
    (shared,) = made.all("ConfigMap")
    own = {entry: env["value"] for entry, env in env_of(thing).items() if "value" in env}
    taken = {entry: stands_for[entry] for entry in env_of(thing) if entry in stands_for}
    for entry in names_in_the_guide():
        monkeypatch.delenv(entry, raising=False)
    for entry, value in {**shared["data"], **own, **taken}.items():
        monkeypatch.setenv(entry, value)
    return read_settings(SETTINGS[service]), thing


def names_in_the_guide() -> dict[str, set[str]]:
    """Return the settings that the guide lists, and which services read each."""
    rows = re.findall(
        r"^\| `([A-Z0-9_]+)` \| ([^|]+) \|", (ROOT / "docs" / "guide.md").read_text(), re.MULTILINE
    )
    return {name: set(services.strip().split(", ")) for name, services in rows}


SOURCE = "".join(
    file.read_text() for folder in ("libs/common", "services") for file in Path(ROOT, folder).rglob("*.py")
)
