"""The calls that describe the others."""

from lingoloop_gateway.description.routes import JSON, TEXT, Answer, Route, Schema

OBJECT: Schema = {"type": "object"}

ROUTES = (
    Route(
        "GET", "/api/openapi.json", "Read this description", "Description", None,
        {200: Answer("An OpenAPI 3.1 document.", {JSON: OBJECT})},
    ),
    Route(
        "GET", "/api/asyncapi.json", "Read the description of the messages", "Description", None,
        {200: Answer("An AsyncAPI 3.0 document.", {JSON: OBJECT})},
    ),
    Route(
        "GET", "/api/docs", "Try the calls in a browser", "Description", None,
        {200: Answer("A page; it asks no other host.", {"text/html": TEXT})},
    ),
    Route(
        "GET", "/api/docs/{file}", "Fetch a file of that page", "Description", None,
        {200: Answer("The file.", {"text/javascript": TEXT, "text/css": TEXT})},
    ),
)  # fmt: skip
