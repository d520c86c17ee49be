"""Logs hold neither tokens nor words, whatever happens; they are read from real processes."""

import subprocess
import sys
from pathlib import Path

import httpx

from tests import media
from tests.fleet import running_fleet

LEAK = """
import sys, structlog
from lingoloop_common.log import configure_logging
configure_logging(level="DEBUG", log_format=sys.argv[1])
def handle(token, segments):
    raise RuntimeError("something")
try:
    handle("eyJ" + "hbGci.token", ["spoken " + "words"])
except RuntimeError:
    structlog.get_logger("x").exception("request failed")
"""


def test_a_trace_in_the_log_does_not_show_what_the_variables_held() -> None:
    for log_format in ("console", "json"):
        done = subprocess.run(
            [sys.executable, "-c", LEAK, log_format], capture_output=True, text=True, check=True, timeout=60
        )
        assert "RuntimeError: something" in done.stderr
        assert "eyJhbGci" not in done.stderr
        assert "spoken words" not in done.stderr


async def test_no_token_and_no_word_of_a_transcript_is_logged(
    tmp_path: Path, database_url: str, rabbitmq_url: str
) -> None:
    settings = {"ENGINE": "simulated", "SIMULATED_MS_PER_SECOND": "0", "LOG_LEVEL": "DEBUG"}
    async with running_fleet(tmp_path, database_url, rabbitmq_url, transcribers=1, **settings) as fleet:
        token = fleet.token()
        async with fleet.http() as http, httpx.AsyncClient(base_url=fleet.url, timeout=30) as bare:
            body = (
                await http.post("/api/audios", content=media.wav(), params={"filename": "talk.wav"})
            ).json()
            assert body["text"] == "simulated 0.0"
            run_id = body["runId"]
            for name in ("", "/segments", "/progress", "/export?fmt=json"):
                assert (await http.get(f"/api/runs/{run_id}{name}")).status_code == 200
            for target in (f"/api/runs/{run_id}/events", f"/api/runs/{run_id}/export"):
                answer = await bare.get(f"{target}?access_token={token}")
                assert "simulated 0.0" in answer.text
                assert (await bare.get(f"{target}?access_token={token}x")).status_code == 401
            await http.post("/api/audios", content=b"no sound")
        logs = "".join(service.log.read_text() for service in fleet.services)
    assert run_id in logs
    assert "simulated 0.0" not in logs
    for part in token.split("."):
        assert part not in logs
