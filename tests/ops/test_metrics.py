"""Metrics of a real fleet: Prometheus takes each page, and each metric tells what happened, no more and no less."""

import asyncio
import json
import re
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import httpx
import pytest

from lingoloop.folder import DataFolder
from lingoloop.server import local_token
from lingoloop_common.store.migrate import migrate
from tests import media
from tests.command_line import server
from tests.fleet import Fleet, Service
from tests.notifier.receiver import receiving
from tests.rows import add_worker
from tests.scrape import Page, scrape
from tests.servers import free_port
from tests.servers.proxy import Proxy
from tests.servers.rabbitmq import RabbitServer
from tests.waiting import eventually

pytestmark = pytest.mark.ops

PAGE = Path(__file__).resolve().parents[2] / "docs/operations/metrics.md"

LANE = {"lane": "simulated"}
SECONDS = 64
"""Of each recording that goes through: large, so that its upload is answered before it is done."""


KINDS = dict(re.findall(r"^\| `(lingoloop_\w+)` \| (\w+) \|", PAGE.read_text(), re.MULTILINE))


def series_of(name: str, kind: str) -> list[str]:
    """Return the names of a metric's series."""
    return [f"{name}_{end}" for end in ("bucket", "sum", "count")] if kind == "histogram" else [name]


def lint(page: Page) -> str:
    """Return what promtool has to say of a page."""
    found = subprocess.run(
        ["promtool", "check", "metrics"], input=page.text, capture_output=True, text=True, check=False
    )
    return found.stdout + found.stderr


@asynccontextmanager
async def fleet_in_parts(
    folder: Path, database_url: str, broker_url: str, **settings: str
) -> AsyncIterator[tuple[Fleet, Service, Service]]:
    """Run a gateway and a notifier over a lane of which nobody is alive; its transcriber is the test's to start."""
    fleet = Fleet(
        folder, database_url, broker_url,
        ENGINE="simulated", SIMULATED_MS_PER_SECOND="1", ALLOW_PRIVATE_ADDRESSES="1", WORKER_MAX_RETRIES="0",
        MAX_CONCURRENT_JOBS="2", **settings,
    )  # fmt: skip
    connection = await asyncpg.connect(database_url)
    await migrate(connection)
    await add_worker(connection, lease=None)
    await connection.close()
    try:
        gateway, notifier = fleet.start("gateway"), fleet.start("notifier")
        await asyncio.gather(gateway.ready(), notifier.ready())
        yield fleet, gateway, notifier
    except BaseException:
        print(fleet.logs())
        raise
    finally:
        fleet.stop()


async def upload(http: httpx.AsyncClient, name: str, data: bytes) -> httpx.Response:
    headers = {"Content-Type": "audio/wav"}
    return await http.post("/api/audios", content=data, params={"filename": name}, headers=headers)


