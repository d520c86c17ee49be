"""Images without an engine: built by buildah from the Dockerfile, and started as an engine would, from their own settings.

Where no registry can be reached, stand-ins take the places of the bases: Debian's own Python, this machine's Node and uv.
"""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.servers import spawn

REPOSITORY = Path(__file__).parents[2]
BASES = ("PYTHON", "NODE", "UV")
UV = REPOSITORY / ".venv-ops/bin/uv"

ENTER = """
mount --make-rprivate /
mount --bind "$ROOT" "$ROOT"
mount -t proc proc "$ROOT/proc"
mount --rbind /dev "$ROOT/dev"
mount -t tmpfs -o mode=1777 tmpfs "$ROOT/tmp"
for folder in $WRITABLE; do mount --bind "${folder%%:*}" "$ROOT${folder##*:}"; done
mount -o remount,bind,ro "$ROOT"
exec env -i $SETTINGS chroot "$ROOT" setpriv --reuid="${USER_ID%%:*}" --regid="${USER_ID##*:}" --clear-groups \\
  --bounding-set=-all --inh-caps=-all --no-new-privs --pdeathsig=KILL -- "$@"
"""
"""As an engine does with `--read-only --cap-drop ALL --security-opt no-new-privileges`, in the process that it was."""


def lacking() -> str | None:
    """What keeps images from being built here, if anything does."""
    missing = [
        program for program in ("buildah", "debootstrap", "node", "unshare") if not shutil.which(program)
    ]
    if not UV.exists():
        missing.append("uv")
    if missing:
        return f"images cannot be built here: {', '.join(missing)} missing (make ops-tools)"
    if os.geteuid() != 0 or subprocess.run(["unshare", "--mount", "true"], check=False).returncode:
        return "images cannot be built here: that needs root, and rights to mount"
    return None


