"""Many subscribers in one light process, which counts frames: `python -m bench.listeners PORT`.

A line of JSON on stdin is answered by one on stdout. First the requests, how many are made at once, and what each answer
shows once it is live; then, again and again, how many frames each will get, and after they have come, when they were sent.
Bytes are received into one buffer and only searched for the brace that ends each frame's JSON, so that the server is what is
measured: `busy` says how much of a processor that took.
"""

import json
import select
import socket
import sys
import time
from array import array
from typing import Any

PATIENCE = 20.0
"""Seconds without a byte after which what is missing is given up."""

buffer = bytearray(2**20)


class Subscriber:
    """A connection, and when each frame's last byte came (`time.monotonic()`)."""

    __slots__ = ("came", "receive", "socket")

    def __init__(self, port: int, request: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.sendall(request.encode())
        self.receive = self.socket.recv_into
        self.came = array("d")

    def wait(self, live: bytes) -> None:
        """Wait until it shows what an answer does that is live."""
        text = b""
        while live not in text:
            part = self.socket.recv(2**16)
            assert part, text[:200]
            text += part
        self.socket.setblocking(False)


def main() -> None:
    """Subscribe, then count."""
    first = read()
    begin = time.monotonic()
    subscribers: list[Subscriber] = []
    for place in range(0, len(first["requests"]), first["at_once"]):
        some = [
            Subscriber(int(sys.argv[1]), request)
            for request in first["requests"][place : place + first["at_once"]]
        ]
        for subscriber in some:
            subscriber.wait(first["live"].encode())
        subscribers += some
    answer({"opened_s": time.monotonic() - begin})
    with select.epoll() as poll:
        by_number = {subscriber.socket.fileno(): subscriber for subscriber in subscribers}
        for number in by_number:
            poll.register(number, select.EPOLLIN)
        while command := read():
            answer(count(poll, by_number, command["frames"]))
            sent = read()["sent"]
            answer(lateness(subscribers, [sent[place % len(sent)] for place in range(len(subscribers))]))


def count(poll: select.epoll, subscribers: dict[int, Subscriber], frames: int) -> dict[str, Any]:
    """Receive so many frames each."""
    for number, _ in poll.poll(0):  # heartbeats that came meanwhile
        subscribers[number].receive(buffer)
    for subscriber in subscribers.values():
        del subscriber.came[:]
    answer({"counting": True})
    begin, cpu = time.monotonic(), time.process_time()
    left, last = frames * len(subscribers), begin
    while left > 0:
        ready = poll.poll(PATIENCE, 1024)
        if not ready:
            break
        for number, _ in ready:
            subscriber = subscribers[number]
            size = subscriber.receive(buffer)
            assert size, "a stream has ended"
            found = buffer.count(b"}", 0, size)
            last = time.monotonic()
            for _ in range(found):
                subscriber.came.append(last)
            left -= found
    cpu_share = (time.process_time() - cpu) / max(last - begin, 1e-9)
    return {"missing": left, "last": last, "busy": cpu_share}


def lateness(subscribers: list[Subscriber], sent: list[list[float]]) -> dict[str, float]:
    """Return how long frames took from when they were sent (a list for each subscriber), in ms."""
    late = sorted(
        came - at
        for times, subscriber in zip(sent, subscribers, strict=True)
        for came, at in zip(subscriber.came, times, strict=True)
    )
    return {
        "p50_ms": late[len(late) // 2] * 1000,
        "p99_ms": late[len(late) * 99 // 100] * 1000,
        "max_ms": late[-1] * 1000,
    }


def read() -> dict[str, Any]:
    """Return the next line; nothing at the end."""
    line = sys.stdin.readline()
    return dict(json.loads(line)) if line else {}


def answer(content: dict[str, Any]) -> None:
    """Write a line."""
    print(json.dumps(content), flush=True)


if __name__ == "__main__":
    main()
