"""What kustomize makes of k8s/, for each way to put it together, and what a test wants to know of it."""

import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / ".venv-ops" / "bin"
KUBECTL = TOOLS / "kubectl"
PAGES = [ROOT / "docs" / "operations" / f"kubernetes{language}.md" for language in ("", ".zh")]

needs_tools = pytest.mark.skipif(
    not KUBECTL.exists() and "CI" not in os.environ, reason="there is no .venv-ops here: run `make ops-tools`"
)

Thing = dict[str, Any]

OPERATORS = ("cloudnative-pg", "rabbitmq-operator")
WAYS: dict[str, tuple[str, tuple[str, ...]]] = {
    "base": ("base", ()),
    "dev": ("dev", ("shared-folder",)),
    "dev, watched and scaled": ("dev", ("shared-folder", "monitoring", "keda")),
    "production": ("production", ("s3", "monitoring", "keda")),
    "production without KEDA": ("production", ("s3",)),
    "production on Google's cloud": ("production", ("gcs", "monitoring", "keda")),
    "production on a shared folder": ("production", ("shared-folder", "monitoring", "keda")),
    "production with operators": ("production", ("s3", "monitoring", "keda", *OPERATORS)),
    "production with GPUs": ("production", ("s3", "monitoring", "keda", "gpu")),
    "all at once": ("production", ("gcs", "monitoring", "keda", "gpu", "traces", *OPERATORS)),
}
"""A name for each: the overlay (or base), and the components that it lists. Those of the overlays as committed are among them."""

COMMITTED = ("dev", "production")


@dataclass(frozen=True)
class Cluster:
    """The objects that `kubectl apply` would be given."""

    name: str
    things: list[Thing]

    def all(self, *kinds: str) -> list[Thing]:
        """Return the objects of these kinds."""
        return [thing for thing in self.things if thing["kind"] in kinds]

    def one(self, kind: str, name: str) -> Thing:
        """Return one object."""
        (found,) = [thing for thing in self.all(kind) if thing["metadata"]["name"] == name]
        return found

    @property
    def workloads(self) -> list[Thing]:
        """Return all that has pods made."""
        return self.all("Deployment", "StatefulSet", "Job")

    @property
    def services(self) -> dict[str, Thing]:
        """Return our own three deployments by name."""
        return {thing["metadata"]["name"]: thing for thing in self.all("Deployment")}


@functools.cache
def cluster(name: str) -> Cluster:
    """Render one way."""
    folder = Path(tempfile.mkdtemp(prefix="k8s-"))
    try:
        shutil.copytree(ROOT / "k8s", folder / "k8s", ignore=shutil.ignore_patterns("secrets.env"))
        overlay, components = WAYS[name]
        place = folder / "k8s" / ("base" if overlay == "base" else f"overlays/{overlay}")
        if overlay == "dev":
            subprocess.run([place / "make-secrets.sh"], check=True)
        if name not in (*COMMITTED, "base"):
            _list_components(place / "kustomization.yaml", components)
            _name_storage(place / "settings.env", components)
        return Cluster(name, list(yaml.safe_load_all(_kustomize(place))))
    finally:
        shutil.rmtree(folder)


def listed(overlay: str) -> tuple[str, ...]:
    """Return the components that an overlay lists as committed."""
    file = ROOT / "k8s" / "overlays" / overlay / "kustomization.yaml"
    return tuple(Path(path).name for path in yaml.safe_load(file.read_text())["components"])


def _kustomize(place: Path) -> str:
    done = subprocess.run([KUBECTL, "kustomize", place], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, "kustomize has something to say"
    return done.stdout


def _list_components(file: Path, components: tuple[str, ...]) -> None:
    kustomization = yaml.safe_load(file.read_text())
    kustomization["components"] = [f"../../components/{component}" for component in components]
    if set(OPERATORS) <= set(components):
        kustomization["resources"].remove("network.yaml")  # as its comment says
    file.write_text(yaml.safe_dump(kustomization, sort_keys=False))


def _name_storage(file: Path, components: tuple[str, ...]) -> None:
    """Write where recordings lie, as each component's first lines say."""
    place = {"gcs": "BLOB_URL=gs://example-recordings/lingoloop", "shared-folder": ""}
    for component in set(components) & set(place):
        lines = [line for line in file.read_text().splitlines() if not line.startswith(("BLOB_URL=", "AWS_"))]
        file.write_text("\n".join([*lines, place[component], ""]))


def pod_of(workload: Thing) -> Thing:
    """Return a workload's pod template."""
    template: Thing = workload["spec"]["template"]
    return template


def container_of(workload: Thing) -> Thing:
    """Return a workload's only container."""
    (container,) = pod_of(workload)["spec"]["containers"]
    assert "initContainers" not in pod_of(workload)["spec"]
    return dict(container)


def env_of(workload: Thing) -> dict[str, Thing]:
    """Return a container's variables by name."""
    return {entry["name"]: entry for entry in container_of(workload).get("env", [])}


def selects(selector: Thing, labels: dict[str, str]) -> bool:
    """Whether a label selector matches labels."""
    wanted = selector.get("matchLabels", {}).items()
    return wanted <= labels.items() and all(
        expression["operator"] == "In" and labels.get(expression["key"]) in expression["values"]
        for expression in selector.get("matchExpressions", [])
    )


def references(value: Any) -> Iterator[tuple[str, str, str | None, bool]]:
    """Yield what an object takes from Secrets and ConfigMaps: kind, name, key (None: all), whether it may be missing."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in ("secretKeyRef", "configMapKeyRef", "secretRef", "configMapRef"):
                kind = "Secret" if name.startswith("secret") else "ConfigMap"
                yield kind, inner["name"], inner.get("key"), inner.get("optional", False)
            else:
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)
