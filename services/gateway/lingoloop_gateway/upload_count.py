"""Counts uploads: by how they come, and by what comes of them."""

import contextlib
from collections.abc import AsyncIterable, AsyncIterator, Iterator

from aiohttp import web

from lingoloop_common import metrics
from lingoloop_common.errors import Problem


class UploadCount:
    """An upload until it is counted; `reused`: the run that it was given had been there."""

    def __init__(self, way: str) -> None:
        self._bytes = metrics.UPLOAD_BYTES.labels(way)
        self.reused = False

    async def watch(self, parts: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        """Pass its bytes on."""
        async for part in parts:
            self._bytes.inc(len(part))
            yield part


@contextlib.contextmanager
def counted(way: str) -> Iterator[UploadCount]:
    """Count what is done within as one upload: accepted, reused, refused for what the client sent, else broken."""
    upload, outcome = UploadCount(way), "broken"
    try:
        yield upload
        outcome = "reused" if upload.reused else "accepted"
    except Problem as problem:
        outcome = "refused" if problem.http_status < 500 else "broken"
        raise
    except web.HTTPException as error:
        outcome = "refused" if error.status < 500 else "broken"
        raise
    finally:
        metrics.UPLOADS.labels(way, outcome).inc()
