"""What Google's speech service is to read must lie in a bucket of Cloud Storage: files go up, results come down, all is removed."""

import asyncio
import threading
from pathlib import Path
from typing import IO

from google.api_core.exceptions import NotFound
from google.cloud import storage

from lingoloop_transcriber.engines import EngineError, OperationFailed, Refused
from lingoloop_transcriber.engines.google.errors import translated

SLICE = 8 * 2**20
"""Bytes that go up at a time; a line that breaks costs no more."""

RESULT_MOST = 64 * 2**20
TIMEOUT = 60.0


class Abandoned(Exception):
    """Nobody waits for the upload any more."""


class Staging:
    """Objects below a folder of a bucket, `gs://bucket/folder`. Google's client blocks, so each call has a thread."""

    def __init__(self, folder: str) -> None:
        self._folder = folder.rstrip("/")
        self._client: storage.Client

    def open(self) -> None:
        """Make the client; raise GoogleAuthError where there are no credentials."""
        self._client = storage.Client()

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def uri(self, name: str) -> str:
        """Return the address of an object or a folder."""
        return f"{self._folder}/{name}"

    async def upload(self, path: Path, uri: str) -> int:
        """Store a file and return its length; an upload that is cancelled leaves nothing."""
        stopped = threading.Event()
        work = asyncio.ensure_future(asyncio.to_thread(self._upload, path, uri, stopped))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            stopped.set()
            await asyncio.wait([work])
            if not work.cancelled():
                work.exception()  # nobody is left to be told
            raise

    async def read(self, uri: str) -> bytes:
        """Return a whole object; raise OperationFailed when it is gone, or too large."""
        return await asyncio.to_thread(self._read, uri)

    async def remove_below(self, uri: str) -> None:
        """Delete all objects in a folder, and what a bucket keeps of those before them."""
        await asyncio.to_thread(self._remove_below, uri)

    def _upload(self, path: Path, uri: str, stopped: threading.Event) -> int:
        blob = storage.Blob.from_uri(uri, client=self._client)
        blob.chunk_size = SLICE
        size = path.stat().st_size
        with translated(), path.open("rb") as file:
            source = _Stoppable(file, stopped)
            blob.upload_from_file(source, size=size, content_type="audio/flac", timeout=TIMEOUT)
        return size

    def _read(self, uri: str) -> bytes:
        blob = storage.Blob.from_uri(uri, client=self._client)
        with translated():
            try:
                blob.reload(timeout=TIMEOUT)
                if (blob.size or 0) > RESULT_MOST:
                    raise OperationFailed(Refused("Google's result is too large"))
                return bytes(blob.download_as_bytes(timeout=TIMEOUT))
            except NotFound:
                raise OperationFailed(EngineError("Google's result is not in the bucket any more")) from None

    def _remove_below(self, uri: str) -> None:
        bucket, _, folder = uri.removeprefix("gs://").partition("/")
        with translated():
            for blob in self._client.list_blobs(bucket, prefix=f"{folder}/", versions=True, timeout=TIMEOUT):
                try:
                    blob.delete(timeout=TIMEOUT)
                except NotFound:
                    continue


class _Stoppable:
    """A file of which nothing more is read once it is stopped."""

    def __init__(self, file: IO[bytes], stopped: threading.Event) -> None:
        self._file, self._stopped = file, stopped

    def read(self, size: int = -1) -> bytes:
        if self._stopped.is_set():
            raise Abandoned
        return self._file.read(size)

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)
