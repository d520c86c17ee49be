"""One trace from an upload to the last frame of its run, and to the webhook that tells of it, over a real fleet."""

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from tests import media
from tests.collector import Collector, Seen, collecting
from tests.fleet import Fleet, running_fleet
from tests.notifier.receiver import Receiver, receiving
from tests.openai_server import HELLO, FakeServer, Scripted, speaking
from tests.servers import free_port
from tests.servers.rabbitmq import RabbitServer
from tests.speech import RATE, read_audio
from tests.waiting import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

TRACE, CLIENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TALK = Path(__file__).parents[2] / "examples" / "talk.ogg"
FAST = {"OTEL_BSP_SCHEDULE_DELAY": "100"}


class Followed:
    """What was seen of one upload."""

    def __init__(self, fleet: Fleet, collector: Collector, receiver: Receiver, run_id: str) -> None:
        self.fleet, self.collector, self.receiver, self.run_id = fleet, collector, receiver, run_id
        self.spans = collector.of_trace(TRACE)

    def named(self, name: str, **attributes: Any) -> list[Seen]:
        """Return the trace's spans of a name that have these of our attributes."""
        wanted = {f"lingoloop.{key}": value for key, value in attributes.items()}
        return [s for s in self.spans.values() if s.name == name and wanted.items() <= s.attributes.items()]

    def line_up(self, span: Seen) -> list[tuple[str, str]]:
        """Return a span and all above it, as service and name."""
        found = [(span.service, span.name)]
        while span.parent_id != CLIENT:
            span = self.spans[span.parent_id]
            found.append((span.service, span.name))
        return found

    def lines(self, service: str) -> list[dict[str, Any]]:
        """Return the run's log lines of a service."""
        texts = (s.log.read_text() for s in self.fleet.services if s.name == service)
        lines = [json.loads(line) for text in texts for line in text.splitlines()]
        return [line for line in lines if line.get("run_id") == self.run_id]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def followed(
    tmp_path_factory: pytest.TempPathFactory, module_database_url: str, rabbitmq: RabbitServer
) -> AsyncIterator[Followed]:
    """Upload a minute of speech with a `traceparent`, follow it by the owner's stream, let its first chunk fail once."""
    folder = tmp_path_factory.mktemp("fleet")
    vhost = f"traces_{uuid4().hex}"
    broker_url = rabbitmq.create_vhost(vhost)
    server = FakeServer(Scripted({"error": {"message": "not now"}}, status=500), HELLO)
    async with collecting() as collector, receiving() as receiver, speaking(server):
        settings = {
            "ENGINE": "openai",
            "OPENAI_BASE_URL": server.url,
            "MAX_CONCURRENT_JOBS": "1",
            "WORKER_RETRY_DELAYS": "100",
            "ALLOW_PRIVATE_ADDRESSES": "1",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            **FAST,
        }
        async with running_fleet(
            folder, module_database_url, broker_url, transcribers=1, **settings
        ) as fleet:
            run_id = await follow(fleet, receiver)
            seen = Followed(fleet, collector, receiver, run_id)

            def is_whole() -> bool:
                seen.spans = collector.of_trace(TRACE)
                ends = seen.named("write frame", event="lingoloop.run.done.v1"), seen.named("webhook")
                known = {CLIENT, *seen.spans}
                return all(ends) and all(span.parent_id in known for span in seen.spans.values())

            await eventually(is_whole)
            yield seen
    rabbitmq.delete_vhost(vhost)


async def follow(fleet: Fleet, receiver: Receiver) -> str:
    async with fleet.client() as client, fleet.http() as http:
        frames = client.events(None)
        assert (await anext(frames))["event"] == "snapshot"
        answer = await http.post(
            "/api/audios",
            params={"model": "long", "webhookUrl": receiver.url, "filename": "talk.wav", "language": "en"},
            content=media.wav(read_audio(TALK)[: 60 * RATE]),
            headers={"Content-Type": "audio/wav", "traceparent": f"00-{TRACE}-{CLIENT}-01"},
        )
        assert answer.status_code == 202
        last = await asyncio.wait_for(until_done(frames), 60)
    assert last["status"] == "succeeded"
    return str(answer.json()["runId"])


async def until_done(frames: AsyncIterator[dict[str, Any]]) -> dict[str, Any]:
    while (frame := await anext(frames))["event"] != "done":
        pass
    return frame


async def test_the_last_frame_goes_back_to_the_upload_and_to_who_sent_it(followed: Followed) -> None:
    [last] = followed.named("write frame", event="lingoloop.run.done.v1")
    assert followed.line_up(last) == [
        ("lingoloop-notifier", "write frame"),
        ("lingoloop-transcriber", "send lingoloop.events"),
        ("lingoloop-transcriber", "chunk"),
        ("lingoloop-gateway", "POST /api/audios"),
    ]


