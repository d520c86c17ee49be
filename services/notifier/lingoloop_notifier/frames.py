"""Server-sent events as bytes (HTML Living Standard, section 9.2). Pure."""

HEARTBEAT = b": still here\n\n"


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
