"""The transcript as a file. Each format is a stream of bytes made from a stream of segments."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from lingoloop_gateway.document import document
from lingoloop_gateway.paragraphs import BLANK_LINE, paragraphs_of
from lingoloop_gateway.subtitles import Cue, cues_of, settle, srt_block, vtt_block

Segments = AsyncIterator[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file: its media type, and how it is written from a run's description and its segments."""

    content_type: str
    write: Callable[[Mapping[str, Any], Segments], AsyncIterator[bytes]]


async def write_txt(run: Mapping[str, Any], segments: Segments) -> AsyncIterator[bytes]:
    """Write the text in paragraphs, a blank line between two."""
    between = ""
    async for paragraph in paragraphs_of(segments):
        yield (between + said_by(paragraph.speaker) + paragraph.text).encode()
        between = BLANK_LINE
    if between:
        yield b"\n"


async def write_docx(run: Mapping[str, Any], segments: Segments) -> AsyncIterator[bytes]:
    """Write a document. A zip cannot be written before all is known; ten hours of speech are a megabyte of text."""
    paragraphs = [paragraph async for paragraph in paragraphs_of(segments)]
    yield await asyncio.to_thread(document, run, paragraphs)


async def write_json(run: Mapping[str, Any], segments: Segments) -> AsyncIterator[bytes]:
    """Write the run and its segments with their words as one JSON object."""
    yield orjson.dumps({**run})[:-1] + b',"segments":['
    first = True
    async for segment in segments:
        yield (b"" if first else b",") + orjson.dumps(segment)
        first = False
    yield b"]}\n"


async def write_srt(run: Mapping[str, Any], segments: Segments) -> AsyncIterator[bytes]:
    """Write cues as SubRip, with LF for line breaks as in the other formats: players take either.

    SubRip knows no speakers; one is named where another one spoke before.
    """
    number, speaker = 0, ""
    async for cue in timed_cues(segments):
        number += 1
        named = said_by(cue.speaker) if cue.speaker != speaker else ""
        speaker = cue.speaker
        yield srt_block(number, replace(cue, lines=(named + cue.lines[0], *cue.lines[1:]))).encode()


async def write_vtt(run: Mapping[str, Any], segments: Segments) -> AsyncIterator[bytes]:
    """Write cues as WebVTT."""
    yield b"WEBVTT\n\n"
    async for cue in timed_cues(segments):
        yield vtt_block(cue).encode()


def said_by(speaker: str) -> str:
    """Return what stands before a speaker's text."""
    return f"{speaker}: " if speaker else ""


async def timed_cues(segments: Segments) -> AsyncIterator[Cue]:
    """Yield cues with their times on the screen; one is held back until the next is known."""
    held: Cue | None = None
    free = 0
    async for segment in segments:
        for cue in cues_of(segment):
            if held:
                held = settle(held, free=free, following=cue.start)
                yield held
                free = held.end
            held = cue
        # Hundreds of segments come at a time; other requests need not wait for all of them.
        await asyncio.sleep(0)
    if held:
        yield settle(held, free=free, following=None)


FORMATS = {
    "txt": Format("text/plain; charset=utf-8", write_txt),
    "json": Format("application/json", write_json),
    "srt": Format("application/x-subrip; charset=utf-8", write_srt),
    "vtt": Format("text/vtt; charset=utf-8", write_vtt),
    "docx": Format("application/vnd.openxmlformats-officedocument.wordprocessingml.document", write_docx),
}