async def test_every_span_of_the_trace_has_its_parent_in_it(followed: Followed) -> None:
    assert all(followed.line_up(span)[-1][1] == "POST /api/audios" for span in followed.spans.values())
    assert {span.service for span in followed.spans.values()} == {
        "lingoloop-gateway",
        "lingoloop-transcriber",
        "lingoloop-notifier",
    }
    assert {span.attributes.get("lingoloop.run_id", followed.run_id) for span in followed.spans.values()} == {
        followed.run_id
    }


async def test_a_chunk_that_is_tried_again_shows_both_attempts(followed: Followed) -> None:
    [failed] = followed.named("chunk", outcome="delayed")
    assert failed.failed
    assert failed.attributes["lingoloop.code"] == "engine_failed"
    again = followed.named("chunk", unit_id=failed.attributes["lingoloop.unit_id"], outcome="done")
    assert [
        span.attributes["lingoloop.attempt"] - failed.attributes["lingoloop.attempt"] for span in again
    ] == [1]
    assert not again[0].failed
    assert [span.parent_id for span in followed.named("slot") if span.failed] == [failed.span_id]


async def test_a_unit_is_linked_to_the_token_that_it_was_claimed_by(followed: Followed) -> None:
    tokens = {span.span_id for span in followed.named("send work.openai.whisper-1")}
    [plan] = followed.named("plan")
    assert len(plan.links) == 1
    assert set(plan.links) <= tokens
    assert plan.parent_id == followed.named("POST /api/audios")[0].span_id  # not the token's


async def test_a_webhook_is_a_part_of_it_and_its_receiver_can_go_on(followed: Followed) -> None:
    [sent] = followed.named("webhook", outcome="delivered")
    assert (sent.service, sent.attributes["http.response.status_code"]) == ("lingoloop-notifier", 204)
    heard = await followed.receiver.heard.get()
    assert heard.headers["traceparent"] == f"00-{TRACE}-{sent.span_id}-01"


async def test_log_lines_name_the_run_its_trace_and_the_request_it_goes_back_to(followed: Followed) -> None:
    [upload] = [line for line in followed.lines("gateway") if line["event"] == "request"]
    assert (upload["path"], upload["trace_id"]) == ("/api/audios", TRACE)
    assert upload["span_id"] == followed.named("POST /api/audios")[0].span_id
    [failed] = [line for line in followed.lines("transcriber") if line["event"] == "unit failed"]
    [told] = [line for line in followed.lines("notifier") if line["event"] == "webhook delivered"]
    for line in (failed, told):
        assert (line["request_id"], line["trace_id"]) == (upload["request_id"], TRACE)
    assert failed["span_id"] == followed.named("chunk", outcome="delayed")[0].span_id


async def test_a_retry_goes_back_to_the_request_that_asked_for_it(followed: Followed) -> None:
    async with followed.fleet.http() as http:
        trace = TRACE[::-1]
        run = await http.post(
            "/api/audios", params={"model": "long"}, content=media.wav(), headers=traced(TRACE)
        )
        await http.post(f"/api/runs/{run.json()['runId']}/cancel")
        again = await http.post(f"/api/runs/{run.json()['runId']}/retry", headers=traced(trace))
        assert again.status_code == 202

    def is_done() -> bool:
        return any(span.name == "plan" for span in followed.collector.of_trace(trace).values())

    await eventually(is_done)


def traced(trace: str) -> dict[str, str]:
    return {"traceparent": f"00-{trace}-{CLIENT}-01"}


@pytest.mark.parametrize("collector_is", ["hanging", "away", "refusing"])
async def test_a_collector_that_takes_nothing_keeps_nothing_up(followed: Followed, collector_is: str) -> None:
    port = free_port()
    async with collecting() as collector, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        collector.hangs, collector.status = collector_is == "hanging", 403
        url = f"http://127.0.0.1:{free_port()}" if collector_is == "away" else collector.url
        few = {"OTEL_BSP_MAX_QUEUE_SIZE": "64", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "16"}
        settings = {"GATEWAY_PORT": str(port), "OTEL_EXPORTER_OTLP_ENDPOINT": url, **few}
        gateway = followed.fleet.start("gateway", **settings)
        await gateway.ready()
        for _ in range(300):  # more than may wait
            begin = time.monotonic()
            assert (await http.get("/api/settings")).status_code == 200
            assert time.monotonic() - begin < 1
        if collector_is == "refusing":
            await eventually(lambda: "traces cannot be sent" in gateway.log.read_text())
        begin = time.monotonic()
        gateway.send(signal.SIGTERM)
        assert await gateway.wait() == 0
        assert time.monotonic() - begin < 8  # a request of the exporter may take 10
        assert gateway.log.read_text().count("traces cannot be sent") == (collector_is == "refusing")
