"""Server-sent events as bytes (HTML Living Standard, section 9.2). Pure."""

from typing import NamedTuple

from lingoloop_common.contracts.events import DONE, StreamError, encode

HEARTBEAT = b": still here\n\n"
SEEN_HEARTBEAT = b"event: heartbeat\ndata: {}\n\n"
"""For scripts in a browser, from which an EventSource hides comments; those that only use `onmessage` do not get it."""

UNAVAILABLE = StreamError(code="unavailable", message="events cannot be read right now; connect again")
EXPIRED = StreamError(
    code="token_expired",
    message="this sign-in has lasted its time; connect again, with a new token if yours has expired",
)


class Form(NamedTuple):
    """How a subscriber wishes its stream: with `event:` lines, in chunks (HTTP/1.1; RFC 9112, section 7.1), with beats seen."""

    named: bool
    chunked: bool
    beats: bool = False

    def opening(self, retry_ms: int) -> bytes:
        """Return what comes before all frames; whoever wants to see heartbeats learns at once that bytes get through."""
        return retry(retry_ms) + (SEEN_HEARTBEAT if self.beats else b"")

    @property
    def heartbeat(self) -> bytes:
        """What keeps a quiet stream alive."""
        return SEEN_HEARTBEAT if self.beats else HEARTBEAT

    def event(self, data: bytes, number: int, event_type: str) -> bytes:
        """Return the frame of an event."""
        return self.frame(data, "done" if event_type == DONE else "update", number)

    def error(self, problem: StreamError) -> bytes:
        """Return the frame that tells of trouble with the stream itself."""
        return self.frame(encode(problem), "error")

    def frame(self, data: bytes, event: str, number: int | None = None) -> bytes:
        """Return a frame; only durable ones have a number."""
        return frame(data, event_id=number, event=event if self.named else None)

    def sent(self, part: bytes) -> bytes:
        """Return a part of the body as it goes over the line."""
        return b"%x\r\n%b\r\n" % (len(part), part) if self.chunked else part

    @property
    def end(self) -> bytes:
        """What ends the body; without chunks it is the connection's end."""
        return b"0\r\n\r\n" if self.chunked else b""


def frame(data: bytes, *, event_id: int | None = None, event: str | None = None) -> bytes:
    """Return one frame; `data` is JSON and holds no line break. Only durable events have an id."""
    head = b""
    if event_id is not None:
        head += b"id: %d\n" % event_id
    if event is not None:
        head += b"event: %s\n" % event.encode()
    return head + b"data: " + data + b"\n\n"


def retry(milliseconds: int) -> bytes:
    """Return the line that tells a client how long to wait before it connects again."""
    return b"retry: %d\n\n" % milliseconds
