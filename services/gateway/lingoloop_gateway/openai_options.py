"""What a request for a transcription asks for, in the words of OpenAI's API, checked. Pure."""

from collections.abc import Collection, Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from lingoloop_common.contracts.engines import LANGUAGE
from lingoloop_common.contracts.units import lane_name
from lingoloop_common.errors import Problem
from lingoloop_gateway.options import UploadOptions, read_options

DEFAULT_MODEL = "whisper-1"
"""Their name that every client knows; here it means the engine and model of uploads that name none."""

LISTS = ("timestamp_granularities", "include")
"""Fields that may come more than once; clients write them with `[]`."""


class TranscriptionOptions(BaseModel):
    """The fields of `POST /v1/audio/transcriptions`. What no engine here can use, like `prompt`, is left unread."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    model: str = Field(min_length=1, max_length=200)
    language: str | None = Field(None, json_schema_extra={"pattern": f"^({LANGUAGE.pattern})?$"})
    response_format: Literal["json", "text", "srt", "verbose_json", "vtt"] = "json"
    stream: bool = False
    temperature: float = Field(0.0, ge=0, le=1)
    timestamp_granularities: frozenset[Literal["word", "segment"]] = frozenset()
    include: tuple[str, ...] = ()

    @field_validator("language")
    @classmethod
    def _code(cls, value: str | None) -> str | None:
        if value and not LANGUAGE.fullmatch(value):
            raise ValueError("a language is a code like en, de or zh")
        return value

    @field_validator("stream")
    @classmethod
    def _streamable(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("response_format", "json") not in ("json", "text"):
            raise ValueError("a stream is of text: its response_format is json or text")
        return value

    @field_validator("timestamp_granularities")
    @classmethod
    def _with_times(
        cls, value: frozenset[Literal["word", "segment"]], info: ValidationInfo
    ) -> frozenset[Literal["word", "segment"]]:
        if value and info.data.get("response_format", "verbose_json") != "verbose_json":
            raise ValueError("only response_format=verbose_json has timestamps of this kind")
        return value

    @field_validator("include")
    @classmethod
    def _nothing_more(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if value:
            raise ValueError("no engine here tells logprobs")
        return value

    @property
    def words(self) -> bool:
        """Whether words with their times are asked for."""
        return "word" in self.timestamp_granularities

    @property
    def segments(self) -> bool:
        """Whether segments are asked for, as they are where nothing is said."""
        return "segment" in self.timestamp_granularities or not self.words


def read_transcription_options(fields: Iterable[tuple[str, str]]) -> TranscriptionOptions:
    """Check the fields of a form; an empty one counts as not given.

    Raises:
        Problem: `invalid_value`; `param` names the first field that is wrong.
    """
    given: dict[str, str | list[str]] = {}
    for written, value in fields:
        name = written.removesuffix("[]")
        if not value:
            continue
        if name in LISTS:
            given[name] = [*given.get(name, ()), value]
        else:
            given[name] = value
    try:
        return TranscriptionOptions.model_validate(given)
    except ValidationError as error:
        [first, *_] = error.errors(include_input=False, include_url=False)
        param = str(first["loc"][0])
        message = (
            "must be given" if first["type"] == "missing" else first["msg"].removeprefix("Value error, ")
        )
        raise Problem("invalid_value", f"{param}: {message}", param=param) from None


def upload_options(
    options: TranscriptionOptions, *, lanes: Collection[str], default_lane: str
) -> UploadOptions:
    """Return what `POST /api/audios` would be asked for.

    A model is `whisper-1`, a known lane (`whisper.base`), or a model of the default engine (`base`).

    Raises:
        Problem: `unknown_lane`; no worker has ever offered the model.
    """
    lane = lane_of(options.model, lanes=lanes, default_lane=default_lane)
    if lane is None:
        raise Problem(
            "unknown_lane", f"The model `{options.model}` does not exist; GET /v1/models lists those that do"
        )
    fields = {"language": options.language} if options.language else {}
    if lane != default_lane:
        engine, _, model = lane.partition(".")
        fields |= {"engine": engine, "model": model} if model else {"engine": engine}
    return read_options(fields)


def lane_of(name: str, *, lanes: Collection[str], default_lane: str) -> str | None:
    """Return the lane that a model's name means, None for a name that means none."""
    if name == DEFAULT_MODEL:
        named = default_lane
    elif name in lanes:
        named = name
    else:
        try:
            named = lane_name(default_lane.partition(".")[0], name)
        except ValueError:
            return None
    return named if named in lanes else None
