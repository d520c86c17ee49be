"""A bare Debian, made by debootstrap, in which systemd boots as process 1 (systemd-nspawn): for the steps of `one-host.md`."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.guide.walk import ROOT, STRICT

NEEDED = ("debootstrap", "systemd-nspawn")
RELEASE = "bookworm"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
PARENTLESS = "--register=no --keep-unit"

UNIT = """
[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/bin/bash /root/steps.sh
ExecStopPost=/bin/sh -c 'echo $EXIT_STATUS > /root/steps.rc; systemctl --no-block poweroff'
StandardOutput=file:/root/steps.log
StandardError=inherit
TimeoutStartSec=10min
[Install]
WantedBy=multi-user.target
"""


def missing() -> str | None:
    """Return why there can be no such machine here, or None."""
    if os.geteuid() != 0:
        return "only root can boot a system in a folder"
    if lacking := [name for name in NEEDED if shutil.which(name) is None]:
        return f"not here: {', '.join(lacking)}; `make ops-tools` installs them"
    return None


class Host:
    """A machine of its own in a folder."""

    def __init__(self, folder: Path) -> None:
        self._root = folder / "root"

    def make(self) -> None:
        """Put Debian's least into the folder, and a checkout of LingoLoop."""
        basics = "systemd,systemd-sysv,dbus"
        _run(["debootstrap", "--variant=minbase", f"--include={basics}", RELEASE, str(self._root)])
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        files = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True).stdout.decode().split("\0")
        for name in files:
            if name and (ROOT / name).is_file():
                target = self._root / "usr/src/lingoloop" / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, target)

    def install(self, code: str) -> None:
        """Type commands before it has booted, with the network; no service starts."""
        guard = self._root / "usr/sbin/policy-rc.d"
        guard.write_text("#!/bin/sh\nexit 101\n")
        guard.chmod(0o755)
        known = [f"--bind-ro={CERTIFICATES}:/mnt/ca.crt", "--setenv=PIP_CERT=/mnt/ca.crt"]
        (self._root / "root/install.sh").write_text(STRICT + code)
        self._nspawn([*(known if CERTIFICATES.exists() else []), "bash", "/root/install.sh"])
        guard.unlink()

    def boot(self, code: str) -> str:
        """Boot it, in a network of its own, type commands, and switch it off; return what they said."""
        home = self._root / "root"
        (home / "steps.sh").write_text(f"{STRICT}cd /usr/src/lingoloop\n{code}")
        (home / "steps.log").unlink(missing_ok=True)
        unit = self._root / "etc/systemd/system/steps.service"
        unit.write_text(UNIT)
        wanted = unit.parent / "multi-user.target.wants/steps.service"
        wanted.unlink(missing_ok=True)
        wanted.symlink_to("../steps.service")
        self._nspawn(["--private-network", "--boot"])
        said = (home / "steps.log").read_text()
        assert (home / "steps.rc").read_text().strip() == "0", said
        return said

    def _nspawn(self, words: Sequence[str]) -> None:
        _run(["systemd-nspawn", "--quiet", "-D", str(self._root), *PARENTLESS.split(), *words])


def _run(command: list[str]) -> None:
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
