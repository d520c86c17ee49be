"""The shapes of answers in OpenAI's API."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel


class OpenAiShape(BaseModel):
    """Part of an answer; their names are written as they are."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


class OpenAiFault(OpenAiShape):
    """A problem."""

    message: str
    type: str
    param: str | None
    code: str | None


class OpenAiProblem(OpenAiShape):
    """What went wrong, in the shape that OpenAI's clients read."""

    error: OpenAiFault


class Model(OpenAiShape):
    """A model that a transcription can name."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelList(OpenAiShape):
    """All of them."""

    object: Literal["list"]
    data: list[Model]


class Usage(OpenAiShape):
    """What was transcribed, in seconds of audio."""

    type: Literal["duration"]
    seconds: int


class Transcription(OpenAiShape):
    """`response_format=json`."""

    text: str
    usage: Usage


class VerboseWord(OpenAiShape):
    """A word; `start` and `end` in seconds."""

    word: str
    start: float
    end: float


class VerboseSegment(OpenAiShape):
    """A segment; `start` and `end` in seconds."""

    id: int
    seek: int
    start: float
    end: float
    text: str
    tokens: list[int]
    temperature: float
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float


class VerboseTranscription(OpenAiShape):
    """`response_format=verbose_json`."""

    task: Literal["transcribe"]
    language: str
    duration: float
    usage: Usage
    text: str
    segments: list[VerboseSegment] | None = Field(None, exclude_if=lambda value: value is None)
    words: list[VerboseWord] | None = Field(None, exclude_if=lambda value: value is None)


class TranscriptionJson(RootModel[Transcription | VerboseTranscription | OpenAiProblem]):
    """As `response_format` says; a problem where the run has failed after the answer had begun."""
