"""`python -m lingoloop_transcriber`: one transcriber in this process."""

import sys

from lingoloop_common import lifecycle, plumbing
from lingoloop_common.blobs.choice import open_blobs
from lingoloop_common.http import HttpServer, ops_app
from lingoloop_common.settings import SettingsError, read_settings
from lingoloop_common.tracing import Tracing
from lingoloop_transcriber.app import parts
from lingoloop_transcriber.engines import EngineError
from lingoloop_transcriber.settings import TranscriberSettings


def main() -> int:
    """Run until SIGTERM; return the exit code."""
    try:
        settings = read_settings(TranscriberSettings)
        shared = plumbing.connect(settings)
        blobs = open_blobs(settings)
        own = parts(settings, database=shared.database, broker=shared.broker, relay=shared.relay, blobs=blobs)
    except (SettingsError, EngineError) as error:
        print(f"transcriber: {error}", file=sys.stderr)
        return 1
    started = lifecycle.Started()  # with it, that the engine is loaded
    checks = {**shared.checks, "storage": blobs.check, "engine": started.check}
    ops = HttpServer(ops_app("transcriber", checks), host=settings.ops_host, port=settings.ops_port)
    return lifecycle.main("transcriber", [Tracing("transcriber"), blobs, *shared.parts, ops, *own, started])


if __name__ == "__main__":
    sys.exit(main())
