"""The fields of OpenAI's API, and which lane a model's name means."""

from typing import Any

import pytest

from lingoloop_common.errors import Problem
from lingoloop_gateway.openai_options import lane_of, read_transcription_options, upload_options

MODEL = ("model", "whisper-1")
LANES = ("simulated", "whisper.base", "whisper.tiny.en")


@pytest.mark.parametrize(("fields", "expected"), [
    ([], {"response_format": "json", "stream": False, "language": None, "words": False, "segments": True}),
    ([("language", "de")], {"language": "de"}),
    ([("language", ""), ("temperature", ""), ("stream", "")], {"language": None, "stream": False}),
    ([("stream", "true")], {"stream": True}),
    ([("stream", "False")], {"stream": False}),
    ([("temperature", "0.2"), ("prompt", "LingoLoop"), ("chunking_strategy", "auto"), ("colour", "blue")], {"response_format": "json"}),
    ([("response_format", "verbose_json"), ("timestamp_granularities[]", "word")], {"words": True, "segments": False}),
    ([("timestamp_granularities[]", "word"), ("timestamp_granularities[]", "segment"), ("response_format", "verbose_json")], {"words": True, "segments": True}),
    ([("response_format", "verbose_json"), ("timestamp_granularities", "segment")], {"words": False, "segments": True}),
    ([("response_format", "text"), ("stream", "true")], {"stream": True}),
])  # fmt: skip
def test_fields_say_what_is_asked_for(fields: list[tuple[str, str]], expected: dict[str, Any]) -> None:
    options = read_transcription_options([MODEL, *fields])
    assert {name: getattr(options, name) for name in expected} == expected


@pytest.mark.parametrize(("fields", "param"), [
    ([], "model"),
    ([("model", "")], "model"),
    ([MODEL, ("response_format", "diarized_json")], "response_format"),
    ([MODEL, ("response_format", "docx")], "response_format"),
    ([MODEL, ("language", "no language!")], "language"),
    ([MODEL, ("temperature", "warm")], "temperature"),
    ([MODEL, ("temperature", "1.5")], "temperature"),
    ([MODEL, ("temperature", "nan")], "temperature"),
    ([MODEL, ("stream", "perhaps")], "stream"),
    ([MODEL, ("stream", "true"), ("response_format", "srt")], "stream"),
    ([MODEL, ("stream", "true"), ("response_format", "verbose_json")], "stream"),
    ([MODEL, ("timestamp_granularities[]", "syllable"), ("response_format", "verbose_json")], "timestamp_granularities"),
    ([MODEL, ("timestamp_granularities[]", "word")], "timestamp_granularities"),
    ([MODEL, ("include[]", "logprobs")], "include"),
])  # fmt: skip
def test_what_cannot_be_honoured_is_named(fields: list[tuple[str, str]], param: str) -> None:
    with pytest.raises(Problem) as caught:
        read_transcription_options(fields)
    assert (caught.value.code, caught.value.extra["param"]) == ("invalid_value", param)
    assert caught.value.detail.startswith(f"{param}: ")


@pytest.mark.parametrize(("name", "default", "lane"), [
    ("whisper-1", "whisper.base", "whisper.base"),
    ("whisper-1", "simulated", "simulated"),
    ("whisper-1", "google", None),
    ("simulated", "whisper.base", "simulated"),
    ("whisper.tiny.en", "whisper.base", "whisper.tiny.en"),
    ("tiny.en", "whisper.base", "whisper.tiny.en"),
    ("base", "simulated", None),
    ("large-v3", "whisper.base", None),
    ("gpt-4o-transcribe", "whisper.base", None),
    ("../ #", "whisper.base", None),
    ("long", "whisper.base", None),
])  # fmt: skip
def test_a_models_name_means_a_lane(name: str, default: str, lane: str | None) -> None:
    assert lane_of(name, lanes=LANES, default_lane=default) == lane


@pytest.mark.parametrize(("name", "engine", "model"), [
    ("whisper-1", None, None),
    ("whisper.base", None, None),
    ("tiny.en", "whisper", "tiny.en"),
    ("simulated", "simulated", None),
])  # fmt: skip
def test_a_transcription_is_an_upload_with_the_same_choices(
    name: str, engine: str | None, model: str | None
) -> None:
    options = read_transcription_options([("model", name), ("language", "en")])
    upload = upload_options(options, lanes=LANES, default_lane="whisper.base")
    assert (upload.engine, upload.model, upload.language) == (engine, model, "en")


def test_a_model_that_nobody_ever_offered_is_no_lane() -> None:
    options = read_transcription_options([("model", "nosuch")])
    with pytest.raises(Problem) as caught:
        upload_options(options, lanes=LANES, default_lane="whisper.base")
    assert caught.value.code == "unknown_lane"
    assert "`nosuch`" in caught.value.detail
