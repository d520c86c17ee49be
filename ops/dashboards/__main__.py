"""Writes the dashboards: `python -m ops.dashboards FOLDER`, a file each."""

import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from ops.dashboards import live_events, overview, run, transcribers

DASHBOARDS = {
    "overview": overview.dashboard,
    "transcribers": transcribers.dashboard,
    "live-events": live_events.dashboard,
    "run": run.dashboard,
}


def texts() -> dict[str, str]:
    """Return each dashboard's JSON by its file's name; its panels are numbered, so that links to them last."""
    encoder = JSONEncoder(sort_keys=True, indent=2, ensure_ascii=False)
    made = {f"{name}.json": make().build() for name, make in DASHBOARDS.items()}
    for dashboard in made.values():
        for number, panel in enumerate(dashboard.panels or [], 1):
            panel.id_val = number
    return {name: encoder.encode(dashboard) + "\n" for name, dashboard in made.items()}


if __name__ == "__main__":
    for name, text in texts().items():
        Path(sys.argv[1], name).write_text(text)
