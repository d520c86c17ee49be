"""No secret, name, address or word of a recording gets into a log line of any level, a span or a metric, whatever is done.

A real fleet is driven through all its doors, also the wrong ones, with values that stand nowhere else. What its processes wrote is
then searched for them.
"""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import pytest
import pytest_asyncio

from lingoloop_common.keys import create_key
from tests import media
from tests.collector import Collector, collecting
from tests.fleet import SCOPE, SECRET, Fleet, running_fleet
from tests.gateway.raw_http import exchange
from tests.notifier.receiver import Receiver, answers, receiving
from tests.openai_server import FakeServer, Scripted, speaking
from tests.origin import Origin, serving
from tests.servers.rabbitmq import RabbitServer
from tests.speech import RATE, read_audio
from tests.waiting import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

TALK = Path(__file__).parents[2] / "examples" / "talk.ogg"
OWNER = "owner-canary-5e1f"
MARK = "canary-5e1f"
"""In all that may be seen nowhere. What the servers make up (tokens, keys, tickets) is gathered beside it."""


def canary(what: str) -> str:
    """Return a value that stands nowhere else."""
    return f"{what}-{MARK}"


SAID = Scripted({"text": canary("said"), "words": [{"word": canary("said"), "start": 0.3, "end": 0.9}]})
ECHO = Scripted({"error": {"message": f"no such prompt: {canary('hotword')}"}}, status=400)


