"""A model hub on loopback with one repository, as the hub's own client reads it."""

import hashlib
import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "c0ffee" + "0" * 34
LARGE = ".bin"
"""Files with this end are kept by their SHA-256, as on the hub."""


class Hub:
    """What the repository holds and what was asked for; `sent` replaces a file's bytes on their way."""

    def __init__(self, repository: str, files: dict[str, bytes]) -> None:
        self.repository, self.files = repository, files
        self.sent: dict[str, bytes] = {}
        self.fetched: Counter[str] = Counter()
        self.url = ""

    def tree(self) -> list[dict[str, object]]:
        """Return the files, with sizes and sums, as the hub lists them."""
        return [
            {
                "type": "file",
                "path": name,
                "size": len(data),
                "oid": hashlib.sha1(data, usedforsecurity=False).hexdigest(),
                **(
                    {"lfs": {"oid": sha256(data), "size": len(data), "pointerSize": 128}}
                    if large(name)
                    else {}
                ),
            }
            for name, data in self.files.items()
        ]


def sha256(data: bytes) -> str:
    """Return the SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def large(name: str) -> bool:
    """Whether the hub keeps the file by its SHA-256."""
    return name.endswith(LARGE)


@contextmanager
def serve(hub: Hub) -> Iterator[Hub]:
    """Serve the hub while the context lasts; `hub.url` is its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == f"/api/models/{hub.repository}/revision/main":
                self._send(json.dumps({"id": hub.repository, "sha": COMMIT}).encode())
            elif path == f"/api/models/{hub.repository}/tree/{COMMIT}":
                self._send(json.dumps(hub.tree()).encode())
            elif (found := re.fullmatch(rf"/{hub.repository}/resolve/{COMMIT}/(.+)", path)) and (
                name := found[1]
            ) in hub.files:
                self._file(name)
            else:
                self.send_response(404)
                self.send_header("X-Error-Code", "RepoNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()

        do_HEAD = do_GET  # noqa: N815  (the server's name for it)

        def _file(self, name: str) -> None:
            data = hub.files[name]
            etag = sha256(data) if large(name) else hashlib.sha1(data, usedforsecurity=False).hexdigest()
            if self.command == "GET":
                hub.fetched[name] += 1
            self._send(
                hub.sent.get(name, data),
                {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"},
            )

        def _send(self, data: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(200)
            for name, value in {**(headers or {}), "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data)

        def log_message(self, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
