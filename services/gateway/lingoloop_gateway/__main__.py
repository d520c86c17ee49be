"""`python -m lingoloop_gateway`: one gateway in this process."""

import sys

from lingoloop_common import lifecycle, plumbing
from lingoloop_common.blobs.choice import open_blobs
from lingoloop_common.http import HttpServer, ops_app
from lingoloop_common.settings import SettingsError, read_settings
from lingoloop_common.tracing import Tracing
from lingoloop_gateway.app import parts
from lingoloop_gateway.settings import GatewaySettings
from lingoloop_gateway.state import State


def main() -> int:
    """Run until SIGTERM; return the exit code."""
    try:
        settings = read_settings(GatewaySettings)
        shared = plumbing.connect(settings)
    except SettingsError as error:
        print(f"gateway: {error}", file=sys.stderr)
        return 1
    blobs = open_blobs(settings)
    own, _ = parts(
        settings,
        database=shared.database,
        broker=shared.broker,
        relay=shared.relay,
        blobs=blobs,
        notifier_url=lambda: settings.notifier_url,
    )
    checks = {**shared.checks, "storage": blobs.check}
    state = State(shared.database).page
    ops = HttpServer(ops_app("gateway", checks, state), host=settings.ops_host, port=settings.ops_port)
    return lifecycle.main("gateway", [Tracing("gateway"), blobs, *shared.parts, ops, *own])


if __name__ == "__main__":
    sys.exit(main())
