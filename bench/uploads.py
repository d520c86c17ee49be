"""1 GB in 8-MiB tus chunks, and as one raw body, against `@tus/server` (Node) with its file store on the same disk, in MB/s.

Alternating rounds; needs Node and `npm ci` in bench/tus_server. Then 20 such uploads at once: the gateway's peak (VmHWM).
Then `progress`. No transcriber works meanwhile. The client here takes part of the same processors, the same for all three.
"""

import asyncio
import contextlib
import http.client
import os
import shutil
import struct
import subprocess
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench import progress
from bench.fleets import bench_fleet
from bench.report import compared

ROUNDS = 5
AT_ONCE = 20
MEBIBYTE = 2**20
SIZE = 1024 * MEBIBYTE
CHUNK = 8 * MEBIBYTE
BYTES = "application/offset+octet-stream"
SERVER = Path(__file__).parent / "tus_server"

BLOCK = os.urandom(CHUNK)


async def measure(speech: Path) -> dict[str, Any]:
    """Compare the ways, then count what many at once take of memory."""
    async with bench_fleet(ENGINE="simulated", SIMULATED_MS_PER_SECOND="0") as (fleet, folder):
        gateway, transcriber = fleet.services[0], fleet.services[-1]  # the lane is known now
        transcriber.kill()
        bearer = {"Authorization": f"Bearer {fleet.token()}"}
        theirs: list[float] = []
        tus: list[float] = []
        raw: list[float] = []
        with tus_server(folder / "theirs") as url:
            for _ in range(ROUNDS):
                theirs.append(await _timed(folder, send_by_tus, f"{url}/files", {}))
                tus.append(await _timed(folder, send_by_tus, f"{fleet.url}/api/uploads", bearer))
                raw.append(
                    await _timed(folder, send_raw, f"{fleet.url}/api/audios?model=long&force=1", bearer)
                )
                print(f"@tus/server {theirs[-1]:.0f}, tus {tus[-1]:.0f}, raw {raw[-1]:.0f} MB/s", flush=True)
        with ThreadPoolExecutor(AT_ONCE) as clients:
            list(clients.map(lambda _: send_by_tus(f"{fleet.url}/api/uploads", bearer, SIZE), range(AT_ONCE)))
        status = Path(f"/proc/{gateway.process.pid}/status").read_text()
        peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    raw_compared = compared(raw, theirs, unit="MB/s", bigger_is_better=True)
    return compared(
        tus,
        theirs,
        unit="MB/s",
        bigger_is_better=True,
        raw=raw_compared,
        peak_mb=round(peak / 1000, 1),
        progress=await progress.measure(speech),
    )


async def _timed(folder: Path, send: Any, url: str, headers: dict[str, str]) -> float:
    """Return MB/s; what was stored is deleted."""
    begin = time.perf_counter()
    await asyncio.to_thread(send, url, headers, SIZE)
    seconds = time.perf_counter() - begin
    for stored in (folder / "theirs", folder / "blobs/audio"):
        for path in stored.glob("*"):
            path.unlink()
    await asyncio.to_thread(os.sync)
    return SIZE / 1e6 / seconds


@contextlib.contextmanager
def tus_server(folder: Path) -> Iterator[str]:
    """Run their server over a folder; give its address."""
    if shutil.which("node") is None or not (SERVER / "node_modules").exists():
        raise SystemExit(f"needs Node, and `npm ci` in {SERVER}")
    folder.mkdir()
    with subprocess.Popen(
        ["node", str(SERVER / "serve.js"), str(folder)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None  # it is a pipe
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.kill()


def recording(size: int) -> Iterator[bytes]:
    """Yield a WAV of so many bytes of noise, in chunks: 8 channels of 32 bits at 96 kHz."""
    fmt = struct.pack("<IHHIIHH", 16, 1, 8, 96_000, 96_000 * 32, 32, 32)
    header = (
        b"RIFF" + struct.pack("<I", size - 8) + b"WAVEfmt " + fmt + b"data" + struct.pack("<I", size - 44)
    )
    yield header + BLOCK[len(header) :]
    for _ in range(size // CHUNK - 1):
        yield BLOCK


def send_by_tus(url: str, headers: dict[str, str], size: int) -> None:
    """Upload by PATCH after PATCH on one connection."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port)
    headers = {**headers, "Tus-Resumable": "1.0.0"}
    asked = {
        "Upload-Length": str(size),
        "Upload-Metadata": "force MQ==",
    }  # in Base64; the same bytes, taken each time
    location = _ask(connection, "POST", address.path, {**headers, **asked}, [])
    for number, chunk in enumerate(recording(size)):
        more = {"Upload-Offset": str(number * CHUNK), "Content-Type": BYTES}
        _ask(connection, "PATCH", urlsplit(location).path, {**headers, **more}, [chunk])


def send_raw(url: str, headers: dict[str, str], size: int) -> None:
    """Upload as one body."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port)
    target = f"{address.path}?{address.query}"
    _ask(connection, "POST", target, {**headers, "Content-Type": "audio/wav"}, recording(size), size)


def _ask(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    headers: dict[str, str],
    body: Iterable[bytes],
    size: int | None = None,
) -> str:
    """Send a request; return where its answer points to."""
    parts = body if size is not None else list(body)
    length = size if size is not None else sum(map(len, parts))
    connection.putrequest(method, path, skip_accept_encoding=True)
    for name, value in {**headers, "Content-Length": str(length)}.items():
        connection.putheader(name, value)
    connection.endheaders()
    for part in parts:
        connection.send(part)
    with connection.getresponse() as response:
        text = response.read()
        assert response.status < 300, (response.status, text[:500])
        return response.headers.get("Location", "")
