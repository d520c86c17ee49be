"""The table of all routes. A route of the server that is not here, or the other way round, fails a test."""

from lingoloop_gateway.description import openai, operators, pages, recordings, runs, uploads, webhooks
from lingoloop_gateway.description.routes import Route

ROUTES: tuple[Route, ...] = (
    *recordings.ROUTES,
    *uploads.ROUTES,
    *runs.ROUTES,
    *webhooks.ROUTES,
    *openai.ROUTES,
    *operators.ROUTES,
    *pages.ROUTES,
)
