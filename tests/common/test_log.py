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

FAULTS = """
import asyncio, logging, sys
from lingoloop_common.log import configure_logging
configure_logging(level="DEBUG", log_format="json")
logging.getLogger("botocore").debug("Authorization: hunter2")
async def fails(given):
    raise ValueError(f"{given} cannot be read")
async def forgets():
    task = asyncio.ensure_future(fails("hunter2"))
    await asyncio.sleep(0)
asyncio.run(forgets())
int("hunter2")
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


def test_what_nobody_caught_is_a_line_too_and_shows_no_value() -> None:
    done = subprocess.run([sys.executable, "-c", FAULTS], check=False, capture_output=True, text=True)
    assert done.returncode == 1
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines] == [
        "Task exception was never retrieved",
        "a fault ends this process",
    ]
    assert all(line["exception"].endswith("\nValueError") for line in lines)
    assert "hunter2" not in done.stderr.replace('int("hunter2")', "")
