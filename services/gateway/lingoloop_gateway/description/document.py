"""The OpenAPI 3.1 document, made of the table of routes and of the models that check requests. Pure."""

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from lingoloop_common.auth import ANY
from lingoloop_common.contracts.events import DONE
from lingoloop_common.contracts.webhooks import Message
from lingoloop_common.errors import PROBLEMS
from lingoloop_gateway.description.examples import EXAMPLES
from lingoloop_gateway.description.headers import HEADERS, OF_STATUS
from lingoloop_gateway.description.openai_shapes import OpenAiProblem
from lingoloop_gateway.description.problems import CAUSES, MEANINGS, openai_problems_of, problems_of
from lingoloop_gateway.description.routes import (
    ID,
    IDEMPOTENCY_KEY,
    INDEX,
    JSON,
    OPENAI,
    TEXT,
    Answer,
    Parameter,
    Route,
    Schema,
    Untitled,
)
from lingoloop_gateway.description.shapes import Problem
from lingoloop_gateway.description.webhooks import ABOUT_MESSAGES, MESSAGE_HEADERS
from lingoloop_gateway.idempotency import REPLAYED
from lingoloop_gateway.openai_errors import SERVER_ERROR, WRONG_REQUEST

REF = "#/components/schemas/{model}"
PROBLEM_JSON = "application/problem+json"

ABOUT = """Long recordings in, time-coded transcripts out, every step visible while it happens.

Errors are problem documents (RFC 9457) with a stable `code`; below `/v1/` they have the shape of OpenAI's API. Every answer
carries `X-Request-Id`, which the server's log names too.

| code | status | means |
| --- | --- | --- |
"""

ABOUT_CAUSES = """

Why a run has failed, its `error` and the `cause` of `run_failed` say by another `code`; where a repeat could help, it was
repeated before.

| code | means |
| --- | --- |
"""

TAGS = {
    "Recordings": "Upload, list, fetch and delete recordings.",
    "Uploads": "Resumable uploads by tus 1.0.0, for its unmodified clients.",
    "Runs": "Follow transcriptions and read what they found.",
    "Webhooks": "Be told when runs have ended, by calls that are signed as Standard Webhooks are.",
    "OpenAI": "OpenAI's audio API, for its unmodified clients.",
    "Operators": "Workers and failed work, for tokens with the scope `admin`.",
    "Web app": "The page at `/`, and what it asks beside the calls above.",
    "Description": "What you are reading.",
}

PATH_PARAMETERS: Mapping[str, tuple[Schema, str]] = {
    "audio_id": (ID, "The recording's id."),
    "run_id": (ID, "The run's id."),
    "upload_id": (ID, "The upload's id, the end of its `Location`."),
    "index": (INDEX, "The segment's index."),
    "endpoint_id": (ID, "The webhook's id."),
    "delivery_id": (ID, "The delivery's id."),
    "letter_id": (ID, "The dead letter's id."),
    "model": (TEXT, "The model's name."),
    "page": (TEXT, "An address of the page, or a file's name."),
    "file": (TEXT, "The file's name."),
}

SECURITY = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A signed access token (JWT), or an API key. `runs:write` includes `runs:read`.",
    },
    "address": {
        "type": "apiKey",
        "in": "query",
        "name": "access_token",
        "description": "The same, or a ticket, where a browser cannot set a header.",
    },
}


def openapi(routes: Iterable[Route], *, version: str) -> dict[str, Any]:
    """Return the document."""
    routes = list(routes)
    schemas = _schemas(routes)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "LingoLoop", "version": version, "description": _about()},
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": says} for name, says in TAGS.items()],
        "paths": paths,
        "webhooks": {DONE: {"post": _told()}},
        "components": {
            "schemas": schemas,
            "securitySchemes": SECURITY,
        },
    }


def _about() -> str:
    problems = (f"| `{code}` | {PROBLEMS[code].value} | {MEANINGS[code]} |" for code in PROBLEMS)
    causes = (f"| `{code}` | {means} |" for code, means in CAUSES.items())
    return ABOUT + "\n".join(problems) + ABOUT_CAUSES + "\n".join(causes)


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": "_".join([route.method.lower(), *re.findall(r"\w+", route.path)]),
        "summary": route.summary,
        "tags": [route.tag],
    }
    if route.says:
        operation["description"] = route.says
    asked = (*route.parameters, IDEMPOTENCY_KEY) if route.once else route.parameters
    parameters = [*_path_parameters(route.path), *map(_parameter, asked)]
    if parameters:
        operation["parameters"] = parameters
    if route.body:
        operation["requestBody"] = {"required": route.body_required, "content": _content(route.body)}
    operation["security"] = _security(route)
    operation["responses"] = _responses(route)
    return operation


