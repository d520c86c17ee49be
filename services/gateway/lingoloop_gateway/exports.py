"""The transcript as a file. Each format is a stream of text made from a stream of segments."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

Segments = AsyncIterator[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file: its media type, and how it is written from a run's description and its segments."""

    content_type: str
    write: Callable[[Mapping[str, Any], Segments], AsyncIterator[bytes]]


async def write_txt(run: Mapping[str, Any], segments: Segments) -> AsyncIterator[bytes]:
    """Write one line a segment."""
    async for segment in segments:
        yield segment["text"].encode() + b"\n"


async def write_json(run: Mapping[str, Any], segments: Segments) -> AsyncIterator[bytes]:
    """Write the run and its segments with their words as one JSON object."""
    yield orjson.dumps({**run})[:-1] + b',"segments":['
    first = True
    async for segment in segments:
        yield (b"" if first else b",") + orjson.dumps(segment)
        first = False
    yield b"]}\n"


FORMATS = {
    "txt": Format("text/plain; charset=utf-8", write_txt),
    "json": Format("application/json", write_json),
}
