"""What is sent out: to public addresses only, never farther than it was addressed, and without waiting for long."""

import asyncio
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from lingoloop_common import outbound
from lingoloop_common.lifecycle import running
from lingoloop_common.outbound import NOT_PUBLIC, Answer, CallFailed, Outbound, Refused


class Line:
    """A server that writes some bytes to each who connects, and keeps what it was sent."""

    def __init__(self) -> None:
        self.answer = b"HTTP/1.1 204 No Content\r\n\r\n"
        self.closes = True
        self.heard = b""
        self.url = ""
        self.done = asyncio.Event()
        self.cut_off = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heard += await reader.readuntil(b"\r\n\r\n")
        self.heard += await reader.read(100)
        try:
            writer.write(self.answer)
            await writer.drain()
            if not self.closes:
                while not self.done.is_set():
                    writer.write(b"x" * 10_000)
                    await writer.drain()
                    await asyncio.sleep(0.005)
        except ConnectionError:
            self.cut_off.set()
        writer.close()


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    line = Line()
    server = await asyncio.start_server(line.serve, "127.0.0.1", 0)
    line.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    yield line
    line.done.set()
    server.close()


async def post(url: str, *, allow_private: bool = True) -> Answer:
    client = Outbound(allow_private=allow_private)
    async with running([client]):
        return await client.post(url, b'{"a":1}', {"Content-Type": "application/json", "X-Its": "own"})


async def test_a_body_is_sent_as_it_is(line: Line) -> None:
    assert await post(line.url) == Answer(204, None)
    head, _, body = line.heard.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /hook HTTP/1.1\r\n")
    assert body == b'{"a":1}'
    sent = dict(row.split(b": ", 1) for row in head.split(b"\r\n")[1:])
    assert sent[b"Content-Type"] == b"application/json"
    assert sent[b"X-Its"] == b"own"
    assert sent[b"User-Agent"] == b"LingoLoop"
    assert sent[b"Content-Length"] == b"7"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "[::1]", "2130706433"])
async def test_nothing_is_sent_inside(line: Line, host: str) -> None:
    with pytest.raises(Refused) as refused:
        await post(line.url.replace("127.0.0.1", host), allow_private=False)
    assert str(refused.value) == NOT_PUBLIC
    assert line.heard == b""


async def test_a_redirect_is_an_answer(line: Line) -> None:
    line.answer = b"HTTP/1.1 302 Found\r\nLocation: /hook\r\nContent-Length: 0\r\n\r\n"
    assert await post(line.url) == Answer(302, None)
    assert line.heard.count(b"POST") == 1


async def test_the_wait_that_is_asked_for_is_told(line: Line) -> None:
    line.answer = b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"
    assert await post(line.url) == Answer(503, "7")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Encoding: gzip\r\n\r\nabc",
    ],
)
async def test_the_status_tells_all_whatever_comes_after_it(line: Line, answer: bytes) -> None:
    line.answer = answer
    assert await post(line.url) == Answer(200, None)


async def test_a_flood_is_cut_off(line: Line) -> None:
    line.answer, line.closes = b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n", False
    assert await post(line.url) == Answer(200, None)
    await asyncio.wait_for(line.cut_off.wait(), 10)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n" * 3])
async def test_a_server_cannot_keep_the_caller(
    line: Line, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    monkeypatch.setattr(outbound, "CALL", 0.3)
    done = asyncio.Event()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await done.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        with pytest.raises(CallFailed, match="in time"):
            await post(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    finally:
        done.set()
        server.close()


async def test_a_server_that_closes_early_did_not_answer(line: Line) -> None:
    line.answer = b""
    with pytest.raises(CallFailed, match="broke off"):
        await post(line.url)


async def test_names_that_are_not_found_for_long_keep_no_other_from_being_found(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, look = threading.Event(), socket.getaddrinfo

    def slow(host: str, *more: Any, **others: Any) -> Any:
        if host.endswith(".example"):
            assert found.wait(60)
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        return look(host, *more, **others)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    client = Outbound(allow_private=True)
    async with running([client]):
        hanging = [asyncio.create_task(client.post(f"http://{n}.example/", b"", {})) for n in range(40)]
        try:
            await asyncio.sleep(0)
            answer = await asyncio.wait_for(
                client.post(line.url.replace("127.0.0.1", "localhost"), b"x", {}), 10
            )
            assert answer.status == 204
        finally:
            found.set()
        failed = await asyncio.gather(*hanging, return_exceptions=True)
    assert all(isinstance(error, CallFailed) for error in failed)


HANGING = """
import asyncio, socket, time
from lingoloop_common import outbound
from lingoloop_common.lifecycle import running

async def main():
    socket.getaddrinfo = lambda *_, **__: time.sleep(30)
    outbound.CALL = 0.1
    client = outbound.Outbound(allow_private=True)
    async with running([client]):
        try:
            await client.post("http://hangs.example/", b"", {})
        except outbound.CallFailed as error:
            print(error)

asyncio.run(main())
"""


def test_a_name_that_is_not_found_for_long_keeps_no_process_from_its_end() -> None:
    begin = time.monotonic()
    done = subprocess.run([sys.executable, "-c", HANGING], check=True, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("the server did not answer in time\n", "")
    assert time.monotonic() - begin < 20
