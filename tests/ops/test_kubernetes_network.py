"""The network policies of k8s/ admit exactly what the services need: who may reach whom, on which port, as a table."""

from ipaddress import ip_address, ip_network

import pytest

from tests.ops.clusters import Cluster, Thing, cluster, needs_tools, pod_of, selects

pytestmark = [pytest.mark.ops, needs_tools]

NAMESPACES = (
    "ingress-nginx",
    "monitoring",
    "keda",
    "observability",
    "cnpg-system",
    "rabbitmq-system",
    "kube-system",
    "default",
)
ADDRESSES = {
    "the world": "93.184.216.34",
    "the world by IPv6": "2606:4700::1111",
    "inside": "10.96.0.1",
    "inside by IPv6": "fd00::1",
    "IPv4 in IPv6": "64:ff9b::a60:1",
    "the node's metadata": "169.254.169.254",
    "the managed ones": "10.20.0.7",
}
PORTS = (
    22,
    53,
    80,
    443,
    988,
    3002,
    3003,
    4318,
    4369,
    5432,
    5672,
    6443,
    8000,
    8443,
    9187,
    9464,
    9465,
    9466,
    15672,
    15692,
    25672,
)
OURS = ("gateway", "notifier", "transcriber")
ANY_HIGH = tuple(port for port in PORTS if port >= 1024)
OPS = {"gateway": 9464, "transcriber": 9465, "notifier": 9466}
"""Their containers' ports of this name, as test_kubernetes_objects.py shows."""
OPERATED = {"rabbitmq": {"app.kubernetes.io/name": "rabbitmq"}, "postgres": {"cnpg.io/cluster": "postgres"}}

Edges = set[tuple[str, str, int]]


def edges(sources: tuple[str, ...], target: str, *ports: int) -> Edges:
    return {(source, target, port) for source in sources for port in ports}


ALWAYS = (
    edges(("ingress-nginx",), "gateway", 3002)
    | edges(("ingress-nginx", "gateway"), "notifier", 3003)
    | edges(OURS, "the world", 80, 443, *ANY_HIGH)
    | edges(OURS, "the world by IPv6", 80, 443, *ANY_HIGH)
)
SCRAPED = (
    edges(("monitoring",), "gateway", 9464)
    | edges(("monitoring",), "transcriber", 9465)
    | edges(("monitoring",), "notifier", 9466)
)
STORES = edges((*OURS, "migrate"), "postgres", 5432) | edges(OURS, "rabbitmq", 5672)
MANAGED = edges(OURS, "the managed ones", 5432, 5672) | edges(("migrate",), "the managed ones", 5432)
TRACES = edges(OURS, "observability", 4318)
GOOGLES = edges(("gateway", "transcriber"), "the node's metadata", 80, 988)
EVERYWHERE = (*NAMESPACES, *ADDRESSES, "the names' server")
OPERATORS = (
    STORES
    | edges(("keda",), "rabbitmq", 5672)
    | edges(("monitoring",), "rabbitmq", 15692)
    | edges(("monitoring",), "postgres", 9187)
    | edges(("rabbitmq-system",), "rabbitmq", 15672)
    | edges(("cnpg-system",), "postgres", 5432, 8000)
    | edges(("rabbitmq",), "rabbitmq", 4369, 25672)
    | edges(("postgres",), "postgres", 5432, 8000)
    # The cluster's API, wherever it is.
    | {(who, where, port) for who in ("rabbitmq", "postgres") for where in EVERYWHERE for port in (443, 6443)}
)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("base", ALWAYS),
        ("dev", ALWAYS | STORES),
        ("dev, watched and scaled", ALWAYS | STORES | SCRAPED),
        ("production", ALWAYS | SCRAPED | MANAGED),
        ("production without KEDA", ALWAYS | MANAGED),
        ("production on Google's cloud", ALWAYS | SCRAPED | MANAGED | GOOGLES),
        ("production on a shared folder", ALWAYS | SCRAPED | MANAGED),
        ("production with operators", ALWAYS | SCRAPED | OPERATORS),
        ("production with GPUs", ALWAYS | SCRAPED | MANAGED),
        ("all at once", ALWAYS | SCRAPED | OPERATORS | GOOGLES | TRACES),
    ],
)
def test_who_reaches_whom(name: str, wanted: Edges) -> None:
    made = cluster(name)
    pods = pods_of(made)
    for pod in pods:
        wanted = wanted | {(pod, "the names' server", 53)}
    found = {
        (source, target, port)
        for source in (*pods, *NAMESPACES)
        for target in (*pods, *NAMESPACES, *ADDRESSES, "the names' server")
        for port in PORTS
        if (source in pods or target in pods) and passes(made, pods, source, target, port)
    }
    assert found - wanted == set(), "may, and need not"
    assert wanted - found == set(), "must, and may not"


def pods_of(made: Cluster) -> dict[str, dict[str, str]]:
    """Return the labels of all pods that are made here or by an operator for us, by name."""
    pods = {
        thing["metadata"]["name"].partition("-")[0]: dict(pod_of(thing)["metadata"]["labels"])
        for thing in made.workloads
    }
    for kind in made.all("RabbitmqCluster", "Cluster"):
        pods[kind["metadata"]["name"]] = OPERATED[kind["metadata"]["name"]]
    return pods


def passes(made: Cluster, pods: dict[str, dict[str, str]], source: str, target: str, port: int) -> bool:
    """Whether a connection is let out where it begins, and in where it ends."""
    out = source not in pods or lets(made, pods, source, "Egress", target, port)
    return out and (target not in pods or lets(made, pods, target, "Ingress", source, port))


def lets(made: Cluster, pods: dict[str, dict[str, str]], pod: str, way: str, other: str, port: int) -> bool:
    policies = [
        policy["spec"]
        for policy in made.all("NetworkPolicy")
        if way in policy["spec"]["policyTypes"] and selects(policy["spec"]["podSelector"], pods[pod])
    ]
    assert policies, "denied by default"
    rules = [rule for policy in policies for rule in policy.get(way.lower(), [])]
    peers = "to" if way == "Egress" else "from"
    return any(
        on_port(rule, port, OPS.get(pod))
        and (peers not in rule or any(is_peer(peer, pods, other) for peer in rule[peers]))
        for rule in rules
    )


def on_port(rule: Thing, port: int, ops: int | None) -> bool:
    assert rule["ports"], "a rule names its ports"
    return any(
        port == ops if each["port"] == "ops" else each["port"] <= port <= each.get("endPort", each["port"])
        for each in rule["ports"]
    )


def is_peer(peer: Thing, pods: dict[str, dict[str, str]], other: str) -> bool:
    if block := peer.get("ipBlock"):
        if other not in ADDRESSES:
            return False
        address = ip_address(ADDRESSES[other])
        outer, *excepted = (ip_network(cidr) for cidr in (block["cidr"], *block.get("except", [])))
        assert all(each.network_address in outer for each in excepted)
        return address in outer and not any(address in each for each in excepted)
    if "namespaceSelector" in peer:
        named = {"kubernetes.io/metadata.name": "kube-system" if other == "the names' server" else other}
        server = {"k8s-app": "kube-dns"} if other == "the names' server" else {}
        return selects(peer["namespaceSelector"], named) and selects(peer.get("podSelector", {}), server)
    return other in pods and selects(peer["podSelector"], pods[other])
