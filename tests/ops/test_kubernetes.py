"""k8s/ is what Kubernetes and the operators take: each way to put it together is rendered, and held to schemas and to checkov's rules."""

import os
import re
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from tests.ops.clusters import COMMITTED, PAGES, ROOT, TOOLS, WAYS, Cluster, cluster, listed, needs_tools

pytestmark = [pytest.mark.ops, needs_tools]

SCHEMAS = yaml.safe_load((Path(__file__).parent / "custom_resources.yaml").read_text())
CUSTOM = set(SCHEMAS) - {"$defs"}
CRDS = os.environ.get("CRDS")


@pytest.mark.parametrize("overlay", COMMITTED)
def test_the_ways_hold_the_overlays_as_they_are(overlay: str) -> None:
    assert WAYS[overlay] == (overlay, listed(overlay))


def test_each_component_is_tried() -> None:
    folders = {folder.name for folder in (ROOT / "k8s" / "components").iterdir()}
    assert folders == {component for _, components in WAYS.values() for component in components}


def test_the_images_are_of_this_version() -> None:
    ours = {
        line.strip() for line in _texts(cluster("production")) if line.strip().startswith("image: lingoloop/")
    }
    assert {line.partition(":")[2].partition(":")[2] for line in ours} == {version("lingoloop-gateway")}
    (job,) = cluster("production").all("Job")
    assert job["metadata"]["name"] == f"migrate-{version('lingoloop-gateway')}"
    for page in PAGES:
        assert set(re.findall(r"job/([\w.-]+)", page.read_text())) == {job["metadata"]["name"]}


