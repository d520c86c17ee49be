"""`ops/nginx/lingoloop.conf` in a real nginx: uploads go through as they come, frames one by one, and no token into a log."""

import asyncio
import os
import re
import ssl
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from tests.servers import free_port, wait_until
from tests.servers.nginx import PROGRAM, Nginx

pytestmark = [
    pytest.mark.ops,
    pytest.mark.skipif(
        PROGRAM is None and "CI" not in os.environ,
        reason="there is no nginx here; `make test-servers` installs it",
    ),
]

CONF = Path(__file__).parents[2] / "ops" / "nginx" / "lingoloop.conf"
NAME = "lingoloop.example"
PATIENCE = 20
PART = b"x" * 2**20
TOKEN = "a-token-that-nobody-may-see"


@dataclass
class Behind:
    """What stands for a gateway and a notifier, and what nginx tells them."""

    received: int = 0
    grown: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    headers: dict[str, str] = field(default_factory=dict)

    async def upload(self, request: web.Request) -> web.Response:
        """Count bytes as they come."""
        self.headers = dict(request.headers)
        async for part in request.content.iter_any():
            self.received += len(part)
            self.grown.set()
        return web.json_response({"bytes": self.received})

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Send a frame, and another when the test says so."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"id: 1\n\n")
        await self.go.wait()
        await response.write(b"id: 2\n\n")
        return response


@dataclass
class Front:
    """nginx before both, and a client that knows its certificate."""

    behind: Behind
    nginx: Nginx
    url: str
    plain: str
    client: aiohttp.ClientSession
    gateway: web.AppRunner

    @property
    def logs(self) -> str:
        return "".join(path.read_text() for path in self.nginx.folder.glob("*.log"))


def certificate(folder: Path) -> None:
    words = (
        f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN={NAME}"
    )
    files = ["-keyout", str(folder / "privkey.pem"), "-out", str(folder / "fullchain.pem")]
    extension = ["-addext", f"subjectAltName=DNS:{NAME},IP:127.0.0.1"]
    subprocess.run([*words.split(), *extension, *files], check=True, capture_output=True, timeout=30)


def configuration(tls: Path, gateway: int, notifier: int, https: int, http: int) -> str:
    """Return the file as it is, with other ports and places."""
    text = re.sub(r"^.*listen \[::\].*\n", "", CONF.read_text(), flags=re.MULTILINE)
    here = {
        "listen 443": f"listen 127.0.0.1:{https}",
        "listen 80": f"listen 127.0.0.1:{http}",
        "127.0.0.1:3002": f"127.0.0.1:{gateway}",
        "127.0.0.1:3003": f"127.0.0.1:{notifier}",
        "/etc/lingoloop/tls": str(tls),
        "/var/log/nginx": "{folder}",
    }
    assert all(there in text for there in here)
    # In one go: a free port may begin with one of those.
    return re.sub("|".join(here), lambda found: here[found[0]], text)


async def serve(app: web.Application, port: int) -> web.AppRunner:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    return runner


@pytest_asyncio.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    certificate(tmp_path)
    behind = Behind()
    gateway, notifier, https, http = (free_port() for _ in range(4))
    uploads, streams = web.Application(client_max_size=0), web.Application()
    uploads.router.add_post("/api/audios", behind.upload)
    streams.router.add_get("/api/runs/events", behind.events)
    streams.router.add_get("/api/runs/{id}/events", behind.events)
    runners = [await serve(uploads, gateway), await serve(streams, notifier)]
    context = ssl.create_default_context(cafile=str(tmp_path / "fullchain.pem"))
    connector = aiohttp.TCPConnector(ssl=context)
    with Nginx(servers=configuration(tmp_path, gateway, notifier, https, http)) as nginx:
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(60)) as client:
            yield Front(
                behind, nginx, f"https://127.0.0.1:{https}", f"http://127.0.0.1:{http}", client, runners[0]
            )
    for runner in runners:
        await runner.cleanup()


async def test_an_upload_reaches_the_gateway_while_it_is_sent_and_is_not_put_aside(front: Front) -> None:
    sent, rest = 8, 250

    async def body() -> AsyncIterator[bytes]:
        for _ in range(sent):
            yield PART
        async with asyncio.timeout(PATIENCE):
            while front.behind.received < (sent - 1) * len(PART):
                front.behind.grown.clear()
                await front.behind.grown.wait()
        for _ in range(rest):
            yield PART
        assert [
            path for path in front.nginx.folder.rglob("*") if path.is_file() and path.name.isdigit()
        ] == []

    async with front.client.post(f"{front.url}/api/audios", data=body()) as response:
        assert await response.json() == {"bytes": (sent + rest) * len(PART)}


@pytest.mark.parametrize("path", ["/api/runs/events", "/api/runs/01a2/events"])
async def test_frames_come_from_the_notifier_one_by_one(front: Front, path: str) -> None:
    async with front.client.get(f"{front.url}{path}?access_token={TOKEN}") as response:
        first = await asyncio.wait_for(response.content.readuntil(b"\n\n"), PATIENCE)
        assert first == b"id: 1\n\n"
        front.behind.go.set()
        assert await asyncio.wait_for(response.content.readuntil(b"\n\n"), PATIENCE) == b"id: 2\n\n"
    line = f'"GET {path}" 200'
    await asyncio.to_thread(wait_until, lambda: line in front.logs, "the log")
    assert TOKEN not in front.logs


async def test_no_token_is_logged_when_a_service_is_away_or_a_client_comes_unencrypted(front: Front) -> None:
    dead = f"/api/runs/01a2/content?access_token={TOKEN}"
    await front.gateway.cleanup()
    async with front.client.get(f"{front.url}{dead}") as response:
        assert response.status == 502
    async with front.client.get(f"{front.plain}{dead}", allow_redirects=False) as response:
        assert response.status == 301
        assert TOKEN not in response.headers["Location"]
    assert TOKEN not in front.logs


async def test_the_gateway_is_told_what_nginx_saw_and_not_what_the_client_says(front: Front) -> None:
    lies = {"X-Forwarded-For": "8.8.8.8", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "evil.example"}
    async with front.client.post(f"{front.url}/api/audios", data=b"x", headers=lies) as response:
        assert response.headers["Strict-Transport-Security"] == "max-age=31536000"
    heard = front.behind.headers
    assert heard["X-Forwarded-For"] == "127.0.0.1"
    assert heard["X-Forwarded-Proto"] == "https"
    assert heard["X-Forwarded-Host"] == heard["Host"] == front.url.removeprefix("https://")