class Drive:
    """Drives a fleet, and remembers the secrets that it was given."""

    def __init__(self, fleet: Fleet, origin: Origin, receiver: Receiver) -> None:
        self.fleet, self.origin, self.receiver = fleet, origin, receiver
        self.speech = media.wav(read_audio(TALK)[: 20 * RATE])
        self.token = fleet.token(OWNER)
        self.secrets = [SECRET, *self.token.split(".")]
        self.run_id = ""
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Cookie": f"session={canary('cookie')}",
            "X-Request-Id": canary("request-id"),
            "User-Agent": canary("agent"),
            "traceparent": canary("traceparent"),
            "tracestate": f"a={canary('tracestate')}",
            "baggage": f"a={canary('baggage')}",
        }
        self.http = httpx.AsyncClient(base_url=fleet.url, headers=headers, timeout=60)
        self.bare = httpx.AsyncClient(base_url=fleet.url, timeout=60)

    async def all(self) -> None:
        """Go through all doors."""
        async with self.http, self.bare:
            await self.uploads()
            await self.results()
            await self.strangers()
            await self.broken_bodies()
            await self.webhooks()
            await self.imports()
            await self.faults()
        await self.not_http()

    async def uploads(self) -> None:
        hooked = {"webhookUrl": f"{self.receiver.url}?key={canary('hook')}", "hotwords": canary("hotword")}
        form = {**hooked, "metadata": json.dumps({"note": canary("metadata")}), "language": "en"}
        file = {"file": (f"{canary('name')}.wav", self.speech, "audio/wav")}
        refused = await self.http.post(
            "/api/audios", data=form, files=file
        )  # the engine's server repeats the hot word
        assert refused.status_code == 422, refused.text
        done = await self.http.post("/api/audios", data={**form, "force": "1"}, files=file)
        assert canary("said") in done.json()["text"]
        self.run_id = done.json()["runId"]
        await self.http.post("/api/audios", params={"filename": canary("query")}, content=b"no sound")
        await self.http.post("/api/audios", params={"engine": canary("engine")}, content=self.speech)
        await self.http.post(
            "/api/audios", headers={"Idempotency-Key": canary("idempotency")}, content=self.speech
        )
        await self.tus()
        key = await self.key()
        for authorization in (f"Bearer {key}", f"Bearer sk-{canary('openai')}"):
            answer = await self.bare.post(
                "/v1/audio/transcriptions",
                headers={"Authorization": authorization},
                data={"model": "whisper-1", "prompt": canary("prompt")},
                files=file,
            )
            assert answer.status_code in (200, 401), answer.text

    async def tus(self) -> None:
        name = base64.b64encode(f"{canary('tus')}.wav".encode()).decode()
        self.secrets.append(name[:12])
        begin = {
            "Tus-Resumable": "1.0.0",
            "Upload-Length": str(len(self.speech)),
            "Upload-Metadata": f"filename {name}",
        }
        place = (await self.http.post("/api/uploads", headers=begin)).headers["Location"]
        patch = {
            "Tus-Resumable": "1.0.0",
            "Upload-Offset": "0",
            "Content-Type": "application/offset+octet-stream",
        }
        assert (
            "Lingoloop-Run-Id" in (await self.http.patch(place, headers=patch, content=self.speech)).headers
        )
        await self.http.post(
            "/api/uploads", headers={**begin, "Upload-Metadata": f"filename {canary('no-base64')}"}
        )

    async def key(self) -> str:
        connection = await asyncpg.connect(self.fleet.database_url)
        _, key = await create_key(connection, owner=OWNER, scope=SCOPE, name=canary("label"))
        await connection.close()
        self.secrets.append(key)
        return key

    async def results(self) -> None:
        run = f"/api/runs/{self.run_id}"
        ticket = (await self.http.post("/api/tickets", json={"path": f"{run}/events"})).json()["ticket"]
        self.secrets.append(ticket)
        for given in (self.token, ticket, canary("ticket"), f"llt_{canary('ticket')}"):
            await self.bare.get(f"{run}/events", params={"access_token": given})
        for name in ("", "/segments", "/progress", "/export?fmt=json", "/export?fmt=srt"):
            assert (await self.http.get(run + name)).status_code == 200
        index = (await self.http.get(f"{run}/segments")).json()["items"][0]["index"]
        edited = await self.http.patch(
            f"{run}/segments/{index}", json={"text": canary("edit"), "speaker": "B"}
        )
        assert edited.status_code == 200, edited.text
        await self.http.put(f"{run}/speakers", json={"speakers": {"B": canary("speaker")}})
        for words in (canary("search"), canary("said"), f'"{canary("search")}'):
            assert (await self.http.get("/api/runs", params={"q": words})).status_code == 200

    async def strangers(self) -> None:
        for value in (
            f"Bearer {canary('bearer')}",
            f"Basic {canary('basic')}",
            f"Bearer llk_{canary('key')}",
        ):
            for path in ("/api/runs", f"/api/runs/{self.run_id}/events", "/api/admin/worker", "/v1/models"):
                answer = await self.bare.get(path, headers={"Authorization": value})
                assert answer.status_code == 401
        for path in (
            "/api/runs/{}",
            "/api/audios/{}/content",
            "/api/uploads/{}",
            "/{}",
            "/api/{}",
            "/assets/{}.js",
            "/runs/{}",
        ):
            for method in ("GET", "DELETE", canary("METHOD")):
                await self.http.request(method, path.format(canary("path")))

    async def broken_bodies(self) -> None:
        texts = [
            f'{{"text": "{canary("json")}',
            f'["{canary("list")}"]',
            f'{{"{canary("field")}": 1}}',
            f'"{canary("text")}\\ud800"',
        ]
        texts.append(
            json.dumps(
                {
                    name: canary("value")
                    for name in ("url", "path", "code", "secret", "text", "ids", "speakers")
                }
            )
        )
        calls = [
            ("POST", "/api/audios"),
            ("POST", "/api/tickets"),
            ("POST", "/api/webhooks"),
            ("POST", "/api/sign-in"),
            ("POST", "/api/admin/dead-letters/replay"),
            ("PATCH", f"/api/runs/{self.run_id}/segments/0"),
            ("PUT", f"/api/runs/{self.run_id}/speakers"),
        ]
        for method, path in calls:
            for text in texts:
                answer = await self.http.request(
                    method, path, content=text.encode(), headers={"Content-Type": "application/json"}
                )
                assert 400 <= answer.status_code < 500, (path, text, answer.text)
        broken = {"Content-Type": f"multipart/form-data; boundary={canary('boundary')}"}
        for path in ("/api/audios", "/v1/audio/transcriptions"):
            await self.http.post(path, content=f"--{canary('part')}".encode(), headers=broken)

    async def webhooks(self) -> None:
        self.receiver.next = [answers(500)]
        url = f"{self.receiver.url}?again={canary('endpoint')}"
        made = await self.http.post("/api/webhooks", json={"url": url})
        assert made.status_code == 201, made.text
        self.secrets.append(made.json()["secret"])
        await self.http.post("/api/webhooks", json={"url": url, "secret": f"whsec_{canary('secret')}"})
        await self.http.post("/api/audios", params={"force": "1", "language": "en"}, content=self.speech)
        connection = await asyncpg.connect(self.fleet.database_url)
        await connection.execute("UPDATE webhook_endpoint SET secret = $1", f"whsec_{canary('damaged')}!")
        await self.http.post("/api/audios", params={"force": "1", "language": "en"}, content=self.speech)

        async def is_faulty() -> bool:
            return bool(
                await connection.fetchval(
                    "SELECT EXISTS (SELECT FROM webhook_delivery WHERE error LIKE 'the sender%')"
                )
            )

        await eventually(is_faulty)
        await connection.close()

    async def imports(self) -> None:
        signed = f"?X-Amz-Signature={canary('signature')}"
        user = self.origin.url.replace("://", f"://user:{canary('password')}@")
        for url in (self.origin.url + signed, user, f"http://127.0.0.1:1/{canary('away')}.wav{signed}"):
            answer = await self.http.post("/api/audios", json={"url": url, "force": True})
            assert answer.status_code in (202, 422), answer.text
            if answer.status_code == 202:
                await self.ended(answer.json()["runId"])

    async def ended(self, run_id: str) -> None:
        async def has_ended() -> bool:
            run = (await self.http.get(f"/api/runs/{run_id}")).json()
            return run["status"] in ("succeeded", "failed")

        await eventually(has_ended, seconds=60)

    async def faults(self) -> None:
        """Let the database refuse rows: its errors show what they hold."""
        connection = await asyncpg.connect(self.fleet.database_url)
        for table in ("segment", "segment_edit", "upload"):
            await connection.execute(f"ALTER TABLE {table} ADD CONSTRAINT never CHECK (false) NOT VALID")
        index = (await self.http.get(f"/api/runs/{self.run_id}/segments")).json()["items"][0]["index"]
        edit = await self.http.patch(
            f"/api/runs/{self.run_id}/segments/{index}", json={"text": canary("refused")}
        )
        assert edit.status_code == 500
        begin = {
            "Tus-Resumable": "1.0.0",
            "Upload-Length": "9",
            "Upload-Metadata": "filename " + self.secrets[4],
        }
        assert (await self.http.post("/api/uploads", headers=begin)).status_code == 500
        run = await self.http.post(
            "/api/audios", params={"force": "1", "language": "en"}, content=self.speech
        )
        assert run.json()["cause"]["code"] == "internal_error", run.text
        await connection.execute("ALTER TABLE transcript_run RENAME TO elsewhere")
        for url in (self.fleet.url, self.fleet.notifier_url):
            answer = await self.bare.get(
                f"{url}/api/runs/{self.run_id}/events", params={"access_token": self.token}
            )
            assert answer.status_code in (500, 503)
        await connection.execute("ALTER TABLE elsewhere RENAME TO transcript_run")
        await connection.close()

    async def not_http(self) -> None:
        word = canary("raw").encode()
        for url in (self.fleet.url, self.fleet.notifier_url):
            for request in (
                b"GET /?access_token=" + word + b" HTTP/9\r\n\r\n",
                word + b"\r\n\r\n",
                b"GET / HTTP/1.1\r\nAuthorization Bearer " + word + b"\r\n\r\n",
                b"GET / HTTP/1.1\r\nHost: x\r\nX: " + word + b"\xff\x00\r\n\r\n",
                b"GET /" + word * 2000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
                b"POST /api/audios HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                + word
                + b"\r\n",
            ):
                await exchange(url, request)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def driven(
    tmp_path_factory: pytest.TempPathFactory, module_database_url: str, rabbitmq: RabbitServer
) -> AsyncIterator[tuple[Drive, Collector, str]]:
    """Drive a fleet through everything; give what was seen of it."""
    folder = tmp_path_factory.mktemp(canary("fleet"))
    vhost = f"leaks_{uuid4().hex}"
    broker_url = rabbitmq.create_vhost(vhost)
    async with (
        collecting() as collector,
        receiving() as receiver,
        speaking(FakeServer(ECHO, SAID)) as server,
        serving(Origin(media.wav())) as origin,
    ):
        settings = {
            "ENGINE": "openai",
            "OPENAI_BASE_URL": server.url,
            "OPENAI_API_KEY": f"sk-{canary('server')}",
            "MAX_CONCURRENT_JOBS": "1",
            "WORKER_MAX_RETRIES": "0",
            "WEBHOOK_RETRY_DELAYS": "100",
            "ALLOW_PRIVATE_ADDRESSES": "1",
            "LOG_LEVEL": "DEBUG",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_EXPORTER_OTLP_HEADERS": f"authorization={canary('collector')}",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }
        async with running_fleet(
            folder, module_database_url, broker_url, transcribers=1, **settings
        ) as fleet:
            drive = Drive(fleet, origin, receiver)
            await drive.all()
            async with httpx.AsyncClient() as ops:
                pages = [await ops.get(f"http://127.0.0.1:{s.ops_port}/metrics") for s in fleet.services]
            for service in fleet.services:
                service.process.terminate()
            for service in fleet.services:
                assert await service.wait() == 0
            yield drive, collector, "\n".join(page.text for page in pages)
    rabbitmq.delete_vhost(vhost)


def found(drive: Drive, text: str) -> list[str]:
    """Return the lines that hold what nobody should see."""
    return [line for line in text.splitlines() if any(word in line for word in (MARK, *drive.secrets))]


async def test_no_log_line_does(driven: tuple[Drive, Collector, str]) -> None:
    drive, _, _ = driven
    for service in drive.fleet.services:
        assert found(drive, service.log.read_text()) == [], service.name


async def test_the_log_tells_of_all_that_went_wrong_all_the_same(
    driven: tuple[Drive, Collector, str],
) -> None:
    drive, _, _ = driven
    lines = [json.loads(line) for s in drive.fleet.services for line in s.log.read_text().splitlines()]
    faults = {line["event"] for line in lines if "exception" in line}
    assert {"request failed", "a fault in the worker"} <= faults
    assert {"unit failed", "a fault in the sender"} <= {line["event"] for line in lines}
    assert any("CheckViolationError (23514)" in line.get("exception", "") for line in lines)
    assert {line["reason"] for line in lines if line.get("code") == "engine_refused"} == {
        "the engine's server answered 400"
    }


async def test_no_span_does(driven: tuple[Drive, Collector, str]) -> None:
    drive, collector, _ = driven
    assert {span.service for span in collector.spans} >= {
        "lingoloop-gateway",
        "lingoloop-transcriber",
        "lingoloop-notifier",
    }
    assert [span.text for span in collector.spans if found(drive, span.text)] == []


async def test_no_metric_does(driven: tuple[Drive, Collector, str]) -> None:
    drive, _, pages = driven
    assert "lingoloop_http_seconds_count" in pages
    assert found(drive, pages) == []
