"""The operators' calls."""

from lingoloop_common.auth import ADMIN
from lingoloop_gateway.dead_letters import CODE, Selection
from lingoloop_gateway.description.operator_shapes import BacklogByLane, DeadLetterPage, Fleet, Replayed
from lingoloop_gateway.description.routes import ID, JSON, Parameter, Route, cursor, json_of, limit
from lingoloop_gateway.parameters import BACKLOG_MINUTES, LETTERS_LIMIT

WORKER = Parameter("id", ID, "One worker; all of them where it is not said.")

MINUTES = Parameter(
    "minutes",
    {"type": "integer", "minimum": 0, "maximum": BACKLOG_MINUTES, "default": BACKLOG_MINUTES},
    "How far the history goes back.",
)

WITH_CODE = Parameter("code", {"type": "string", "pattern": CODE}, "Only those with this cause.")

ROUTES = (
    Route(
        "GET", "/api/admin/worker", "Look at the workers", "Operators", ADMIN,
        {200: json_of(Fleet, "All workers.")},
    ),
    Route(
        "POST", "/api/admin/worker", "Let workers take work", "Operators", ADMIN,
        {200: json_of(Fleet, "All workers; they obey within seconds.")},
        ("invalid_value", "not_found"),
        parameters=(WORKER,),
    ),
    Route(
        "DELETE", "/api/admin/worker", "Let workers take no more work", "Operators", ADMIN,
        {200: json_of(Fleet, "All workers; what is in flight is finished.")},
        ("invalid_value", "not_found"),
        parameters=(WORKER,),
    ),
    Route(
        "GET", "/api/admin/backlog", "See what waits, now and during the last day", "Operators", ADMIN,
        {200: json_of(BacklogByLane, "All lanes.")},
        ("invalid_value",),
        parameters=(MINUTES,),
    ),
    Route(
        "GET", "/api/admin/dead-letters", "List work that failed for good", "Operators", ADMIN,
        {200: json_of(DeadLetterPage, "A page.")},
        ("invalid_value",),
        parameters=(limit(100, LETTERS_LIMIT), cursor(ID), WITH_CODE),
    ),
    Route(
        "POST", "/api/admin/dead-letters/replay", "Put dead letters back", "Operators", ADMIN,
        {202: json_of(Replayed, "How many were put back, and how many are left.")},
        ("invalid_value",),
        body={JSON: Selection},
    ),
    Route(
        "POST", "/api/admin/dead-letters/{letter_id}/replay", "Put one dead letter back", "Operators", ADMIN,
        {202: json_of(Replayed, "It was put back.")},
        ("conflict",),
    ),
)  # fmt: skip
