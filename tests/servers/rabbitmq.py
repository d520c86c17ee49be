"""A private RabbitMQ from the system's package: own folder, cookie, epmd and free loopback ports."""

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Self

from tests.servers import end, free_port, spawn, wait_until


def _program() -> str:
    """The server's own script: Debian's wrapper in the path would change user and folder.

    `LINGOLOOP_TEST_RABBITMQ` names the program of another version (see `rabbitmq4.sh`).
    """
    found = (
        os.environ.get("LINGOLOOP_TEST_RABBITMQ")
        or shutil.which("rabbitmq-server", path="/usr/lib/rabbitmq/bin")
        or shutil.which("rabbitmq-server")
    )
    if found is None:
        raise RuntimeError("no RabbitMQ here: run `make test-servers`")
    return found


class RabbitServer:
    """Starts, stops and kills one broker; what it stores survives until `close`.

    Virtual hosts are made through the management plugin, which answers in milliseconds; `rabbitmqctl` takes seconds.

    Args:
        port: (AMQP) of a broker that another process started, and
        admin_port: its management port; then only its virtual hosts are made and deleted here.
        watched: it has a page for Prometheus, on `metrics_port`.
        config: more lines of rabbitmq.conf; of two that set the same the last one counts.
    """

    def __init__(
        self,
        port: int | None = None,
        admin_port: int | None = None,
        *,
        watched: bool = False,
        config: str = "",
    ) -> None:
        self._config = config
        self.port = port or free_port()
        self.admin_port = admin_port or free_port()
        self.metrics_port = free_port() if watched else None
        self._epmd_port, self._dist_port = free_port(), free_port()
        self.folder: Path | None = None
        self._epmd: subprocess.Popen[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Of the default virtual host."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    @property
    def pid(self) -> int | None:
        """The broker's (beam's) process id while it runs."""
        return self._process.pid if self._process else None

    def start(self) -> Self:
        """Start and wait until it answers."""
        self.launch()
        self.wait_ready()
        return self

    def launch(self) -> None:
        """Start without waiting; a stopped or killed broker starts again with its data and ports."""
        folder = self.folder or self._init()
        env = self._environment(folder)
        # Started here, so that its process id is known; else the broker would leave a daemon behind.
        epmd = ["epmd", "-port", str(self._epmd_port), "-address", "127.0.0.1"]
        self._epmd = spawn(epmd, folder / "epmd.log", env=env)
        wait_until(lambda: _listens(self._epmd_port), "epmd to listen")
        self._process = spawn([_program()], folder / "server.log", env=env)

    def wait_ready(self) -> None:
        """Return when it takes connections and answers to the management port."""

        def answers() -> bool:
            if self._process and self._process.poll() is not None:
                raise RuntimeError(f"RabbitMQ did not start:\n{self._log()}")
            try:
                return _listens(self.port) and bool(self.admin("GET", "overview"))
            except OSError:
                return False

        wait_until(answers, "RabbitMQ to answer")

    def stop(self) -> None:
        """Shut down cleanly."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to the broker, as when the machine runs out of memory."""
        self._end(signal.SIGKILL)

    def close(self) -> None:
        """End it and delete everything; nobody needs the data any more, so this is quick."""
        self.kill()
        if self.folder:
            shutil.rmtree(self.folder)
            self.folder = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def create_vhost(self, name: str) -> str:
        """Make a virtual host and return its URL."""
        self.admin("PUT", f"vhosts/{name}")
        return self.url + name

    def delete_vhost(self, name: str) -> None:
        """Delete a virtual host with its queues; who is connected to it is cut off."""
        self.admin("DELETE", f"vhosts/{name}")

    def admin(self, method: str, path: str, body: object = None) -> Any:
        """A call of the management API, e.g. `admin("GET", "queues/NAME")`; its counts lag by seconds."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.admin_port}/api/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": "Basic " + base64.b64encode(b"guest:guest").decode(),
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or "null")

    def _init(self) -> Path:
        self.folder = folder = Path(tempfile.mkdtemp(prefix="lingoloop-rabbitmq-"))
        plugins = "rabbitmq_management" + (",rabbitmq_prometheus" if self.metrics_port else "")
        (folder / "enabled_plugins").write_text(f"[{plugins}].\n")
        (folder / "rabbitmq.conf").write_text(
            f"{self._config}\n"
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\n"
            f"management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {self.admin_port}\n"
            "disk_free_limit.absolute = 50MB\n"
            + (
                f"prometheus.tcp.ip = 127.0.0.1\nprometheus.tcp.port = {self.metrics_port}\n"
                if self.metrics_port
                else ""
            )
        )
        # Empty, so that the machine's own are not read.
        (folder / "env.conf").touch()
        (folder / "advanced.config").write_text("[].\n")
        return folder

    def _environment(self, folder: Path) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),  # the cookie's place
            "LANG": "C.UTF-8",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"lingoloop-{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            # Idle schedulers must not spin: on two cores they would take time from what is measured (RabbitMQ, "Runtime").
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} "
            "+sbwt none +sbwtdcpu none +sbwtdio none",
            "ERL_CRASH_DUMP": f"{folder}/erl_crash.dump",
            "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf",
            "RABBITMQ_ADVANCED_CONFIG_FILE": f"{folder}/advanced.config",
            "RABBITMQ_CONF_ENV_FILE": f"{folder}/env.conf",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/enabled_plugins",
            "RUNNING_UNDER_SYSTEMD": "true",  # makes the script become the broker instead of its parent
        }

    def _end(self, first: signal.Signals) -> None:
        for process, how in ((self._process, first), (self._epmd, signal.SIGTERM)):
            if process:
                end(process, how)
        self._process = self._epmd = None

    def _log(self) -> str:
        return (self.folder / "server.log").read_text()[-4000:] if self.folder else ""


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
