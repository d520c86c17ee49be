"""A run's transcript in the formats of OpenAI's API. Each is a stream of bytes, made from streams of segments."""

import math
import zlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from lingoloop_common.contracts.text import plain
from lingoloop_common.store.runs import total_ms
from lingoloop_gateway.exports import FORMATS, Segments
from lingoloop_gateway.openai_options import TranscriptionOptions
from lingoloop_gateway.paragraphs import RunningText

Read = Callable[[], Segments]
"""Reads all segments, from the first one again each time."""

UNKNOWN_LANGUAGE = "und"
"""ISO 639-2 for a language that was not found."""

FRAMES_A_SECOND = 100
"""What Whisper counts `seek` in."""

LEAST_CONFIDENCE = 0.001
"""Confidences are stored with three digits; the logarithm of 0 is none."""

STILL_HERE = b": still here\n\n"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of answer: its media type, and what may be sent before it to show that the connection lives."""

    content_type: str
    filler: bytes = b""


STREAM = Kind("text/event-stream", STILL_HERE)

KINDS: Mapping[str, Kind] = {
    "json": Kind("application/json", b" "),
    "verbose_json": Kind("application/json", b" "),
    "text": Kind("text/plain; charset=utf-8"),
    "srt": Kind(FORMATS["srt"].content_type),
    "vtt": Kind(FORMATS["vtt"].content_type),
}


def kind_of(options: TranscriptionOptions) -> Kind:
    """Return the kind of answer that is asked for."""
    return STREAM if options.stream else KINDS[options.response_format]


def write_transcript(
    options: TranscriptionOptions, run: Mapping[str, Any], read: Read
) -> AsyncIterator[bytes]:
    """Write the transcript of a run (a row of `Runs.get`) that has succeeded."""
    match options.response_format:
        case "text":
            return _write_text(read)
        case "json":
            return _write_json(run, read)
        case "verbose_json":
            return _write_verbose(options, run, read)
        case "srt" | "vtt" as name:
            return FORMATS[name].write(run, read())


async def write_done(read: Read) -> AsyncIterator[bytes]:
    """Write the event that ends a stream, with the whole text."""
    yield b'data: {"type":"transcript.text.done","text":"'
    async for piece in _text(read()):
        yield _quoted(piece)
    yield b'"}\n\n'


def delta_event(text: str) -> bytes:
    """Return the event that tells what was added to the text."""
    return b"data: " + orjson.dumps({"type": "transcript.text.delta", "delta": text}) + b"\n\n"


def error_event(body: bytes) -> bytes:
    """Return the event that tells an error, given as JSON."""
    return b"data: " + body + b"\n\n"


async def _write_text(read: Read) -> AsyncIterator[bytes]:
    async for piece in _text(read()):
        yield piece.encode()
    yield b"\n"


async def _write_json(run: Mapping[str, Any], read: Read) -> AsyncIterator[bytes]:
    yield b'{"text":"'
    async for piece in _text(read()):
        yield _quoted(piece)
    yield b'","usage":' + orjson.dumps(_usage(run)) + b"}"


async def _write_verbose(
    options: TranscriptionOptions, run: Mapping[str, Any], read: Read
) -> AsyncIterator[bytes]:
    head = {
        "task": "transcribe",
        "language": run["language"] or UNKNOWN_LANGUAGE,
        "duration": _seconds(run),
        "usage": _usage(run),
    }
    yield orjson.dumps(head)[:-1] + b',"text":"'
    async for piece in _text(read()):
        yield _quoted(piece)
    yield b'"'
    if options.segments:
        yield b',"segments":['
        number = 0
        async for segment in read():
            yield (b"," if number else b"") + orjson.dumps(describe_segment(number, segment))
            number += 1
        yield b"]"
    if options.words:
        yield b',"words":['
        between = b""
        async for segment in read():
            for word in segment["words"]:
                described = {"word": plain(word["word"]), "start": word["start"], "end": word["end"]}
                yield between + orjson.dumps(described)
                between = b","
        yield b"]"
    yield b"}"


async def _text(segments: Segments) -> AsyncIterator[str]:
    text = RunningText()
    async for segment in segments:
        yield text.added(segment["text"])


def _quoted(text: str) -> bytes:
    """Return a text as it stands between the quotes of a JSON string."""
    return orjson.dumps(text)[1:-1]


def _seconds(run: Mapping[str, Any]) -> float:
    return (total_ms(run) or 0) / 1000


def _usage(run: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "duration", "seconds": math.ceil(_seconds(run))}


def describe_segment(number: int, segment: Mapping[str, Any]) -> dict[str, Any]:
    """Return a segment (as in `GET /api/runs/{id}/segments`) in their shape.

    All of their clients' types require all fields. Engines here decode at temperature 0 and keep no token ids; they take
    silence out before the model sees it, so what is left is speech.
    """
    text = plain(segment["text"])
    return {
        "id": number,
        "seek": round(segment["start"] * FRAMES_A_SECOND),
        "start": segment["start"],
        "end": segment["end"],
        "text": text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": average_logprob(
            [word["confidence"] for word in segment["words"]] or [segment["confidence"]]
        ),
        "compression_ratio": compression_ratio(text),
        "no_speech_prob": 0.0,
    }


def average_logprob(confidences: Sequence[float]) -> float:
    """Return the mean of the logarithms of the words' confidences."""
    logs = [math.log(max(LEAST_CONFIDENCE, confidence)) for confidence in confidences]
    return round(sum(logs) / len(logs), 4)


def compression_ratio(text: str) -> float:
    """Return how much smaller zlib makes a text, as Whisper counts it: high where words repeat."""
    data = text.encode()
    return round(len(data) / len(zlib.compress(data)), 4)
