"""The calls that describe the others, and the web app's."""

from lingoloop_common.auth import ANY, READ
from lingoloop_gateway.description.page_shapes import EngineList, Me, PageSettings, SignedIn
from lingoloop_gateway.description.routes import ANY_BYTES, JSON, TEXT, Answer, Route, Schema, json_of
from lingoloop_gateway.sign_in import LinkCode

OBJECT: Schema = {"type": "object"}

PAGE = ("ETag", "Content-Security-Policy")
FILE = ("Cache-Control",)
ETAG = ("ETag",)

ROUTES = (
    Route(
        "GET", "/", "Open the web app", "Web app", None,
        {
            200: Answer("The page; where it was not built, one that says how to.", {"text/html": TEXT}, PAGE),
            304: Answer("It is the one that `If-None-Match` names.", headers=PAGE),
        },
    ),
    Route(
        "GET", "/{page}", "Open the web app at one of its addresses", "Web app", None,
        {
            200: Answer("The page, or the file.", {"text/html": TEXT, "*/*": ANY_BYTES}, FILE, ETAG),
            304: Answer("It is the one that `If-None-Match` names.", headers=FILE, sometimes=ETAG),
        },
        says="Any address outside of the API without a dot is the page's, for a browser that accepts `text/html`; with a "
        "dot it is that of a file beside the page.",
    ),
    Route(
        "GET", "/assets/{file}", "Fetch a file of the web app", "Web app", None,
        {
            200: Answer("The file, which never changes under its name.", {"*/*": ANY_BYTES}, FILE, ETAG),
            304: Answer("It is the one that `If-None-Match` names.", headers=FILE, sometimes=ETAG),
        },
    ),
    Route(
        "GET", "/api/settings", "Read what a page must know before anybody has signed in", "Web app", None,
        {200: json_of(PageSettings, "How one signs in, and how much is taken.")},
    ),
    Route(
        "POST", "/api/sign-in", "Sign in by the link that the server has printed", "Web app", None,
        {200: json_of(SignedIn, "A token. The link is used up.")},
        ("unauthorized", "not_found", "invalid_value"),
        says="404 where the server has no such link: only `lingoloop up` prints one.",
        body={JSON: LinkCode},
    ),
    Route(
        "GET", "/api/me", "Read who one is, and what one may", "Web app", ANY,
        {200: json_of(Me, "Of the token that was sent.")},
    ),
    Route(
        "GET", "/api/engines", "List the engines, and what each can", "Web app", READ,
        {200: json_of(EngineList, "What workers have ever offered.")},
    ),
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
