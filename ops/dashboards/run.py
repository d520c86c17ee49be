"""One run's life, read from the database: when it got how far, what each chunk took, what failed, who was told."""

from grafana_foundation_sdk.builders import dashboard as dashboards

from lingoloop_common.store.queries import load_queries
from ops.dashboards.panels import add, board, course_of_rows, rows

SQL = load_queries(__package__, "run.sql")


def dashboard() -> dashboards.Dashboard:
    """Return it; the run is chosen by its id, or in the list at the end."""
    made = board(
        "run",
        "one run",
        "What became of one run: its id is in the logs, and in its address.",
        since="now-24h",
    )
    made.with_variable(
        dashboards.DatasourceVariable("postgresql").label("PostgreSQL").type("grafana-postgresql-datasource")
    )
    made.with_variable(dashboards.TextBoxVariable("run").label("Run's id"))
    add(made, "The run", RUN)
    add(made, "Its chunks", CHUNKS)
    add(made, "What went wrong, who was told", OTHERS)
    add(made, "Runs", RUNS)
    return made


RUN = [
    rows(
        "Where it is",
        "Its state, how much is done, and since when nothing has changed.",
        SQL["facts"],
        units={
            "audio": "dtdurations",
            "audio done": "dtdurations",
            "since upload": "dtdurations",
            "last change": "dtdurations",
        },
        height=4,
    ),
    rows(
        "When it got how far",
        "Counted from its upload. The first words come long before the end of a long recording.",
        SQL["stages"],
        units={"at": "dateTimeAsIso", "after upload": "dtdurations"},
        width=8,
    ),
    rows(
        "Its units",
        "By kind and state. Claims beyond one a unit: it was tried again, or its worker vanished.",
        SQL["units"],
        units={"oldest waits": "dtdurations"},
        width=8,
    ),
    course_of_rows(
        "Audio that is done",
        "dtdurations",
        "A straight line: slots worked on it all the time. Steps: it waited for others' turns.",
        SQL["progress"],
        width=8,
    ),
]

CHUNKS = [
    rows(
        "Chunk by chunk",
        "How long each waited for a slot, and how fast the engine was with it.",
        SQL["chunks"],
        units={
            "from": "dtdurations",
            "audio": "s",
            "waited": "s",
            "engine": "s",
            "speed": "suffix:× real time",
            "done after": "dtdurations",
        },
        height=12,
    ),
]

OTHERS = [
    rows(
        "Dead letters",
        "Units that failed for good: `lingoloop dead-letters replay` puts them back.",
        SQL["letters"],
        units={"at": "dateTimeAsIso", "put back": "dateTimeAsIso"},
        width=8,
    ),
    rows(
        "Webhooks",
        "What its owner's receivers were told, and what they answered.",
        SQL["webhooks"],
        units={"at": "dateTimeAsIso", "due": "dateTimeAsIso", "delivered": "dateTimeAsIso"},
        width=8,
    ),
    rows(
        "Its last events",
        "As those who follow it saw them.",
        SQL["events"],
        units={"at": "dateTimeAsIso", "since the last": "s"},
        width=8,
    ),
]

RUNS = [
    rows(
        "The latest runs",
        "Choose one by its id.",
        SQL["latest"],
        units={"uploaded": "dateTimeAsIso", "ended": "dateTimeAsIso"},
        height=12,
        link=("run", "/d/lingoloop-run?var-run=${__value.raw}"),
    ),
]
