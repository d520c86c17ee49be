"""The dashboards as they are committed, and what Grafana may read of the database."""

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
import yaml

from ops.dashboards.__main__ import texts
from tests.conftest import own_database
from tests.ops.test_alerts import known_metrics, metrics_of, rules
from tests.servers.postgres import PostgresServer

FOLDER = Path(__file__).parents[2] / "ops" / "grafana"
FILES = {path.name: json.loads(path.read_text()) for path in sorted((FOLDER / "dashboards").glob("*.json"))}
PROVISIONING = FOLDER / "provisioning"
PASSWORD = "a-password'for tests"

pytestmark = pytest.mark.ops


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


ALL = {f"{name}: {panel['title']}": panel for name, dashboard in FILES.items() for panel in panels(dashboard)}


def test_what_is_committed_is_what_the_code_makes() -> None:
    made = texts()
    assert {path.name: path.read_text() for path in (FOLDER / "dashboards").glob("*.json")} == made, (
        "run `make dashboards`"
    )


def test_no_two_have_the_same_address_or_name_and_no_two_panels_the_same_number() -> None:
    for key in ("uid", "title"):
        assert len({dashboard[key] for dashboard in FILES.values()}) == len(FILES)
    for dashboard in FILES.values():
        numbers = [panel["id"] for panel in dashboard["panels"]]
        assert len(numbers) == len(set(numbers))
        assert (
            "id" not in dashboard
        )  # Grafana's own number; a file that has one replaces whatever has it there


@pytest.mark.parametrize("dashboard", FILES.values(), ids=FILES)
def test_panels_fill_the_page_and_none_lies_on_another(dashboard: dict[str, Any]) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + dx, at["y"] + dy) for dx in range(at["w"]) for dy in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


@pytest.mark.parametrize("panel", ALL.values(), ids=ALL)
def test_each_panel_says_what_it_tells_in_what_unit(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert len(panel["description"]) > 10
    assert panel["targets"]
    if panel["type"] != "table":
        assert panel["fieldConfig"]["defaults"]["unit"]


def test_panels_ask_for_metrics_that_exist() -> None:
    known = known_metrics()
    recorded = {rule["record"] for rule in rules("record")}
    for dashboard in FILES.values():
        for panel in panels(dashboard):
            for target in panel["targets"]:
                expression = target.get("expr", "")
                assert metrics_of(expression) <= known, expression
                assert set(re.findall(r"[a-z]\w*(?::\w+)+", expression)) <= recorded, expression


def test_grafana_is_told_where_to_read_and_where_the_dashboards_lie() -> None:
    [sources] = [
        yaml.safe_load(path.read_text())["datasources"] for path in PROVISIONING.glob("datasources/*.yml")
    ]
    assert len({source["uid"] for source in sources}) == len(sources) == 2
    chosen = {
        variable["query"]
        for dashboard in FILES.values()
        for variable in dashboard["templating"]["list"]
        if variable["type"] == "datasource"
    }
    assert chosen == {source["type"] for source in sources}
    secrets = [source.get("secureJsonData", {}) for source in sources]
    assert all(value.startswith("$") for secret in secrets for value in secret.values())
    [providers] = [
        yaml.safe_load(path.read_text())["providers"] for path in PROVISIONING.glob("dashboards/*.yml")
    ]
    assert [provider["options"]["path"] for provider in providers] == ["/var/lib/grafana/dashboards"]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server of its own: roles belong to a whole server."""
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="module")
def url(server: PostgresServer) -> Iterator[str]:
    """A database with all tables, where the role was made twice, as after an update."""
    with own_database(server) as url:
        for _ in range(2):
            make_reader(url)
        yield url


def make_reader(url: str) -> None:
    """Let psql run the file, as the page says."""
    subprocess.run(
        ["psql", url, "-q", "-f", FOLDER / "reader.sql"],
        env={**os.environ, "GRAFANA_DB_PASSWORD": PASSWORD},
        check=True,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def ask(url: str) -> Iterator[Callable[[str], list[Any]]]:
    """Call it with a statement for its rows, as Grafana's role."""
    with closing(
        psycopg.connect(url, user="lingoloop_reader", password=PASSWORD, autocommit=True)
    ) as connection:
        yield lambda statement: connection.execute(statement.encode()).fetchall()


def test_grafanas_role_reads_times_states_and_counts_and_nothing_else(
    ask: Callable[[str], list[Any]],
) -> None:
    readable = {
        f"{table}.{column}"
        for table, column in ask(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = 'public' AND has_column_privilege(quote_ident(table_name), column_name, 'SELECT')"
        )
    }
    telling = re.compile(
        r"owner|text|words$|data|body|name|url|secret|sha|key|blob|message|metadata|options|speaker|error_message"
    )
    assert readable
    assert not [column for column in readable if telling.search(column.split(".")[1])]
    for statement in (
        "SELECT text FROM segment",
        "SELECT * FROM api_key",
        "SELECT owner FROM transcript_run",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            ask(statement)


def test_grafanas_role_writes_nothing_and_asks_nothing_for_long(ask: Callable[[str], list[Any]]) -> None:
    for statement in ("DELETE FROM run_event", "CREATE TABLE mine (a int)"):
        with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)):
            ask(statement)
    assert ask("SHOW statement_timeout") == [("10s",)]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):  # also when it says that it may
        ask("BEGIN READ WRITE; DELETE FROM run_event")


@pytest.mark.parametrize("run", ["", str(UUID(int=7))])
def test_each_question_can_be_asked_of_a_run_that_is_not_there(
    run: str, ask: Callable[[str], list[Any]]
) -> None:
    for panel in panels(FILES["run.json"]):
        assert ask(panel["targets"][0]["rawSql"].replace("${run:sqlstring}", f"'{run}'")) == []
