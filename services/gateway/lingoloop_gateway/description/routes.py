"""What the table of routes is written in. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from lingoloop_gateway.cursors import CURSOR
from lingoloop_gateway.idempotency import HEADER, KEY
from lingoloop_gateway.parameters import INDEX_MOST

Schema = Mapping[str, Any]

JSON = "application/json"
ANY_BYTES: Schema = {"type": "string", "format": "binary"}
TEXT: Schema = {"type": "string"}
ID: Schema = {"type": "string", "format": "uuid"}
INDEX: Schema = {"type": "integer", "minimum": 0, "maximum": INDEX_MOST}

CURSOR_SCHEMA: Schema = {"type": "string", "pattern": f"^({CURSOR})?$"}

OPENAI = "/v1/"
"""Below it, problems have the shape of OpenAI's API."""


class Untitled(GenerateJsonSchema):
    """Makes schemas without titles, which would only repeat the names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class Parameter:
    """Something in the query or a header; checked by the handler, so its schema is made of the same constants."""

    name: str
    schema: Schema
    says: str
    required: bool = False
    place: str = "query"


IDEMPOTENCY_KEY = Parameter(
    HEADER,
    {"type": "string", "pattern": f"^{KEY.pattern}$"},
    "A text of your own for this very request. Sent again with it within a day, it makes nothing twice and is answered as "
    "the first time; another request with the same key is 422.",
    place="header",
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A good answer: what it means, what it holds by media type (a model or a schema), its headers, those that it may have."""

    says: str
    content: Mapping[str, type[BaseModel] | Schema] = field(default_factory=dict)
    headers: tuple[str, ...] = ()
    sometimes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """A call: what it is for, who may, what it takes and what it answers.

    Args:
        scope: what a token needs; None: the call is public.
        answers: the good ones by status.
        problems: codes of `PROBLEMS`, beside those that any call may answer.
        body: models or schemas by media type.
        body_required: whether a call without a body is wrong.
        token_in_query: whether `?access_token=` is taken too.
        once: whether an `Idempotency-Key` is taken.
        headers: what every answer has, a refusal too.
    """

    method: str
    path: str
    summary: str
    tag: str
    scope: str | None
    answers: Mapping[int, Answer]
    problems: tuple[str, ...] = ()
    says: str = ""
    parameters: tuple[Parameter, ...] = ()
    body: Mapping[str, type[BaseModel] | Schema] = field(default_factory=dict)
    body_required: bool = True
    token_in_query: bool = False
    once: bool = False
    headers: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The method and the path, as people write them."""
        return f"{self.method} {self.path}"


def json_of(
    model: type[BaseModel], says: str, *, headers: tuple[str, ...] = (), sometimes: tuple[str, ...] = ()
) -> Answer:
    """Return an answer of one JSON object."""
    return Answer(says, {JSON: model}, headers, sometimes)


def fields_of(model: type[BaseModel]) -> dict[str, Schema]:
    """Return the fields of a model as a query or a form has them: texts that know no null."""
    schema = model.model_json_schema(by_alias=True, schema_generator=Untitled)
    return {name: _without_null(given) for name, given in schema["properties"].items()}


def _without_null(given: Schema) -> Schema:
    if "anyOf" not in given:
        return given
    [kind] = [each for each in given["anyOf"] if each != {"type": "null"}]
    return {**kind, **{name: value for name, value in given.items() if name not in ("anyOf", "default")}}


def in_query(model: type[BaseModel]) -> tuple[Parameter, ...]:
    """Return the fields of a model that checks a query, none of which must be given."""
    return tuple(
        Parameter(
            name,
            {key: value for key, value in given.items() if key != "description"},
            given.get("description", ""),
        )
        for name, given in fields_of(model).items()
    )


def form_of(model: type[BaseModel], *, others: bool) -> Schema:
    """Return the schema of a form: one file, and the fields of a model, with or without `others`."""
    file = {"type": "string", "format": "binary", "description": "The recording."}
    needed = [name for name, given in model.model_fields.items() if given.is_required()]
    return {
        "type": "object",
        "properties": {"file": file, **fields_of(model)},
        "required": ["file", *needed],
        "additionalProperties": others,
    }


def limit(default: int, most: int) -> Parameter:
    """Return the parameter that says how long a page may be."""
    schema = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
    return Parameter("limit", schema, "How many items a page may have.")


def cursor(schema: Schema = CURSOR_SCHEMA) -> Parameter:
    """Return the parameter that says where a page begins."""
    return Parameter("cursor", schema, "The `nextCursor` of the page before.")
