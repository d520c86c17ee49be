"""Metrics: labels come from short lists, the page that describes them is whole, and what they count is decided by pure rules."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.metrics import MetricWrapperBase

from lingoloop_common import metrics
from lingoloop_common.errors import WORK_ERRORS
from lingoloop_common.store.runs import stages

ROOT = Path(__file__).resolve().parents[2]
LABELS = {
    "code", "dependency", "folder", "kind", "lane", "link", "method", "outcome", "route", "scope", "stage", "state",
    "status", "version", "way",
}  # fmt: skip
"""All labels that any metric has. What a client sends decides none of their values: see tests/gateway/test_metric_labels.py."""

ALL: list[Any] = [metric for metric in vars(metrics).values() if isinstance(metric, MetricWrapperBase)]
ROW = re.compile(r"^\| `(lingoloop_\w+)` \| (\w+) \|([^|]*)\|", re.MULTILINE)


def full_name(metric: Any) -> str:
    return str(metric._name) + ("_total" if metric._type == "counter" else "")


@pytest.mark.parametrize("metric", ALL, ids=full_name)
def test_labels_are_of_the_list(metric: Any) -> None:
    assert set(metric._labelnames) <= LABELS


@pytest.mark.parametrize("language", ["md", "zh.md"])
def test_the_page_tells_of_all_metrics_with_their_kinds_and_labels(language: str) -> None:
    page = (ROOT / f"docs/operations/metrics.{language}").read_text()
    told = {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in ROW.findall(page)}
    assert told == {full_name(metric): (metric._type, set(metric._labelnames)) for metric in ALL}


def test_codes_that_no_table_has_are_one() -> None:
    assert [metrics.known_code(code) for code in (None, "slot_died", "of a version to come")] == [
        "none", "slot_died", "other",
    ]  # fmt: skip


def test_ends_of_runs_are_told_before_there_are_any() -> None:
    """Else Prometheus does not see the first of each process rise, and `LingoLoopRunsFail` is blind to a fleet that is new."""
    (ends,) = metrics.RUNS_ENDED.collect()
    told = {(sample.labels["status"], sample.labels["code"]) for sample in ends.samples}
    assert told >= {("succeeded", "none"), *(("failed", code) for code in (*WORK_ERRORS, metrics.OTHER))}


def test_whatever_makes_work_ready_says_since_when() -> None:
    queries = [
        query
        for folder in ("libs", "services")
        for path in (ROOT / folder).rglob("*.sql")
        if "migrations" not in path.parts
        for query in path.read_text().split("-- name: ")
        if re.search(r"SET\s+state = 'ready'|ELSE 'ready' END", query)
    ]
    assert len(queries) == 10
    assert [query.split()[0] for query in queries if "ready_at = now()" not in query] == []


# --- the stages of a run's life

THEN = datetime(2026, 11, 27, 12, tzinfo=UTC)
NEW: dict[str, Any] = {"status": "queued", "started_at": None, "planned": False, "first_words_at": None}
BEGUN = {**NEW, "status": "processing", "started_at": THEN}
SPOKEN = {**BEGUN, "first_words_at": THEN + timedelta(seconds=1)}


@pytest.mark.parametrize(("before", "after", "reached"), [
    (NEW, NEW, []),
    (NEW, BEGUN, ["started"]),
    (BEGUN, {**BEGUN, "planned": True}, ["planned"]),
    (BEGUN, SPOKEN, ["first_words"]),
    (SPOKEN, SPOKEN, []),
    (BEGUN, {**SPOKEN, "planned": True, "status": "succeeded"}, ["planned", "first_words", "succeeded"]),
    (SPOKEN, {**SPOKEN, "status": "failed"}, []),
    ({**SPOKEN, "status": "failed"}, {**SPOKEN, "status": "queued"}, []),
    ({**SPOKEN, "status": "queued"}, SPOKEN, []),  # a retry starts no run anew
])  # fmt: skip
def test_a_stage_is_reached_once(before: dict[str, Any], after: dict[str, Any], reached: list[str]) -> None:
    assert stages(before, after) == reached
