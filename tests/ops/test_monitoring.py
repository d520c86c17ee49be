"""A real Prometheus asks a real fleet while it works: each panel shows something, each rule says something, and what is known is right."""

import asyncio
import contextlib
import math
import os
import re
import signal
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import psycopg
import pytest
import pytest_asyncio
import yaml

from tests import media
from tests.fleet import Fleet, Service, rest_of_run, running_fleet
from tests.notifier.receiver import receiving
from tests.ops.test_alerts import ALERTS, rules
from tests.ops.test_dashboards import FILES, PASSWORD, make_reader, panels
from tests.servers.postgres import PostgresServer
from tests.servers.prometheus import Prometheus
from tests.servers.rabbitmq import RabbitServer
from tests.waiting import eventually

pytestmark = [pytest.mark.ops, pytest.mark.slow, pytest.mark.timeout(400)]

RUNS, SECONDS = 12, 60
"""So many recordings are transcribed, of so many seconds each."""


OPEN = "sum(max by (status) (lingoloop_runs))"


@dataclass(frozen=True)
class Watched:
    """What was seen: the Prometheus that still runs, the time of the load, and its runs."""

    prometheus: Prometheus
    begin: float
    end: float
    database_url: str
    done: str
    failed: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watched(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Watched]:
    """Let a fleet work while Prometheus asks: runs that succeed, one whose slot is killed, streams, webhooks."""
    folder = tmp_path_factory.mktemp("fleet")
    settings: Any = {
        "ENGINE": "simulated",
        "MAX_CONCURRENT_JOBS": "2",
        "SIMULATED_MS_PER_SECOND": "30",
        "WORKER_MAX_RETRIES": "0",
        "ALLOW_PRIVATE_ADDRESSES": "1",
    }
    with PostgresServer() as postgres, RabbitServer(watched=True) as rabbitmq, ExitStack() as stack:
        url = postgres.create_database("watched")
        async with receiving() as receiver, running_fleet(folder, url, rabbitmq.url, **settings) as fleet:
            targets = {
                name: [f"127.0.0.1:{service.ops_port}" for service in fleet.services if service.name == name]
                for name in ("gateway", "transcriber", "notifier")
            }
            targets["rabbitmq"] = [f"127.0.0.1:{rabbitmq.metrics_port}"]
            prometheus = stack.enter_context(Prometheus(targets))
            await eventually(lambda: len(prometheus.now("up == 1")) == 5, seconds=60)
            begin = time.time()
            async with fleet.http() as http, following(fleet):
                answer = await http.post("/api/webhooks", json={"url": receiver.url})
                assert answer.status_code == 201, answer.text
                done = await work(fleet, http, 100)
                failed = await fail(fleet, http)
                done += await work(fleet, http, 200)  # so that each counter is seen to rise
                for _ in done:
                    await receiver.heard.get(seconds=60)
                # What a gateway tells of the database is up to five seconds old.
                await eventually(lambda: prometheus.now(OPEN) == [({}, 0)], seconds=60)
                await asyncio.sleep(3)  # until that is in the rules
                yield Watched(prometheus, begin, time.time(), url, done[-1], failed)


@contextlib.asynccontextmanager
async def following(fleet: Fleet) -> AsyncIterator[None]:
    """Follow all of an owner's runs, and answer a page that looks at them."""

    async def follow() -> None:
        async with fleet.client() as client:
            async for _ in client.events(None):
                pass

    task = asyncio.create_task(follow())
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def work(fleet: Fleet, http: httpx.AsyncClient, hz: float) -> list[str]:
    """Upload half of the recordings, follow them to their ends, and look at lists meanwhile."""
    run_ids = []
    for number in range(RUNS // 2):
        run_ids.append(await upload(http, hz + number))
        await http.get("/api/runs")
        await http.get("/api/me")
        await asyncio.sleep(0.5)
    async with fleet.client() as client:
        for run_id in run_ids:
            frames = await rest_of_run(client, run_id)
            assert frames[-1]["status"] == "succeeded", frames[-1]
    return run_ids


async def upload(http: httpx.AsyncClient, hz: float, seconds: int = SECONDS) -> str:
    """Upload a tone; return its run."""
    tone = media.wav(media.tone(seconds, rate=16_000, hz=hz))
    answer = await http.post(
        "/api/audios", files={"file": (f"{hz}.wav", tone, "audio/wav")}, data={"model": "long"}
    )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["runId"])


async def fail(fleet: Fleet, http: httpx.AsyncClient) -> str:
    """Let a run fail for good: while all slots are at its chunks, one is killed, or more until one had a chunk."""
    run_id = await upload(http, 99, 900)
    transcriber = next(service for service in fleet.services if service.name == "transcriber")
    connection = await asyncpg.connect(fleet.database_url)
    async with fleet.client() as client:
        async for frame in client.events(run_id):
            if frame["chunksDone"] and not await connection.fetchval("SELECT count(*) FROM dead_letter"):
                kill_a_slot(transcriber)
    await connection.close()
    assert frame["status"] == "failed", frame
    return run_id


def kill_a_slot(service: Service) -> None:
    """SIGKILL to a child of a transcriber."""
    pid = service.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    if children:
        os.kill(int(children[-1]), signal.SIGKILL)


RARE = ("ALERTS", "lingoloop_units_taken_back_total", "lingoloop_tokens_refilled_total")
"""What does not happen here: of these, 0 will do."""


def filled_in(expression: str) -> str:
    """Put in what Grafana would; a 0 that stands for nothing is no answer."""
    if not any(name in expression for name in RARE):
        expression = expression.removesuffix(" or vector(0)")
    return expression.replace("$__rate_interval", "30s").replace("$lane", ".*")


