"""Child processes that do one thing at a time: models, and media that nobody vouches for.

A child is spawned, never forked, is spoken to over one socket, and ends when that closes. What it sends back is JSON and
raw bytes, never pickles: a child taken over by a hostile file gains nothing here. Killing one loses only its call.
"""

import asyncio
import contextlib
import os
import queue
import socket
import struct
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

_HEAD = struct.Struct(">II")
"""Lengths of the JSON part and of the raw part of a message."""

_LIMIT = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a call: JSON fields, and raw bytes where samples go along."""

    fields: dict[str, Any]
    raw: bytes = b""


class ChildDied(Exception):
    """The child ended, or was ended, before it answered."""


def _pack(message: Message) -> bytes:
    fields = orjson.dumps(message.fields)
    return _HEAD.pack(len(fields), len(message.raw)) + fields + message.raw


class Child:
    """The parent's end. `start` before the first call; after a death, `start` again makes a new process."""

    def __init__(
        self, module: str, config: dict[str, Any], *, name: str, environment: dict[str, str] | None = None
    ):
        self._module, self._config, self._name = module, config, name
        self._environment = {**os.environ, **(environment or {})}
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter | None = None

    @property
    def pid(self) -> int | None:
        """The process's id while it runs; None as soon as its end of the socket is closed."""
        if self._process is None or self._process.returncode is not None or self._reader.at_eof():
            return None
        return self._process.pid

    async def start(self) -> None:
        """Spawn the process, in place of one that died; it has yet to say that it is ready: see `call`."""
        await self.kill()
        ours, theirs = socket.socketpair()
        with theirs:
            self._reader, self._writer = await asyncio.open_connection(sock=ours, limit=2**20)
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                self._module,
                str(theirs.fileno()),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=2,  # what a library prints goes to the log
                env=self._environment,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # a Ctrl-C in the terminal is for the parent, which ends its children in order
            )
        self._writer.write(_pack(Message(self._config)))

    async def call(self, fields: dict[str, Any], raw: bytes = b"") -> AsyncIterator[Message]:
        """Send a request and yield its answers; the last one has `end`.

        A caller that stops reading before the end must call `kill`: the child would go on with the old call.

        Raises:
            ChildDied: it ended in between.
        """
        if self._writer is None:
            raise ChildDied(f"{self._name} is not running")
        try:
            self._writer.write(_pack(Message(fields, raw)))
            await self._writer.drain()
            while True:
                head = await self._reader.readexactly(_HEAD.size)
                sizes = _HEAD.unpack(head)
                if sum(sizes) > _LIMIT:
                    raise ChildDied(f"{self._name} sent nonsense")
                answer = Message(
                    orjson.loads(await self._reader.readexactly(sizes[0])),
                    await self._reader.readexactly(sizes[1]),
                )
                yield answer
                if "end" in answer.fields:
                    return
        except (asyncio.IncompleteReadError, ConnectionError, orjson.JSONDecodeError) as error:
            raise ChildDied(await self._why()) from error

    async def ask(self, fields: dict[str, Any], raw: bytes = b"") -> Message:
        """Send a request and return its last answer; raise ChildDied as `call` does."""
        answer = Message({})
        async for message in self.call(fields, raw):
            answer = message
        return answer

    async def kill(self) -> None:
        """End the process now. Safe to call at any time, also twice."""
        process, self._process = self._process, None
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _why(self) -> str:
        process = self._process
        if process is None:
            return f"{self._name} was stopped"
        try:
            code = await asyncio.wait_for(process.wait(), 2)
        except TimeoutError:
            return f"{self._name} closed its pipe"
        return (
            f"{self._name} was killed by signal {-code}"
            if code < 0
            else f"{self._name} ended with code {code}"
        )


Answer = Callable[[dict[str, Any], bytes], None]


def serve_child(make: Callable[[dict[str, Any]], Callable[[Message, Answer], None]]) -> None:
    """Run the child's end: `make` gets the config and returns the handler of requests.

    A thread watches the socket, so that the process ends at once when its parent is gone, even within a long call.
    """
    _be_the_first_to_go()
    connection = socket.socket(fileno=int(sys.argv[1]))
    requests: queue.SimpleQueue[Message] = queue.SimpleQueue()

    def read() -> None:
        try:
            for message in _messages(connection):
                requests.put(message)
        finally:  # also when the parent went in the middle of a message
            os._exit(0)

    def answer(fields: dict[str, Any], raw: bytes = b"") -> None:
        connection.sendall(_pack(Message(fields, raw)))

    threading.Thread(target=read, daemon=True).start()
    handle = make(requests.get().fields)
    while True:
        handle(requests.get(), answer)


def _be_the_first_to_go() -> None:
    """Let the kernel end this process, not its parent, when memory runs out: only its call is lost."""
    with contextlib.suppress(OSError):  # not on Linux, or not allowed
        Path("/proc/self/oom_score_adj").write_text("500")


def _messages(connection: socket.socket) -> Iterator[Message]:
    while head := _read(connection, _HEAD.size):
        fields, raw = _HEAD.unpack(head)
        yield Message(orjson.loads(_read(connection, fields)), _read(connection, raw))


def _read(connection: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            return b""
        data += part
    return bytes(data)
