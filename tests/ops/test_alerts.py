"""Prometheus's files: valid, each alert tried both ways, with a page for whoever is woken, and made of metrics that exist."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
OPS = ROOT / "ops" / "prometheus"
PAGES = ROOT / "docs" / "operations"

pytestmark = pytest.mark.ops


def rules(kind: str) -> list[dict[str, Any]]:
    """Return all rules that are alerts, or that record."""
    files = [yaml.safe_load(path.read_text()) for path in sorted((OPS / "rules").glob("*.yml"))]
    return [rule for file in files for group in file["groups"] for rule in group["rules"] if kind in rule]


ALERTS = {rule["alert"]: rule for rule in rules("alert")}
TRIED = [
    check
    for path in sorted((OPS / "tests").glob("*.yml"))
    for test in yaml.safe_load(path.read_text())["tests"]
    for check in test["promql_expr_test"]
]


def promtool(*arguments: object) -> None:
    result = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("name", ["prometheus.yml", "one-host.yml"])
def test_prometheus_takes_its_settings_and_the_rules(name: str) -> None:
    promtool("check", "config", OPS / name)


def test_alertmanager_takes_its_example_which_names_alerts_that_there_are() -> None:
    path = OPS / "alertmanager.yml"
    result = subprocess.run(["amtool", "check-config", path], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert set(re.findall(r"LingoLoop\w+", path.read_text())) <= ALERTS.keys()


AWAY = {"alertname": "LingoLoopDependencyDown", "job": "gateway", "dependency": "broker"}
FULL = {"alertname": "LingoLoopBrokerAlarm"}
NO_ROOM = {"alertname": "LingoLoopDependencyDown", "job": "gateway", "dependency": "storage"}


def followed(*names: str) -> list[dict[str, str]]:
    return [{"alertname": f"LingoLoop{name}", "lane": "whisper.base"} for name in names]


@pytest.mark.parametrize(
    ("cause", "what_follows"),
    [
        (AWAY, followed("NoWorker", "OutboxLag", "QueueDeep", "QueueOld", "EventsLate", "WebhooksLate")),
        (FULL, followed("NoWorker", "OutboxLag", "QueueDeep", "QueueOld", "EventsLate", "WebhooksLate")),
        (NO_ROOM, followed("StorageFails", "HttpErrors")),
    ],
    ids=["the broker is away", "the broker takes nothing", "the storage is away"],
)
def test_a_cause_is_told_once(cause: dict[str, str], what_follows: list[dict[str, str]]) -> None:
    assert told([cause, *what_follows]) == [cause]


def test_what_has_a_cause_of_its_own_is_told() -> None:
    alerts = [AWAY, *followed("StorageFails", "DiskFull", "DeadLetters", "RunsFail")]
    assert told(alerts) == alerts


def told(firing: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return those of the alerts that Alertmanager sends on, by the example's inhibit rules."""
    rules = yaml.safe_load((OPS / "alertmanager.yml").read_text())["inhibit_rules"]

    def matches(alert: dict[str, str], matchers: list[str]) -> bool:
        parts = [re.fullmatch(r'(\w+)=~?"(.*)"', matcher) for matcher in matchers]
        return all(part and re.fullmatch(part[2], alert.get(part[1], "")) for part in parts)

    def hidden(alert: dict[str, str], rule: dict[str, Any]) -> bool:
        return matches(alert, rule["target_matchers"]) and any(
            matches(other, rule["source_matchers"])
            and all(alert.get(label) == other.get(label) for label in rule.get("equal", []))
            for other in firing
        )

    return [alert for alert in firing if not any(hidden(alert, rule) for rule in rules)]


@pytest.mark.parametrize("path", sorted((OPS / "tests").glob("*.yml")), ids=lambda path: path.stem)
def test_rules_say_what_they_should(path: Path) -> None:
    promtool("test", "rules", path)


@pytest.mark.parametrize("alert", ALERTS)
def test_each_alert_is_seen_to_fire_and_to_be_quiet(alert: str) -> None:
    expression = f'ALERTS{{alertname="{alert}", alertstate="firing"}}'
    outcomes = {bool(check["exp_samples"]) for check in TRIED if check["expr"] == expression}
    assert outcomes == {True, False}


@pytest.mark.parametrize("record", sorted({rule["record"] for rule in rules("record")}))
def test_what_is_recorded_is_checked_or_used(record: str) -> None:
    asked = [check["expr"] for check in TRIED] + [
        rule["expr"] for rule in (*rules("alert"), *rules("record"))
    ]
    assert any(record in expression for expression in asked)


@pytest.mark.parametrize(("alert", "rule"), ALERTS.items())
def test_each_alert_says_what_and_how_bad_it_is_and_leads_to_its_page(
    alert: str, rule: dict[str, Any]
) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning"}
    notes = rule["annotations"]
    assert notes.keys() == {"summary", "description", "runbook_url"}
    assert notes["runbook_url"] == f"docs/operations/runbooks.md#{alert.lower()}"


@pytest.mark.parametrize("page", ["runbooks.md", "runbooks.zh.md", "monitoring.md", "monitoring.zh.md"])
def test_pages_name_the_alerts_that_there_are_and_no_others(page: str) -> None:
    text = (PAGES / page).read_text()
    headings = re.findall(r"^## (LingoLoop\w+)$", text, re.MULTILINE)
    assert set(re.findall(r"LingoLoop[A-Z]\w+", text)) == ALERTS.keys()
    if page.startswith("runbooks"):
        assert headings == list(ALERTS)


def test_rules_ask_for_metrics_that_exist() -> None:
    known = known_metrics()
    for rule in (*rules("alert"), *rules("record")):
        assert metrics_of(rule["expr"]) <= known, rule["expr"]


def known_metrics() -> set[str]:
    """Return LingoLoop's metrics, as their page has them, with what a histogram is made of."""
    names = set(re.findall(r"\blingoloop_[a-z_]+\b", (PAGES / "metrics.md").read_text()))
    return names | {name + part for name in names for part in ("_bucket", "_count", "_sum")}


def metrics_of(expression: str) -> set[str]:
    """Return LingoLoop's metrics that an expression names; what rules record has colons in its name."""
    return set(re.findall(r"(?<![:\w])lingoloop_[a-z_]+(?![:\w])", expression))
