"""nginx with nchan, one worker, for a comparison; needs Debian's nginx and libnginx-mod-nchan."""

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.servers import free_port

MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
WINDOW = 200

CONFIGURATION = """
load_module {module};
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 16000; }}
http {{
  access_log off; nchan_shared_memory_size 256M; nchan_message_buffer_length 500;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} backlog=8192; keepalive_requests 1000000;
    location ~ /sub/(\\w+)$ {{ nchan_subscriber eventsource; nchan_channel_id $1; }}
    location ~ /pub/(\\w+)$ {{ nchan_publisher; nchan_channel_id $1; }}
  }}
}}
"""


class Nchan:
    """A running nchan: its port, the process that does the work, and a connection that publishes."""

    def __init__(self, port: int, pid: int) -> None:
        self.port, self.pid = port, pid
        self._socket = socket.create_connection(("127.0.0.1", port))

    def publish(self, channels: int, data: bytes, times: int) -> None:
        """Publish a message to each channel, and all that so often; up to a window of requests waits for no answer."""
        requests = [
            b"POST /pub/c%d HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b"
            % (channel, len(data), data)
            for channel in range(channels)
        ] * times
        for first in range(0, len(requests), WINDOW):
            window, answers = requests[first : first + WINDOW], b""
            self._socket.sendall(b"".join(window))
            while answers.count(b"HTTP/1.1 20") < len(window):
                answers += self._socket.recv(2**16)


@contextlib.contextmanager
def nchan(folder: Path) -> Iterator[Nchan]:
    """Run nchan, with its files in a folder."""
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    if not (MODULE.exists() and Path(nginx).exists()):
        raise SystemExit("needs nginx with nchan: apt-get install nginx libnginx-mod-nchan")
    folder.mkdir()
    port = free_port()
    (folder / "nginx.conf").write_text(CONFIGURATION.format(module=MODULE, folder=folder, port=port))
    with subprocess.Popen(
        [nginx, "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
    ) as process:
        try:
            yield Nchan(_when_open(port), _worker(process.pid))
        finally:
            process.terminate()


def _when_open(port: int) -> int:
    end = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return port
        except OSError:
            assert time.monotonic() < end, "nginx does not start"
            time.sleep(0.05)


def _worker(master: int) -> int:
    while True:
        for pid in Path(f"/proc/{master}/task/{master}/children").read_text().split():
            if "worker" in Path(f"/proc/{pid}/cmdline").read_text():
                return int(pid)
        time.sleep(0.05)
