"""The Ingress objects of k8s/: streams go to the notifier, all else to the gateway, and nothing is held back on the way.

nginx is the real one, from the system's package, with a configuration made of the annotations as the controller makes it.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from lingoloop_gateway.description.table import ROUTES
from lingoloop_gateway.settings import GatewaySettings
from lingoloop_notifier.server import Server
from tests.ops.clusters import WAYS, Cluster, cluster, needs_tools
from tests.servers.nginx import PROGRAM, Nginx

pytestmark = [
    pytest.mark.ops,
    needs_tools,
    pytest.mark.skipif(
        PROGRAM is None and "CI" not in os.environ,
        reason="there is no nginx here; `make test-servers` installs it",
    ),
]

OF_NGINX = "nginx.ingress.kubernetes.io/"
DIRECTIVES = {
    "proxy-body-size": "client_max_body_size {};",
    "proxy-request-buffering": "proxy_request_buffering {};",
    "proxy-buffering": "proxy_buffering {};",
    "proxy-http-version": "proxy_http_version {};",
    "proxy-read-timeout": "proxy_read_timeout {}s;",
    "proxy-send-timeout": "proxy_send_timeout {}s;",
    "proxy-next-upstream": "proxy_next_upstream {};",
}
"""What the controller makes of each annotation; others are read in `places`."""

MIB = 2**20


class Place(NamedTuple):
    """A path of an Ingress, the service that it goes to, and how."""

    path: str
    service: str
    annotations: dict[str, str]


def places(made: Cluster) -> list[Place]:
    """Return all paths in the order in which the controller tries them: the longest first."""
    found = []
    for ingress in made.all("Ingress"):
        annotations = {
            name.removeprefix(OF_NGINX): value
            for name, value in ingress["metadata"]["annotations"].items()
            if name.startswith(OF_NGINX)
        }
        (rule,) = ingress["spec"]["rules"]
        for path in rule["http"]["paths"]:
            assert path["backend"]["service"]["port"] == {"name": "http"}
            found.append(Place(path["path"], path["backend"]["service"]["name"], annotations))
    # One that uses expressions makes all paths of the host expressions, at the beginning, whatever the case of letters.
    assert any(place.annotations.get("use-regex") == "true" for place in found)
    return sorted(found, key=lambda place: -len(place.path))


def location(place: Place, upstreams: dict[str, str]) -> str:
    """Return nginx's block for a place."""
    lines = [
        DIRECTIVES[name].format(value) for name, value in place.annotations.items() if name in DIRECTIVES
    ]
    others = {name: value for name, value in place.annotations.items() if name not in DIRECTIVES}
    assert others.pop("use-regex", "true") == "true"
    assert others == {"enable-access-log": "false"}, "addresses of streams may hold a token"
    lines += ["access_log off;", 'proxy_set_header Connection "";', f"proxy_pass {upstreams[place.service]};"]
    return f'location ~* "^{place.path}" {{ {" ".join(lines)} }}\n'


def service_of(made: Cluster, path: str) -> str:
    return next(place.service for place in places(made) if re.match(place.path, path, re.IGNORECASE))


def streams() -> set[str]:
    """Return the notifier's own paths."""
    parts: Any = None

    @web.middleware
    async def gate(request: web.Request, handler: Any) -> Any:
        return await handler(request)

    app = Server(database=parts, hub=parts, feed=parts, callers=parts, forecasts=parts).app((), gate)
    return {route.resource.canonical for route in app.router.routes() if route.resource}


@pytest.mark.parametrize("name", WAYS)
def test_streams_go_to_the_notifier_and_all_else_to_the_gateway(name: str) -> None:
    made = cluster(name)
    run = "01a20f05-b6f3-70eb-bdaf-489ea155d356"
    to_notifier = streams()
    assert to_notifier <= {route.path for route in ROUTES}, "the description has them"
    for path in {route.path for route in ROUTES} | {
        "/",
        "/runs/{run_id}",
        "/sign-in",
        "/assets/app.js",
        "/api/runs/{run_id}/events/x",
    }:
        wanted = "notifier" if path in to_notifier else "gateway"
        assert service_of(made, re.sub(r"\{\w+\}", run, path)) == wanted, path


@pytest.mark.parametrize("name", WAYS)
def test_the_largest_upload_is_let_in(name: str) -> None:
    (place,) = [place for place in places(cluster(name)) if place.service == "gateway"]
    largest = GatewaySettings.model_fields["max_upload_bytes"].default
    assert int(place.annotations["proxy-body-size"].removesuffix("g")) * 2**30 > largest + MIB
    assert int(place.annotations["proxy-read-timeout"]) > 60, "longer than a small upload's answer takes"


def test_production_is_encrypted() -> None:
    ingresses = cluster("production").all("Ingress")
    for ingress in ingresses:
        (tls,) = ingress["spec"]["tls"]
        assert tls["hosts"] == [ingress["spec"]["rules"][0]["host"]]
    issuers = [each["metadata"]["annotations"].get("cert-manager.io/cluster-issuer") for each in ingresses]
    assert len([issuer for issuer in issuers if issuer]) == 1, "two would ask for the same certificate"


