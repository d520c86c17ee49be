"""Log lines are one JSON object each, wherever they come from."""

import json
import subprocess
import sys

CODE = """
import logging, structlog
from lingoloop_common.log import configure_logging
configure_logging(level="INFO", log_format="json")
structlog.contextvars.bind_contextvars(run_id="r1")
structlog.get_logger("ours").info("hello", n=1)
logging.getLogger("theirs").warning("a %s", "warning")
logging.getLogger("aiohttp.access").info("GET /?access_token=hunter2")
structlog.get_logger("ours").debug("not shown")
try:
    1 / 0
except ZeroDivisionError:
    structlog.get_logger("ours").exception("oops")
"""


def test_every_line_is_json_with_its_context() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], check=True, capture_output=True, text=True)
    assert done.stdout == ""
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(line["logger"], line["event"]) for line in lines] == [
        ("ours", "hello"),
        ("theirs", "a warning"),
        ("ours", "oops"),
    ]
    assert {line["run_id"] for line in lines} == {"r1"}
    assert "ZeroDivisionError" in lines[2]["exception"]
    assert "hunter2" not in done.stderr
