"""Many HTTP/1.1 clients in one light process, each on a connection of its own: asks, reads the answer, asks again.

`python -m bench.clients HOST PORT SECONDS` takes a JSON list of requests (text) on stdin, one a client, and prints one
JSON object. Nothing is parsed but what an answer's length and status need, so that the server is what is measured.
"""

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Tally:
    """How long answers took, in seconds, and how many were not 200; counted between `begin` and `end`.

    `asked` are all requests, those before and after too.
    """

    begin: float
    end: float
    seconds: list[float] = field(default_factory=list)
    bad: int = 0
    asked: int = 0


class Client(asyncio.Protocol):
    """One client."""

    def __init__(self, request: bytes, tally: Tally) -> None:
        self._request, self._tally = request, tally
        self._transport: Any = None
        self._data = b""
        self._asked = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the first time."""
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Ask again when the answer is whole."""
        self._data += data
        head, _, body = self._data.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if not length or len(body) < int(length):
            return
        now = time.perf_counter()
        if self._tally.begin <= now < self._tally.end:
            self._tally.seconds.append(now - self._asked)
            self._tally.bad += not head.startswith(b"HTTP/1.1 200")
        if now < self._tally.end:
            self._ask()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count an end that is not ours."""
        self._tally.bad += time.perf_counter() < self._tally.end

    def _ask(self) -> None:
        self._data, self._asked = b"", time.perf_counter()
        self._tally.asked += 1
        self._transport.write(self._request)


async def ask(host: str, port: int, requests: list[str], seconds: float) -> dict[str, Any]:
    """Let a client for each request ask for so long, after half a second to warm up; return what they saw."""
    loop, now = asyncio.get_running_loop(), time.perf_counter()
    tally = Tally(now + 0.5, now + 0.5 + seconds)
    for request in requests:
        await loop.create_connection(lambda text=request: Client(text.encode(), tally), host, port)  # type: ignore[misc]
    await asyncio.sleep(tally.end - time.perf_counter() + 0.5)
    took = sorted(tally.seconds)
    return {
        "rate": len(took) / seconds,
        "p50_ms": took[len(took) // 2] * 1000,
        "p99_ms": took[len(took) * 99 // 100] * 1000,
        "bad": tally.bad,
        "asked": tally.asked,
        "busy": time.process_time() / (seconds + 1),
    }


if __name__ == "__main__":
    host, port, seconds = sys.argv[1:]
    print(json.dumps(asyncio.run(ask(host, int(port), json.load(sys.stdin), float(seconds)))))