async def fresh(service: Service) -> Page:
    """Scrape when the state is asked for anew."""
    await asyncio.sleep(5.1)
    return await scrape(service.ops_port)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_what_happens_to_a_fleet_is_told_by_its_metrics(
    tmp_path: Path, database_url: str, rabbitmq_url: str
) -> None:
    async with (
        fleet_in_parts(tmp_path, database_url, rabbitmq_url) as (fleet, gateway, notifier),
        fleet.http() as http,
    ):
        # Nothing has happened, and nobody works: all is there, with 0.
        page = await scrape(gateway.ops_port)
        assert page.value("lingoloop_backlog_audio_seconds", **LANE) == 0
        assert page.value("lingoloop_workers", **LANE, state="running") == 0
        assert [
            page.value("lingoloop_dependency_up", dependency=name)
            for name in ("database", "broker", "storage")
        ] == [1] * 3
        assert page.value("lingoloop_broker_connections", link="publish") == 1
        assert page.value("lingoloop_broker_blocked") == 0
        assert page.total("lingoloop_database_connections") >= 1
        assert page.value("lingoloop_database_connections_max") == 10
        size = page.total("lingoloop_storage_size_bytes", folder="recordings")
        assert size > page.total("lingoloop_storage_free_bytes", folder="recordings") > 0
        assert page.total("lingoloop_build_info") == 1

        # Uploads wait, since nobody takes them.
        talk = media.wav_of_ms(SECONDS * 1000)
        assert (await upload(http, "talk.wav", talk)).status_code == 202
        assert (await upload(http, "talk.wav", talk)).json()["reused"]
        assert (await upload(http, "notes.txt", b"no recording")).status_code == 422
        form = {"file": ("other.wav", media.wav_of_ms(SECONDS * 1000 + 100), "audio/wav")}
        assert (await http.post("/api/audios", files=form)).status_code == 202
        path = tmp_path / "third.wav"
        path.write_bytes(media.wav_of_ms(SECONDS * 1000 + 200))
        async with fleet.client() as client:
            await client.upload(path, lambda _: None)
        nobody = f"http://127.0.0.1:{free_port()}/talk.wav"
        assert (await http.post("/api/audios", json={"url": nobody})).status_code == 202
        page = await fresh(gateway)
        ways = {"raw": "accepted", "multipart": "accepted", "tus": "accepted", "url": "accepted"}
        assert [page.value("lingoloop_uploads_total", way=way, outcome=ways[way]) for way in ways] == [1] * 4
        assert page.value("lingoloop_uploads_total", way="raw", outcome="reused") == 1
        assert page.value("lingoloop_uploads_total", way="raw", outcome="refused") == 1
        assert page.value("lingoloop_upload_bytes_total", way="raw") == 2 * len(talk) + len(b"no recording")
        assert page.value("lingoloop_upload_bytes_total", way="tus") == path.stat().st_size
        assert page.value("lingoloop_units_ready", **LANE) == 4
        assert page.value("lingoloop_runs", status="queued") == 4
        assert page.value("lingoloop_units_taken_back_total", **LANE) == 0
        assert page.value("lingoloop_tokens_refilled_total", **LANE) == 0
        assert page.value("lingoloop_backlog_audio_seconds", **LANE) == pytest.approx(3 * SECONDS + 1, abs=1)
        assert 5 < page.total("lingoloop_oldest_ready_seconds", **LANE) < 60
        route = {"method": "POST", "route": "/api/audios"}
        assert page.total("lingoloop_http_seconds_count", **route, status="202") == 3
        assert page.total("lingoloop_http_seconds_count", **route, status="422") == 1

        # Somebody listens, and there is a webhook; then a transcriber comes.
        async with receiving() as receiver, http.stream("GET", "/api/runs/events") as stream:
            assert (await http.post("/api/webhooks", json={"url": receiver.url})).status_code == 201
            await eventually(lambda: _subscribers(notifier, 1))
            assert (await scrape(gateway.ops_port)).value("lingoloop_http_in_flight", kind="stream") == 1
            transcriber = fleet.start("transcriber")
            await transcriber.ready()
            ended = 0
            async for line in stream.aiter_lines():
                ended += '"event":"done"' in line
                if ended == 4:
                    break
            for _ in range(4):
                await receiver.heard.get()
        worker, page, told = (
            await scrape(transcriber.ops_port),
            await fresh(gateway),
            await scrape(notifier.ops_port),
        )
        assert page.value("lingoloop_backlog_audio_seconds", **LANE) == 0
        assert [page.total(f"lingoloop_units_{state}") for state in ("ready", "running")] == [0, 0]
        assert page.total("lingoloop_runs") == 0
        assert page.value("lingoloop_workers", **LANE, state="running") == 1
        assert page.total("lingoloop_slots", **LANE) == 2
        assert (
            page.value("lingoloop_dead_letters", code="import_failed")
            == page.total("lingoloop_dead_letters")
            == 1
        )
        assert worker.value("lingoloop_unit_failures_total", **LANE, kind="import", code="import_failed") == 1
        assert worker.value("lingoloop_runs_ended_total", status="succeeded", code="none") == 3
        assert worker.value("lingoloop_runs_ended_total", status="failed", code="import_failed") == 1
        assert worker.value("lingoloop_audio_seconds_total", **LANE) == pytest.approx(3 * SECONDS, abs=1)
        chunks = worker.total("lingoloop_units_ended_total", **LANE, kind="chunk", outcome="done")
        assert worker.value("lingoloop_engine_seconds_count", **LANE) == chunks >= 3
        assert worker.value("lingoloop_engine_seconds_sum", **LANE) == pytest.approx(
            3 * SECONDS / 1000, abs=1
        )
        assert worker.value("lingoloop_unit_wait_seconds_count", **LANE, kind="chunk") == chunks
        assert worker.value("lingoloop_unit_wait_seconds_count", **LANE, kind="plan") == 3
        assert worker.total("lingoloop_unit_wait_seconds_sum", **LANE, kind="plan") > 3 * 5
        assert worker.total("lingoloop_slots_busy") == 0
        stages = ("started", "planned", "first_words", "succeeded")
        counts = [worker.value("lingoloop_run_stage_seconds_count", stage=stage) for stage in stages]
        assert counts == [4, 3, 3, 3]  # the one that could not be fetched was begun
        sums = [worker.total("lingoloop_run_stage_seconds_sum", stage=stage) for stage in stages]
        assert 3 * 5 < sums[1] < sums[3]
        assert worker.value("lingoloop_broker_connections", link="work") == 1
        assert told.value("lingoloop_broker_connections", link="events") == 1
        assert told.total("lingoloop_event_latency_seconds_count") >= 4 * 2
        assert told.total("lingoloop_event_latency_seconds_sum") < 5
        assert told.value("lingoloop_webhook_tries_total", outcome="delivered") == 4
        assert told.value("lingoloop_webhook_seconds_count") == 4
        assert page.value("lingoloop_outbox_rows") == page.value("lingoloop_outbox_oldest_seconds") == 0
        sent = [one.total("lingoloop_outbox_sent_total") for one in (page, worker)]
        assert min(sent) > 0
        await eventually(lambda: _subscribers(notifier, 0))
        # The state is the gateway's to tell: another service has no old figures of it.
        assert not any("backlog" in name or "outbox_rows" in name for name, _ in worker.series)
        assert [lint(one) for one in (page, worker, told)] == ["", "", ""]


