"""A private Prometheus from the system's package, with LingoLoop's rules, that asks every two seconds."""

import json
import shutil
import signal
import subprocess
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import yaml

from tests.servers import end, free_port, spawn, wait_until

OPS = Path(__file__).parents[2] / "ops" / "prometheus"


class Prometheus:
    """Asks the targets that a test names, by job; all else is as in the file that is committed.

    Args:
        targets: addresses like `127.0.0.1:9464` by job.
        rules: files of rules; by default those that are committed.
    """

    def __init__(self, targets: Mapping[str, Sequence[str]], rules: Sequence[Path] | None = None) -> None:
        self._targets = targets
        self._rules = sorted((OPS / "rules").glob("*.yml")) if rules is None else rules
        self._port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="lingoloop-prometheus-"))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        config, log = self._folder / "prometheus.yml", self._folder / "server.log"
        config.write_text(yaml.safe_dump(self._configuration()))
        command = [
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={self._folder}/data",
            f"--web.listen-address=127.0.0.1:{self._port}",
        ]
        self._process = process = spawn(command, log)

        def answers() -> bool:
            if process.poll() is not None:
                raise RuntimeError(f"Prometheus did not start:\n{log.read_text()}")
            try:
                return self._get("/-/ready") is not None
            except OSError:
                return False

        wait_until(answers, "Prometheus to answer")
        return self

    def __exit__(self, *_: object) -> None:
        if self._process:
            end(self._process, signal.SIGTERM)
        shutil.rmtree(self._folder)

    def now(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Return what an expression is at this moment: labels and value of each series."""
        result = self.api("query", query=expression)["result"]
        return [(series["metric"], float(series["value"][1])) for series in result]

    def course(self, expression: str, begin: float, until: float) -> list[tuple[dict[str, str], list[float]]]:
        """Return what it was, second by second."""
        result = self.api("query_range", query=expression, start=str(begin), end=str(until), step="1")[
            "result"
        ]
        return [(series["metric"], [float(value) for _, value in series["values"]]) for series in result]

    def api(self, path: str, **query: str) -> Any:
        """Return the `data` of an answer of its API."""
        try:
            text = self._get(f"/api/v1/{path}?{urllib.parse.urlencode(query)}")
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{query}: {error.read().decode()}") from error
        return json.loads(text)["data"]

    def _get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=10) as answer:
            return str(answer.read().decode())

    def _configuration(self) -> dict[str, Any]:
        committed: dict[str, Any] = yaml.safe_load((OPS / "prometheus.yml").read_text())
        jobs = [
            {"job_name": name, "static_configs": [{"targets": list(targets)}]}
            for name, targets in self._targets.items()
        ]
        return {
            **committed,
            "global": {"scrape_interval": "2s", "evaluation_interval": "1s"},
            "rule_files": [str(path) for path in self._rules],
            "scrape_configs": jobs,
        }