METRIC_PANELS = [
    pytest.param(target["expr"], id=f"{name}: {panel['title']} {target['refId']}")
    for name, dashboard in FILES.items()
    for panel in panels(dashboard)
    for target in panel["targets"]
    if "expr" in target
]


@pytest.mark.parametrize("expression", METRIC_PANELS)
def test_each_panel_shows_something(expression: str, watched: Watched) -> None:
    courses = watched.prometheus.course(filled_in(expression), watched.begin, watched.end)
    assert any(math.isfinite(value) for _, values in courses for value in values), expression


@pytest.mark.parametrize("record", sorted({rule["record"] for rule in rules("record")}))
def test_each_recording_rule_says_something(record: str, watched: Watched) -> None:
    courses = watched.prometheus.course(record, watched.begin, watched.end)
    assert any(math.isfinite(value) for _, values in courses for value in values)


KNOWN = {
    'sum(lingoloop_runs_ended_total{status="succeeded"})': RUNS,
    'sum(lingoloop_runs_ended_total{status="failed", code="slot_died"})': 1,
    "sum(max by (code) (lingoloop_dead_letters)) >= bool 1": 1,
    OPEN: 0,
    "sum(lane:lingoloop_backlog_audio_seconds:max)": 0,
    "max(lane:lingoloop_drain_seconds:rate10m)": 0,
    'sum(max by (lane) (lingoloop_workers{state="running"}))': 2,
    "sum(max by (lane) (lingoloop_slots))": 4,
    'sum(lingoloop_uploads_total{way="multipart", outcome="accepted"})': RUNS + 1,
    'sum(lingoloop_sse_subscribers{scope="owner"})': 1,
    'sum(lingoloop_webhook_tries_total{outcome="delivered"}) >= bool 13': 1,
    "max(lingoloop_outbox_rows)": 0,
    "min(lingoloop_dependency_up)": 1,
    "sum(increase(lingoloop_http_seconds_count{status=~'5..'}[5m])) or vector(0)": 0,
}


@pytest.mark.parametrize(("expression", "value"), KNOWN.items())
def test_what_is_known_is_what_is_shown(expression: str, value: float, watched: Watched) -> None:
    assert [seen for _, seen in watched.prometheus.now(expression)] == [value]


def test_what_was_transcribed_is_what_was_sent(watched: Watched) -> None:
    [(_, seconds)] = watched.prometheus.now("sum(lingoloop_audio_seconds_total)")
    assert RUNS * SECONDS <= seconds <= RUNS * SECONDS + 900
    [(_, speed)] = watched.prometheus.now("lane:lingoloop_engine_speed:rate10m")
    assert 15 < speed < 34  # 30 ms a second are 33 times real time, and a process takes its time


def test_no_alert_fires_over_a_run_that_fails_and_all_alerts_can_be_evaluated(watched: Watched) -> None:
    groups = watched.prometheus.api("rules")["groups"]
    seen = {rule["name"]: rule for group in groups for rule in group["rules"] if rule["type"] == "alerting"}
    assert seen.keys() == ALERTS.keys()
    assert {rule["health"] for rule in seen.values()} == {"ok"}
    assert not [
        name for name, rule in seen.items() if rule["state"] == "firing" and name != "LingoLoopDeadLetters"
    ]


@pytest.mark.parametrize("which", ["done", "failed"])
def test_one_runs_life_is_told_by_the_database(which: str, watched: Watched) -> None:
    make_reader(watched.database_url)
    run_id = getattr(watched, which)
    told = {}
    with psycopg.connect(watched.database_url, user="lingoloop_reader", password=PASSWORD) as connection:
        for panel in panels(FILES["run.json"]):
            statement = panel["targets"][0]["rawSql"].replace("${run:sqlstring}", f"'{run_id}'")
            cursor = connection.execute(statement.encode())
            assert cursor.description
            names = [column.name for column in cursor.description]
            told[panel["title"]] = [dict(zip(names, row, strict=True)) for row in cursor]
    stages = [row["stage"] for row in told["When it got how far"]]
    facts = told["Where it is"][0]
    assert told["Webhooks"][0]["state"] == "delivered"
    assert told["Its last events"]
    assert len(told["The latest runs"]) == RUNS + 1
    if which == "done":
        assert stages == ["uploaded", "begun", "first words", "ended"]
        assert (facts["status"], facts["audio done"]) == ("succeeded", SECONDS)
        assert told["Audio that is done"][-1]["audio done"] == SECONDS
        assert {row["state"] for row in told["Chunk by chunk"]} == {"done"}
        assert all(row["speed"] > 1 and row["waited"] >= 0 for row in told["Chunk by chunk"])
        assert not told["Dead letters"]
    else:
        assert (facts["status"], facts["cause"]) == ("failed", "slot_died")
        assert {row["cause"] for row in told["Dead letters"]} == {"slot_died"}


async def test_what_alerts_say_can_be_read(tmp_path: Path) -> None:
    """Each fires here, whatever is so, with all labels that it may have."""
    labels = ("job", "instance", "lane", "dependency", "code")
    series = "vector(5400)"
    for label in labels:
        series = f'label_replace({series}, "{label}", "the-{label}", "", "")'
    made = [{**rule, "expr": series, "for": "0s"} for rule in ALERTS.values()]
    path = tmp_path / "all.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": made}]}))
    with Prometheus({}, [path]) as prometheus:
        await eventually(lambda: len(prometheus.api("alerts")["alerts"]) == len(ALERTS))
        for alert in prometheus.api("alerts")["alerts"]:
            for text in (alert["annotations"]["summary"], alert["annotations"]["description"]):
                assert not re.search(r"\{\{|<no value>|%!|error (executing|expanding)", text), text