@pytest.mark.parametrize("name", WAYS)
def test_each_image_of_ours_is_one_that_the_dockerfile_makes(name: str) -> None:
    targets = set(re.findall(r"^FROM \S+ AS (\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    images = re.findall(r"image: lingoloop/([\w-]+)", "".join(_texts(cluster(name))))
    assert images
    assert set(images) <= targets


def test_built_in_resources_fit_their_schemas(tmp_path: Path) -> None:
    things = {
        yaml.safe_dump(thing)
        for name in WAYS
        for thing in cluster(name).things
        if thing["kind"] not in CUSTOM
    }
    assert len(things) > 80
    file = tmp_path / "rendered.yaml"
    file.write_text("---\n".join(things))
    command: list[Path | str] = [TOOLS / "kubernetes-validate", "--strict", "--quiet", file]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", WAYS)
def test_custom_resources_fit_theirs(name: str) -> None:
    for thing in cluster(name).all(*CUSTOM):
        schema = {"$defs": SCHEMAS["$defs"], **SCHEMAS[thing["kind"]]}
        errors = [_told(error) for error in jsonschema_rs.validator_for(schema).iter_errors(thing)]
        assert not errors, f"{thing['kind']} {thing['metadata']['name']}"


def test_a_misspelt_field_does_not_fit() -> None:
    thing = {**cluster("production").one("ScaledObject", "transcriber")}
    thing["spec"] = {**thing["spec"], "coolDownPeriod": 1}
    schema = {"$defs": SCHEMAS["$defs"], **SCHEMAS["ScaledObject"]}
    (error,) = jsonschema_rs.validator_for(schema).iter_errors(thing)
    assert "coolDownPeriod" in error.message


@pytest.mark.skipif(CRDS is None, reason="CRDS names no folder with definitions of custom resources")
@pytest.mark.parametrize("name", WAYS)
def test_custom_resources_fit_the_definitions_of_a_cluster(name: str) -> None:
    """Files in the folder hold CustomResourceDefinitions, as the projects publish them or `kubectl get crd -o yaml` prints them."""
    known = dict(_definitions(Path(CRDS or "")))
    for thing in cluster(name).all(*CUSTOM):
        schema = known[(thing["apiVersion"], thing["kind"])]
        errors = [_told(error) for error in jsonschema_rs.validator_for(schema).iter_errors(thing)]
        assert not errors, f"{thing['kind']} {thing['metadata']['name']}"


@pytest.mark.timeout(300)
def test_checkov_finds_nothing_that_is_not_explained(tmp_path: Path) -> None:
    file = tmp_path / "rendered.yaml"
    things = [thing for name in ("dev, watched and scaled", "all at once") for thing in cluster(name).things]
    text = yaml.safe_dump_all(things, width=1_000)
    file.write_text(text)
    command: list[Path | str] = [TOOLS / "checkov", "--skip-download", "--quiet", "--compact", "-f", file]
    done = subprocess.run(
        [*command, "--framework", "kubernetes"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    found = re.search(r"Passed checks: (\d+), Failed checks: 0, Skipped checks: (\d+)", done.stdout)
    assert found, done.stdout
    assert int(found[1]) > 400
    # `KEY=reason`: a reason is a sentence, not a word.
    for skip in re.findall(r"checkov\.io/skip\d+: (.*)", text):
        assert re.fullmatch(r"'?CKV_K8S_\d+=.{20,}", skip), skip


def test_database_and_broker_to_try_things_out_are_those_of_compose() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    for name in ("postgres", "rabbitmq"):
        (container,) = cluster("dev").one("StatefulSet", name)["spec"]["template"]["spec"]["containers"]
        image = compose[name]["image"].partition("@")[0]
        assert image.endswith(f"/{container['image']}")


def test_the_alerts_are_those_of_prometheus(tmp_path: Path) -> None:
    component = ROOT / "k8s" / "components" / "monitoring"
    script = (component / "rules.py").read_text()
    found: dict[str, Any] = {"__name__": "rules", "__file__": str(component / "rules.py")}
    exec(compile(script, "rules.py", "exec"), found)  # noqa: S102  (ours, and in no package)
    assert (component / "rules.yaml").read_text() == found["prometheus_rule"](), "run `make cluster-rules`"


def test_dev_secrets_are_made_once_and_for_their_owner(tmp_path: Path) -> None:
    script = tmp_path / "make-secrets.sh"
    script.write_bytes((ROOT / "k8s" / "overlays" / "dev" / "make-secrets.sh").read_bytes())
    subprocess.run(["sh", script], check=True)
    made = tmp_path / "secrets.env"
    assert made.stat().st_mode & 0o777 == 0o600
    text = made.read_text()
    assert subprocess.run(["sh", script], check=False, capture_output=True).returncode == 1
    assert made.read_text() == text
    ignored = ["git", "check-ignore", "k8s/overlays/dev/secrets.env"]
    assert subprocess.run(ignored, check=False, cwd=ROOT, capture_output=True).returncode == 0


def _texts(rendered: Cluster) -> list[str]:
    return yaml.safe_dump_all(rendered.things, width=1_000).splitlines()


def _told(error: Any) -> str:
    return f"{'/'.join(str(part) for part in error.instance_path)}: {error.message}"


def _definitions(folder: Path) -> Any:
    for file in folder.glob("*.y*ml"):
        for document in yaml.safe_load_all(file.read_text()):
            for crd in (document or {}).get("items", [document]):
                for made in crd["spec"]["versions"] if crd else ():
                    group = crd["spec"]["group"]
                    schema = _strict(made["schema"]["openAPIV3Schema"])
                    schema["properties"]["metadata"] = {"type": "object"}
                    yield (f"{group}/{made['name']}", crd["spec"]["names"]["kind"]), schema


def _strict(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a definition's schema as JSON Schema in which a field that it does not name is an error."""
    strict = {
        key: value for key, value in schema.items() if key not in ("format", "anyOf", "oneOf", "allOf", "not")
    }
    if strict.get("x-kubernetes-int-or-string"):
        strict["type"] = ["integer", "string"]
    if isinstance(strict.get("items"), dict):
        strict["items"] = _strict(strict["items"])
    if isinstance(strict.get("additionalProperties"), dict):
        strict["additionalProperties"] = _strict(strict["additionalProperties"])
    if "properties" in strict:
        strict["properties"] = {name: _strict(inner) for name, inner in strict["properties"].items()}
        strict.setdefault("additionalProperties", bool(strict.get("x-kubernetes-preserve-unknown-fields")))
    return strict
