"""`python -m tests.chaos --seed 1 --runs 200`: progress on stderr, the last line of the output is JSON."""

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
from pathlib import Path

from tests.chaos.driver import chaos


def main() -> int:
    """Play one chaos; return 0 if all held."""
    parser = argparse.ArgumentParser(prog="chaos")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--runs", type=int, default=200, help="one hit of each kind for each 20 (default: 200)"
    )
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="lingoloop-chaos-"))
    holds = False
    try:
        report = asyncio.run(chaos(given.seed, given.runs, folder))
        holds = report.holds
    finally:
        if holds:
            shutil.rmtree(folder)
        else:
            print(f"the services' logs are in {folder}", file=sys.stderr)
    print(json.dumps(report.as_json()))
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
