"""What an upload may ask for, checked."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema, field_validator

from lingoloop_common.contracts.engines import HOTWORDS_MOST, Wishes
from lingoloop_common.errors import Problem
from lingoloop_common.outbound import check_url
from lingoloop_gateway.metadata import Metadata, MetadataText
from lingoloop_gateway.webhook_rules import WEB_ADDRESS, WebhookUrl

Options = TypeVar("Options", bound=BaseModel)

HotwordsText = Annotated[list[str], WithJsonSchema({"type": "string"})]
"""As text, in a query or a form."""

HotwordsList = Annotated[
    list[str], WithJsonSchema({"type": "array", "items": {"type": "string", "minLength": 1}})
]
"""As a list, in JSON."""


class RunOptions(Wishes):
    """What a run may be told."""

    model_config = ConfigDict(extra="forbid")

    engine: str | None = Field(None, max_length=40)
    """Who transcribes; the server's default where it is not said."""

    model: str | None = Field(None, max_length=80)
    """The engine's model. `long` is none: it answers at once and lets the work go on."""

    priority: int = Field(0, ge=-100, le=100)
    """Among the owner's own runs, the highest is first."""
    force: bool = False
    """Also if there is such a run already."""

    webhook_url: WebhookUrl | None = Field(None, alias="webhookUrl")
    """Who is told when the run has ended; reachable for everybody. Its secret is that of the endpoint with this address."""

    def asked(self) -> dict[str, Any]:
        """Return what decides a run's words, beside its lane."""
        return {"language": self.language, **self.more()}


class UploadOptions(RunOptions):
    """The fields of an upload, in the query or as form fields."""

    hotwords: HotwordsText = Field(default=[], max_length=HOTWORDS_MOST, json_schema_extra={"default": ""})
    """Names and terms that are likely to be said, with commas between."""

    filename: str | None = None
    """What the recording is called; of a form, the file's own name where it is not said."""

    metadata: MetadataText | None = None
    """A JSON object of your own, given back with the recording and its runs."""


class ImportOptions(UploadOptions):
    """The fields of an import, in JSON."""

    url: str = Field(json_schema_extra=WEB_ADDRESS)
    """Where the recording is; reachable for everybody."""

    hotwords: HotwordsList = Field(default=[], max_length=HOTWORDS_MOST)
    """Names and terms that are likely to be said."""

    metadata: Metadata | None = None
    """An object of your own, given back with the recording and its runs."""

    @field_validator("url")
    @classmethod
    def _may_be_called(cls, value: str) -> str:
        check_url(value)
        return value


class AgainOptions(RunOptions):
    """The fields of another run over a recording, in the query or in JSON."""


def read_options(fields: Mapping[str, Any]) -> UploadOptions:
    """Check an upload's fields; raise Problem `invalid_value`, which names each field and what is wrong with it."""
    return checked(UploadOptions, fields)


def read_again_options(query: Mapping[str, Any], body: bytes) -> AgainOptions:
    """Check the fields of another run; those in the body, if there is one, win.

    Raises:
        Problem: `bad_request` for a body that is no JSON, else `invalid_value`.
    """
    asked, given = checked(AgainOptions, query), _in_json(AgainOptions, body or b"{}")
    return AgainOptions.model_validate({**_given(asked), **given})


def read_import_options(query: Mapping[str, Any], body: bytes) -> ImportOptions:
    """Check the fields of an import; those in the body, which names the address, win.

    Raises:
        Problem: `bad_request` for a body that is no JSON, else `invalid_value`.
    """
    asked, given = read_options(query), _in_json(ImportOptions, body)
    return ImportOptions.model_validate({**_given(asked), **given})


def _in_json(model: type[BaseModel], body: bytes) -> dict[str, Any]:
    """Return the fields that are given in JSON, which tells numbers and truth from text."""
    return _given(checked(model, json_object(body), strict=True))


def _given(options: BaseModel) -> dict[str, Any]:
    return options.model_dump(exclude_unset=True, by_alias=True)


def json_object(body: bytes) -> dict[str, Any]:
    """Return a body's JSON object; raise Problem `bad_request` for one that is no JSON, `invalid_value` for other JSON."""
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Problem("bad_request", f"the body is no JSON: {error}") from None
    if not isinstance(fields, dict):
        raise Problem("invalid_value", "the body must be a JSON object")
    return fields


def checked(model: type[Options], fields: Mapping[str, Any], *, strict: bool = False) -> Options:
    """Return the fields as a model; raise Problem `invalid_value`, which names each wrong field.

    With `strict`, a text is no number and no truth, nor a number the latter.
    """
    try:
        return model.model_validate(dict(fields), strict=strict)
    except ValidationError as error:
        wrong = {
            ".".join(map(str, item["loc"])): item["msg"].removeprefix("Value error, ")
            for item in error.errors(include_input=False, include_url=False)
        }
        text = "; ".join(f"{name}: {message}" for name, message in wrong.items())
        raise Problem("invalid_value", text, fields=wrong) from None