class Images:
    """Builds images in a folder of its own, and starts services from them.

    `LINGOLOOP_TEST_IMAGES` names a folder that is kept, so that the next run need not make stand-ins.
    """

    def __init__(self) -> None:
        kept = os.environ.get("LINGOLOOP_TEST_IMAGES")
        self.folder = Path(kept or tempfile.mkdtemp(prefix="lingoloop-images-"))
        self.folder.mkdir(exist_ok=True)
        self._kept = kept is not None
        self._bases: dict[str, str] = {}
        self._roots: dict[str, Path] = {}

    def close(self) -> None:
        """Delete everything, unless the folder is to be kept for the next time."""
        self._buildah("rm", "--all")
        if not self._kept:
            shutil.rmtree(self.folder)

    def build(self, target: str) -> None:
        """Build a target of the Dockerfile."""
        bases = self._bases or self._find_bases()
        trust = self.folder / "uv.toml"
        trust.write_text("system-certs = true\n")
        (self.folder / "npmrc").write_text("cafile=/etc/ssl/certs/ca-certificates.crt\n")
        volumes = {
            "/etc/ssl/certs": "/etc/ssl/certs",
            trust: "/etc/uv/uv.toml",
            self.folder / "npmrc": "/root/.npmrc",
        }
        self._buildah(
            "build",
            "--isolation=chroot",
            "--format=docker",
            *(f"--build-arg={name}={image}" for name, image in bases.items()),
            *(f"--volume={here}:{there}:ro" for here, there in volumes.items()),
            f"--target={target}",
            f"--tag={target}",
            str(REPOSITORY),
        )

    def settings(self, target: str) -> dict[str, Any]:
        """What an image says of itself: `User`, `Env`, `Cmd`, `Healthcheck`, and so on."""
        config: dict[str, Any] = json.loads(self._buildah("inspect", "--type=image", target))["Docker"][
            "config"
        ]
        return config

    def root(self, target: str) -> Path:
        """The folder of an image's files."""
        if target not in self._roots:
            self._roots[target] = Path(self._buildah("mount", self._buildah("from", "--pull-never", target)))
        return self._roots[target]

    def compressed(self, target: str) -> int:
        """Bytes of an image's layers as a registry keeps them."""
        layout = self.folder / f"{target}.oci"
        self._buildah("push", target, f"oci:{layout}")
        blobs = layout / "blobs/sha256"
        [image] = json.loads((layout / "index.json").read_text())["manifests"]
        manifest = json.loads((blobs / image["digest"].removeprefix("sha256:")).read_text())
        shutil.rmtree(layout)
        return sum(layer["size"] for layer in manifest["layers"])

    def start(
        self,
        target: str,
        environment: Mapping[str, str],
        writable: Mapping[Path, str],
        log: Path,
        command: list[str] | None = None,
    ) -> "subprocess.Popen[bytes]":
        """Start an image's command (or another) as its own user, with nothing to write to but /tmp and what is named."""
        config = self.settings(target)
        own = dict(line.partition("=")[::2] for line in config["Env"])
        enter = {
            "ROOT": str(self.root(target)),
            "USER_ID": config["User"],
            "WRITABLE": " ".join(f"{here}:{there}" for here, there in writable.items()),
            "SETTINGS": " ".join(f"{name}={value}" for name, value in {**own, **environment}.items()),
            "PATH": os.environ["PATH"],
        }
        return spawn(
            ["unshare", "--mount", "sh", "-ec", ENTER, "sh", *(command or config["Cmd"])], log, env=enter
        )

    def _buildah(self, *arguments: str) -> str:
        store = [f"--root={self.folder}/images", f"--runroot={self.folder}/run", "--storage-driver=vfs"]
        done = subprocess.run(
            ["nice", "buildah", *store, *arguments],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, f"buildah {arguments[0]}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout.strip()

    def _find_bases(self) -> dict[str, str]:
        """Take the Dockerfile's own bases where they can be had, else make stand-ins."""
        try:
            self._buildah("pull", "--quiet", "--retry=0", pinned("PYTHON"))
            self._bases = {name: pinned(name) for name in BASES}
        except AssertionError:
            self._bases = {name: f"localhost/stand-in/{name.lower()}" for name in BASES}
            if not self._buildah("images", "--quiet", "--filter=reference=localhost/stand-in/uv"):
                self._make_stand_ins()
        return self._bases

    def _make_stand_ins(self) -> None:
        root = self.folder / "debian"
        # Trixie's Python is 3.13, like the base's.
        subprocess.run(
            [
                "nice",
                "debootstrap",
                "--variant=minbase",
                "--include=ca-certificates,python3,python3-venv",
                "trixie",
                root,
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        for waste in (
            "var/cache/apt",
            "var/lib/apt/lists",
            "usr/share/doc",
            "usr/share/locale",
            "usr/share/man",
        ):
            shutil.rmtree(root / waste)
        for name in ("python", "python3"):
            (root / "usr/local/bin" / name).symlink_to("/usr/bin/python3.13")
        node = Path(shutil.which("node") or "node").resolve()
        npm = Path(shutil.which("npm") or "npm").resolve().parents[1]
        self._commit("PYTHON", "scratch", {root: "/"})
        self._commit("NODE", self._bases["PYTHON"], {node: "/usr/local/bin/node", npm: "/usr/local/lib/npm"})
        self._commit("UV", "scratch", {UV: "/uv"})
        shutil.rmtree(root)

    def _commit(self, name: str, base: str, files: Mapping[Path, str]) -> None:
        container = self._buildah("from", "--pull-never", base)
        for here, there in files.items():
            self._buildah("add", "--quiet", container, str(here), there)
        if name == "NODE":
            link = ["ln", "-s", "../lib/npm/bin/npm-cli.js", "/usr/local/bin/npm"]
            self._buildah("run", "--isolation=chroot", container, "--", *link)
        self._buildah("config", "--env=PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", container)
        self._buildah("commit", "--quiet", "--rm", container, self._bases[name])


def pinned(base: str) -> str:
    """The image that the Dockerfile names for a base."""
    lines = (REPOSITORY / "Dockerfile").read_text().splitlines()
    [line] = [line for line in lines if line.startswith(f"ARG {base}=")]
    return line.partition("=")[2]
