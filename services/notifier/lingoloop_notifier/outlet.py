"""A subscriber that is up to date: its connection, on which events are written as they come."""

import asyncio
from collections.abc import Callable
from typing import cast

import structlog
from aiohttp import web

from lingoloop_notifier.frames import Form

log = structlog.get_logger(__name__)

BUFFER = 2**20
"""Bytes that may wait for one subscriber; the system holds some more."""
HEARTBEAT_SECONDS = 15.0


class Outlet(asyncio.Protocol):
    """A connection without a task of its own: what wakes it is an event, the beat, or its end.

    Args:
        form: how its bytes are written.
        ends_at: when the caller's token ends, in the loop's time.
        on_lost: called once when the connection is gone.
    """

    __slots__ = ("_beat_at", "_on_lost", "_transport", "ends_at", "form", "write")
    write: Callable[[bytes], None]

    def __init__(self, form: Form, ends_at: float, on_lost: "Callable[[Outlet], None]") -> None:
        self.form, self.ends_at, self._on_lost = form, ends_at, on_lost

    def take_over(self, request: web.Request) -> None:
        """Take the connection of a request whose answer was begun; to aiohttp it is as if the client had gone.

        What aiohttp keeps for a connection is let go: it is several times of what is needed here. At most 128 KiB of what it
        wrote wait for the client still.

        Raises:
            ConnectionError: the client has gone.
        """
        connection = request.protocol
        if connection.transport is None or connection.transport.is_closing():
            raise ConnectionResetError("the client has gone")
        transport, connection.transport = connection.transport, None
        transport.set_protocol(self)
        connection.connection_lost(None)
        self.connection_made(transport)
        if connection.writing_paused:
            self.write = self._write_watched

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to write."""
        self._transport = cast(asyncio.Transport, transport)
        self.write = self._transport.write
        self._transport.set_write_buffer_limits(high=BUFFER)
        self._transport.resume_reading()  # which tells of the connection's end
        self._beat_at = asyncio.get_running_loop().time() + HEARTBEAT_SECONDS

    def pause_writing(self) -> None:
        """Be told that more waits than may: the subscriber does not read, and is cut off."""
        log.info("cut off a subscriber that does not read")
        self.abort()
        self.connection_lost(None)  # at once: what is written from here on is for nobody

    def _write_watched(self, data: bytes) -> None:
        """Write, and look whether too much waits: a transport that said so to aiohttp does not say it again."""
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > BUFFER:
            self.pause_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Be told that the connection is gone."""
        on_lost, self._on_lost = self._on_lost, _nothing
        on_lost(self)

    @property
    def has_unread(self) -> bool:
        """Whether something waits that was written before."""
        return self._transport.get_write_buffer_size() > 0

    def beat(self, now: float) -> None:
        """Write a heartbeat if it is time for one; by then, an ended stream must have been read to its end."""
        if now >= self._beat_at:
            self._beat_at = now + HEARTBEAT_SECONDS
            if self._transport.is_closing():
                self.abort()
            else:
                self.write(self.form.sent(self.form.heartbeat))

    def end(self, last_words: bytes = b"") -> None:
        """Write what is left to say, and close."""
        if not self._transport.is_closing():
            self._beat_at = asyncio.get_running_loop().time() + HEARTBEAT_SECONDS
            self.write((self.form.sent(last_words) if last_words else b"") + self.form.end)
            self.write = _nothing  # the end may wait to be read, and nothing comes behind it
            self._transport.close()

    def abort(self) -> None:
        """Cut the connection."""
        self._transport.abort()


def _nothing(_: object) -> None:
    """Nothing is told any more."""