async def _subscribers(notifier: Service, count: int) -> bool:
    return (await scrape(notifier.ops_port)).total("lingoloop_sse_subscribers") == count


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_broker_that_is_away_shows_in_what_waits_for_it(
    tmp_path: Path, database_url: str, rabbitmq: RabbitServer, rabbitmq_url: str
) -> None:
    async with Proxy(rabbitmq.port) as line:
        url = rabbitmq_url.replace(f":{rabbitmq.port}/", f":{line.port}/")
        async with fleet_in_parts(tmp_path, database_url, url) as (fleet, gateway, _), fleet.http() as http:
            await line.refuse()
            assert (await upload(http, "talk.wav", media.wav_of_ms(SECONDS * 1000))).status_code == 202
            page = await fresh(gateway)
            assert page.value("lingoloop_dependency_up", dependency="broker") == 0
            assert page.value("lingoloop_dependency_up", dependency="database") == 1
            assert page.value("lingoloop_broker_connections", link="publish") == 0
            assert page.value("lingoloop_outbox_rows") == 2  # a token and an event
            assert page.total("lingoloop_outbox_oldest_seconds") > 4
            assert page.total("lingoloop_units_ready", **LANE) == 1
            await line.allow()
            await eventually(lambda: _publishes(gateway))
            assert (await fresh(gateway)).value("lingoloop_outbox_rows") == 0


async def _publishes(gateway: Service) -> bool:
    return (await scrape(gateway.ops_port)).value("lingoloop_broker_connections", link="publish") == 1


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_all_services_in_one_process_tell_it_once(data: Path) -> None:
    port = free_port()
    async with server(data, ENGINE="simulated", OPS_PORT=str(port), OPS_HOST="127.0.0.1") as (
        _,
        url,
    ):
        token = local_token(DataFolder(data))
        async with httpx.AsyncClient(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=60
        ) as http:
            answer = await upload(http, "talk.wav", media.wav_of_ms(3000))
            assert answer.json()["status"] == "succeeded"
        page = await scrape(port)
    assert lint(page) == ""
    assert page.value("lingoloop_units_ended_total", **LANE, kind="chunk", outcome="done") == 1
    assert page.total("lingoloop_runs_ended_total") == 1
    assert page.value("lingoloop_audio_seconds_total", **LANE) == 3
    assert page.value("lingoloop_slots", **LANE) is not None
    assert page.value("lingoloop_uploads_total", way="raw", outcome="accepted") == 1
    names = [line.split()[2] for line in page.text.splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names))


def test_the_pages_queries_are_promql_over_metrics_that_there_are(tmp_path: Path) -> None:
    _, _, questions = PAGE.read_text().partition("## Questions")
    queries = [query.replace(r"\|", "|") for query in re.findall(r"\| `(.+)` \|$", questions, re.MULTILINE)]
    assert len(queries) == 7
    rules = [{"record": "answer:one", "expr": query} for query in queries]
    path = tmp_path / "rules.yml"
    path.write_text(json.dumps({"groups": [{"name": "page", "rules": rules}]}))
    found = subprocess.run(
        ["promtool", "check", "rules", str(path), "--lint", "none"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    known = {sample for name, kind in KINDS.items() for sample in series_of(name, kind)}
    assert {name for query in queries for name in re.findall(r"lingoloop_\w+", query)} <= known