def _told() -> dict[str, Any]:
    """Return what a webhook is called with: the receiver's side of it."""
    return {
        "summary": "A run has ended",
        "description": ABOUT_MESSAGES,
        "tags": ["Webhooks"],
        "parameters": [_parameter(each) for each in MESSAGE_HEADERS],
        "requestBody": {"required": True, "content": _content({JSON: Message})},
        "responses": {"2XX": {"description": "It has arrived; the body of the answer is not read."}},
        "security": [],
    }


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        _parameter(Parameter(name, *PATH_PARAMETERS[name], required=True, place="path"))
        for name in re.findall(r"{(\w+)}", path)
    ]


def _parameter(given: Parameter) -> dict[str, Any]:
    return {
        "name": given.name,
        "in": given.place,
        "required": given.required,
        "description": given.says,
        "schema": dict(given.schema),
    }


def _security(route: Route) -> list[dict[str, list[str]]]:
    """Return what a call needs; OpenAPI 3.1 names scopes for schemes of any kind."""
    if route.scope is None:
        return []
    scopes = [] if route.scope == ANY else [route.scope]
    return [{name: scopes} for name in SECURITY if name == "bearer" or route.token_in_query]


def _responses(route: Route) -> dict[str, Any]:
    responses = {str(status): _good(route, answer) for status, answer in route.answers.items()}
    theirs = route.path.startswith(OPENAI)
    for status, codes in (openai_problems_of(route) if theirs else problems_of(route)).items():
        says = " ".join(f"`{code}`: {MEANINGS[code]}" if code in MEANINGS else f"`{code}`." for code in codes)
        headers = (*route.headers, *OF_STATUS.get(status, ()))
        refusal = responses[str(status)] = {"description": says, "headers": _headers(headers)}
        if route.method != "HEAD":
            refusal["content"] = _openai_fault(status, codes) if theirs else _fault(codes)
    return responses


def _good(route: Route, answer: Answer) -> dict[str, Any]:
    sometimes = (*answer.sometimes, REPLAYED) if route.once else answer.sometimes
    headers = _headers((*route.headers, *answer.headers), sometimes)
    response: dict[str, Any] = {"description": answer.says, "headers": headers}
    if answer.content:
        response["content"] = _content(answer.content)
    return response


def _headers(always: Iterable[str], sometimes: Iterable[str] = ()) -> dict[str, Any]:
    names = {**dict.fromkeys(("X-Request-Id", *always), True), **dict.fromkeys(sometimes, False)}
    return {name: _header(name, required=required) for name, required in names.items()}


def _header(name: str, *, required: bool) -> dict[str, Any]:
    return {"description": HEADERS[name], "required": required, "schema": {"type": "string"}}


def _fault(codes: tuple[str, ...]) -> dict[str, Any]:
    """Return a problem's schema, narrowed to what this answer may say."""
    status, detail = PROBLEMS[codes[0]], MEANINGS[codes[0]]
    narrowed = {"status": {"const": status.value}, "code": {"enum": list(codes)}}
    schema = {"$ref": REF.format(model=Problem.__name__), "properties": narrowed}
    example = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail}
    return {PROBLEM_JSON: {"schema": schema, "example": {**example, "code": codes[0], "error": detail}}}


def _openai_fault(status: int, codes: tuple[str, ...]) -> dict[str, Any]:
    narrowed = {"error": {"properties": {"code": {"enum": list(codes)}}}}
    schema = {"$ref": REF.format(model=OpenAiProblem.__name__), "properties": narrowed}
    kind = SERVER_ERROR if status >= HTTPStatus.INTERNAL_SERVER_ERROR else WRONG_REQUEST
    error = {"message": HTTPStatus(status).description, "type": kind, "param": None, "code": codes[0]}
    return {JSON: {"schema": schema, "example": {"error": error}}}


def _content(content: Mapping[str, type[BaseModel] | Schema]) -> dict[str, Any]:
    return {media: _media(shape) for media, shape in content.items()}


def _media(shape: type[BaseModel] | Schema) -> dict[str, Any]:
    if not isinstance(shape, type):
        return {"schema": dict(shape)}
    found: dict[str, Any] = {"schema": {"$ref": REF.format(model=shape.__name__)}}
    if shape in EXAMPLES:
        found["example"] = EXAMPLES[shape]
    return found


def _schemas(routes: Iterable[Route]) -> dict[str, Any]:
    """Return the schemas of all models: of bodies as they are read, of answers as they are written."""
    asked = [shape for route in routes for shape in route.body.values()]
    told = [
        shape for route in routes for answer in route.answers.values() for shape in answer.content.values()
    ]
    reads: JsonSchemaMode = "validation"
    writes: JsonSchemaMode = "serialization"
    models: dict[type[BaseModel], JsonSchemaMode] = {
        **{shape: reads for shape in asked if isinstance(shape, type)},
        **{shape: writes for shape in told if isinstance(shape, type)},
        Message: writes,
        Problem: writes,
        OpenAiProblem: writes,
    }
    _, found = models_json_schema(list(models.items()), ref_template=REF, schema_generator=Untitled)
    schemas: dict[str, Any] = found["$defs"]
    return schemas
