"""`python -m bench NAME [--speech DIR]`: runs one bench; the last line printed is one JSON object."""

import argparse
import asyncio
import importlib
import json
from pathlib import Path

from tests.speech import SHARED

NAMES = (
    "throughput",
    "first-words",
    "small",
    "memory",
    "overhead",
    "control-plane",
    "uploads",
    "progress",
    "fanout",
    "words",
    "sizing",
)


def main() -> None:
    """Run a bench by its name."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument(
        "--speech", type=Path, default=SHARED, help="a folder with speech and its manifest.json"
    )
    arguments = parser.parse_args()
    bench = importlib.import_module(f"bench.{arguments.name.replace('-', '_')}")
    print(json.dumps({"bench": arguments.name, **asyncio.run(bench.measure(arguments.speech))}))


if __name__ == "__main__":
    main()
