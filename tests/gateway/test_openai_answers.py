"""Transcripts in OpenAI's formats."""

import json
import math
from collections.abc import AsyncIterator
from typing import Any

import pytest

from lingoloop_gateway.openai_answers import (
    average_logprob,
    compression_ratio,
    describe_segment,
    write_done,
    write_transcript,
)
from lingoloop_gateway.openai_options import read_transcription_options
from lingoloop_gateway.paragraphs import RunningText

NASTY = 'He said "no\\".\n\u2028 日本\x00 😀'

RUN = {"language": None, "duration_ms": None, "planned": True, "planned_samples": 20_000}


def segment(text: str, start: float = 0.0, **changed: Any) -> dict[str, Any]:
    return {
        "index": 0,
        "start": start,
        "end": start + 1,
        "text": text,
        "confidence": 0.5,
        "words": [],
        **changed,
    }


async def written(given: list[dict[str, Any]], **fields: str) -> bytes:
    async def read() -> AsyncIterator[dict[str, Any]]:
        for each in given:
            yield each

    if "stream" in fields:
        return b"".join([part async for part in write_done(read)])
    options = read_transcription_options([("model", "whisper-1"), *fields.items()])
    return b"".join([part async for part in write_transcript(options, RUN, read)])


@pytest.mark.parametrize(("texts", "line"), [
    ([], ""),
    ([" Hello there. ", "Bye."], "Hello there. Bye."),
    (["你好。", "再见。"], "你好。再见。"),
    (["Hello", "", "  ", "world"], "Hello world"),
    (["a\nb", "\tc"], "a b c"),
    (["用", "Python", "写"], "用 Python 写"),
])  # fmt: skip
def test_segments_make_one_line(texts: list[str], line: str) -> None:
    text = RunningText()
    assert "".join(text.added(each) for each in texts) == line


@pytest.mark.parametrize("name", ["json", "verbose_json"])
async def test_any_text_makes_good_json(name: str) -> None:
    body = json.loads(await written([segment(NASTY), segment("end", 5.0)], response_format=name))
    assert body["text"] == 'He said "no\\". 日本 😀 end'


async def test_any_text_makes_a_good_event() -> None:
    [line, *rest] = (await written([segment(NASTY)], stream="true")).decode().split("\n")
    assert rest == ["", ""]
    assert json.loads(line.removeprefix("data: ")) == {
        "type": "transcript.text.done",
        "text": 'He said "no\\". 日本 😀',
    }


async def test_a_recording_without_words_has_an_empty_transcript() -> None:
    body = json.loads(await written([], response_format="verbose_json"))
    assert (body["text"], body["segments"], body["language"], body["duration"]) == ("", [], "und", 1.25)
    assert body["usage"] == {"type": "duration", "seconds": 2}
    assert await written([], response_format="text") == b"\n"


def test_a_segment_has_all_fields_of_theirs() -> None:
    words = [
        {"word": " a", "start": 0, "end": 1, "confidence": 1.0},
        {"word": " b", "start": 1, "end": 2, "confidence": 0.25},
    ]
    assert describe_segment(7, segment(" a b ", 1.5, words=words)) == {
        "id": 7, "seek": 150, "start": 1.5, "end": 2.5, "text": "a b", "tokens": [], "temperature": 0.0,
        "avg_logprob": round(math.log(0.25) / 2, 4), "compression_ratio": round(3 / 11, 4), "no_speech_prob": 0.0,
    }  # fmt: skip


def test_a_segment_without_words_has_its_own_confidence() -> None:
    assert describe_segment(0, segment("a"))["avg_logprob"] == round(math.log(0.5), 4)


def test_a_confidence_of_nothing_has_a_logarithm() -> None:
    assert average_logprob([0.0]) == round(math.log(0.001), 4)


def test_what_repeats_is_compressed_well() -> None:
    assert compression_ratio("and so on " * 30) > 2.4 > compression_ratio("Three different words here")
