"""A connection that is none, for streams whose bytes a test looks at."""

import asyncio


class Line(asyncio.Transport):
    """Takes what is written; `unread` bytes of it wait for the client."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []
        self.unread, self.closed = 0, False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed
        if data:
            self.sent.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return self.unread

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing waits for longer than the test says."""

    def resume_reading(self) -> None:
        """Nothing is read."""
