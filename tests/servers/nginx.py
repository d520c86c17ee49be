"""A private nginx from the system's package, with the settings that the package comes with."""

import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Self

from tests.servers import end, free_port, spawn, wait_until

PROGRAM = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
PACKAGED = Path("/etc/nginx/nginx.conf")

SERVER = """
  server {{
    listen 127.0.0.1:{port};
    {places}
  }}
"""


class Nginx:
    """Passes requests on with `proxy_pass`, and no setting besides.

    Args:
        upstreams: addresses like `http://127.0.0.1:1234`; each gets one that stands for it, in `urls`.
        places: `location` blocks, for one more address, the last of `urls`.
        servers: whole servers, with addresses of their own; `{folder}` in it is nginx's own.
    """

    def __init__(self, *upstreams: str, places: str | None = None, servers: str = "") -> None:
        self._servers = servers
        blocks = [f"location / {{ proxy_pass {url}; }}" for url in upstreams] + ([places] if places else [])
        self._places = {free_port(): block for block in blocks}
        self.urls = [f"http://127.0.0.1:{port}" for port in self._places]
        self.folder = Path(tempfile.mkdtemp(prefix="nginx-"))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        assert PROGRAM, "there is no nginx here: run `make test-servers`"
        self.folder.chmod(0o711)  # its workers have fewer rights
        conf, log = self.folder / "nginx.conf", self.folder / "error.log"
        conf.write_text(self._configuration())
        command = [PROGRAM, "-p", str(self.folder), "-c", str(conf), "-e", str(log), "-g", "daemon off;"]
        self._process = process = spawn(command, log)

        def answers() -> bool:
            if process.poll() is not None:
                raise RuntimeError(f"nginx did not start:\n{log.read_text()}")
            return (self.folder / "nginx.pid").exists()

        wait_until(answers, "nginx to answer")
        return self

    def __exit__(self, *_: object) -> None:
        if self._process:
            end(self._process, signal.SIGTERM)
        shutil.rmtree(self.folder)

    def _configuration(self) -> str:
        """Return the package's own configuration, with its files in the folder and servers of ours."""
        text = PACKAGED.read_text()
        for name, file in (("pid", "nginx.pid"), ("error_log", "error.log"), ("access_log", "access.log")):
            text = re.sub(rf"^(\s*{name}) \S+;", rf"\1 {self.folder}/{file};", text, flags=re.MULTILINE)
        # Modules that somebody added, and sites of this machine, are none of ours.
        text = re.sub(
            r"^\s*include /etc/nginx/(modules-enabled|conf\.d|sites-enabled)/.*$",
            "",
            text,
            flags=re.MULTILINE,
        )
        temporary = "".join(
            f"\n  {name}_temp_path {self.folder}/{name};"
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        servers = "".join(SERVER.format(port=port, places=places) for port, places in self._places.items())
        servers += self._servers.replace("{folder}", str(self.folder))
        return text.replace("http {", "http {" + temporary + servers, 1)
