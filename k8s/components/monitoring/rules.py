"""Makes rules.yaml, which the Prometheus Operator reads, of the files that Prometheus reads itself: `make cluster-rules`."""

from pathlib import Path

import yaml

HERE = Path(__file__).parent
RULES = HERE.parents[2] / "ops" / "prometheus" / "rules"
NOTE = "# Made of ops/prometheus/rules by `make cluster-rules`.\n"


def prometheus_rule() -> str:
    """Return the groups of all files, in the order of their names, as one resource."""
    groups = [
        group
        for file in sorted(RULES.glob("*.yml"))
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
    ]
    resource = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        # Labelled by what the Prometheus of its Helm chart, under this name, selects.
        "metadata": {"name": "lingoloop", "labels": {"release": "prometheus"}},
        "spec": {"groups": groups},
    }
    return NOTE + yaml.safe_dump(resource, sort_keys=False, allow_unicode=True, width=10_000)


if __name__ == "__main__":
    (HERE / "rules.yaml").write_text(prometheus_rule(), encoding="utf-8")