class Upstreams:
    """Stands for gateway and notifier: counts what comes, and sends what it is told to."""

    def __init__(self) -> None:
        self.received = 0
        self.began = asyncio.Event()
        self.frames: asyncio.Queue[bytes] = asyncio.Queue(10)

    async def take(self, request: web.Request) -> web.Response:
        """Count a body."""
        async for part in request.content.iter_any():
            self.received += len(part)
            self.began.set()
        return web.Response(text=str(self.received))

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Send frames as they are put."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        while frame := await self.frames.get():
            await response.write(frame)
        return response

    async def download(self, request: web.Request) -> web.StreamResponse:
        """Send so many MiB."""
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(int(request.query["mib"])):
            await response.write(bytes(MIB))
        return response


class Way(NamedTuple):
    """From a client through nginx."""

    upstreams: Upstreams
    nginx: Nginx
    client: aiohttp.ClientSession


@pytest.fixture
async def way() -> AsyncIterator[Way]:
    upstreams = Upstreams()
    gateway, notifier = web.Application(client_max_size=0), web.Application()
    gateway.router.add_post("/api/audios", upstreams.take)
    gateway.router.add_get("/api/audios/x/content", upstreams.download)
    notifier.router.add_get("/api/runs/events", upstreams.stream)
    async with TestServer(gateway) as first, TestServer(notifier) as second:
        urls = {"gateway": f"http://127.0.0.1:{first.port}", "notifier": f"http://127.0.0.1:{second.port}"}
        blocks = "".join(location(place, urls) for place in places(cluster("production")))
        with Nginx(places=blocks) as nginx:
            async with aiohttp.ClientSession(nginx.urls[0], timeout=aiohttp.ClientTimeout(100)) as client:
                yield Way(upstreams, nginx, client)


def kept_by(nginx: Nginx) -> set[str]:
    """Return the files in which nginx keeps what it holds back; they are open, and have no name any more."""
    targets = {
        str(link.readlink())
        for process in processes(nginx)
        for link in Path(f"/proc/{process}/fd").iterdir()
        if link.is_symlink()
    }
    return {target for target in targets if re.match(rf"{nginx.folder}/(client_body|proxy)/", target)}


@pytest.mark.parametrize("mib", [64, pytest.param(1024, marks=pytest.mark.slow)])
async def test_an_upload_goes_through_as_it_comes(way: Way, mib: int) -> None:
    seen: set[str] = set()

    async def body() -> AsyncIterator[bytes]:
        yield bytes(MIB)
        await asyncio.wait_for(way.upstreams.began.wait(), 20)  # before the second piece is sent
        for _ in range(mib - 1):
            yield bytes(MIB)
            seen.update(kept_by(way.nginx))

    headers = {"Content-Length": str(mib * MIB)}
    async with way.client.post("/api/audios", data=body(), headers=headers) as response:
        assert (response.status, await response.text()) == (200, str(mib * MIB))
    assert seen == set()
    assert max(peaks(way.nginx)) < 64


async def test_more_than_the_largest_is_refused_at_once(way: Way) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.Event().wait()  # the rest never comes

    headers = {"Content-Length": str(12 * 2**30)}
    async with way.client.post("/api/audios", data=body(), headers=headers) as response:
        assert response.status == 413
    assert way.upstreams.received == 0


async def test_a_download_is_kept_on_no_disk(way: Way) -> None:
    async with way.client.get("/api/audios/x/content?mib=64") as response:
        await response.content.readexactly(MIB)
        await asyncio.sleep(0.5)  # as long as it is not read, nothing is taken from the gateway
        assert kept_by(way.nginx) == set()
        await response.content.readexactly(63 * MIB)


async def test_each_frame_of_a_stream_arrives_before_the_next_is_made(way: Way) -> None:
    await way.upstreams.frames.put(b"retry: 2000\n\n")
    async with way.client.get("/api/runs/events") as response:
        assert await asyncio.wait_for(response.content.readuntil(b"\n\n"), 20) == b"retry: 2000\n\n"
        for number in range(5):
            frame = b'id: %d\ndata: {"event":"update"}\n\n' % number
            await way.upstreams.frames.put(frame)
            assert await asyncio.wait_for(response.content.readuntil(b"\n\n"), 20) == frame
        await way.upstreams.frames.put(b"")


def processes(nginx: Nginx) -> list[str]:
    """Return the ids of nginx's processes."""
    master = (nginx.folder / "nginx.pid").read_text().strip()
    return [master, *Path(f"/proc/{master}/task/{master}/children").read_text().split()]


def peaks(nginx: Nginx) -> list[float]:
    """Return the most MiB that each of nginx's processes took."""
    return [
        int(found[1]) / 1024
        for process in processes(nginx)
        if (found := re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{process}/status").read_text()))
    ]
